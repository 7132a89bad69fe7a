"""The checks of an audit, a module for each kind of doubt. Each check is a number that SQL gives, and a limit for it."""
