"""The errors that end a command with a message for its user, and their exit codes. This module imports nothing, so a command
loads it at once."""


class ConfigError(ValueError):
    """The configuration or the use of a command is wrong; the message says what is given and what may be given."""

    exit_code = 2


class ArgumentError(ValueError):
    """An argument does not fit a corpus; `argument` is its name, so that a caller can say which setting it came from."""

    def __init__(self, argument: str, told: str) -> None:
        super().__init__(argument, told)

    def __str__(self) -> str:
        return str(self.args[1])

    @property
    def argument(self) -> str:
        """The name of the argument."""
        return str(self.args[0])


class MissingExtraError(ConfigError):
    """A package is not installed that belongs to an optional part (an *extra*) of Longtake (schemas/extras.py)."""

    exit_code = 3


class CorpusError(RuntimeError):
    """A corpus cannot be made or used; the message says what is wrong and what to do."""

    exit_code = 1


class NoCorpusError(CorpusError):
    """Nothing is there, or a file, where the folder of a corpus should be."""

    exit_code = 2
