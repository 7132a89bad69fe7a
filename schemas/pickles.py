"""Files of other people that are pickles: reading one runs code, so none is read."""

import shlex

_SUFFIXES = (".pkl", ".pickle", ".p")
_PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")


def is_pickle(path: str, start: bytes) -> bool:
    """Whether a file is a pickle, by its name or by the first two bytes in `start`."""
    return path.endswith(_SUFFIXES) or (start[:1] == b"\x80" and start[1:2] in _PROTOCOLS)


def refusal(path: str, local_name: str) -> str:
    """Why a pickle is not read, and the command that converts it, which calls it `local_name`."""
    return (
        f"{path}: a pickle, which can run code when read, so it was not read. If you trust its origin, convert it once: "
        'python -c "import json, pickle, sys; json.dump(pickle.load(sys.stdin.buffer), sys.stdout)" '
        f"< {shlex.quote(local_name)} > captions.json"
    )
