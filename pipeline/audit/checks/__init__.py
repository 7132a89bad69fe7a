"""The checks of an audit, one module for each kind of doubt. Each check is a number from SQL, and a limit for it."""
