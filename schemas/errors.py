"""The two errors that end a command with a message for its user. This module imports nothing, so a command loads it at once."""


class ConfigError(ValueError):
    """The configuration cannot be used; the message says which field, what it holds and what it may hold."""


class CorpusError(RuntimeError):
    """A corpus cannot be made or used; the message says what is wrong and what to do."""


def not_finished(root: str) -> str:
    """The message for a corpus without corpus.json."""
    return f"{root}: not a finished corpus: it has no corpus.json. Finish it with: longtake build"
