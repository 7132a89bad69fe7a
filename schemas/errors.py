"""The two errors that end a command with a message for its user. They import nothing: a command line knows them at once."""


class ConfigError(ValueError):
    """The configuration cannot be used; the message says which field, what it holds and what it may hold."""


class CorpusError(RuntimeError):
    """A corpus cannot be made or used; the message says what is wrong and what to do."""
