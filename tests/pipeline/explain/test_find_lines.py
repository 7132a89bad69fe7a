"""Finding lines by bytes gives what reading line by line and looking gives."""

import gzip
import random
from pathlib import Path

import pytest

from longtake.pipeline.explain import find_lines as module
from longtake.pipeline.explain.find_lines import find_lines
from longtake.pipeline.read import line_source
from longtake.pipeline.read.line_source import read_lines

PIECES = (
    b"id1",
    b"id12",
    b"i",
    b"d",
    b"1",
    b"\\u0069",
    b"\n",
    b"\n",
    b"\r\n",
    b"\n\n",
    b" ",
    b"\xff",
    b"rest of a line",
)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_same_lines_with_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 60)
    monkeypatch.setattr(line_source, "MAX_LINE_BYTES", 60)
    for seed in range(300):
        chance = random.Random(seed)
        monkeypatch.setattr(module, "_CHUNK", chance.choice((1, 7, 64, 1 << 20)))
        monkeypatch.setattr(line_source, "_BLOCK_BYTES", chance.choice((5, 50, 1 << 20)))
        data = b"".join(chance.choices(PIECES, k=chance.randint(0, 60))) + chance.choice(
            (b"", b"x" * 200 + b"id1\n", b"id1")
        )
        path = tmp_path / f"lines.jsonl{suffix}"
        path.write_bytes(gzip.compress(data) if suffix else data)
        for name in ("id1", ""):
            wanted = [
                x
                for x in read_lines(str(path))
                if isinstance(x.data, bytes) and (name.encode() in x.data or b"\\" in x.data)
            ]
            assert list(find_lines(str(path), name)) == wanted, seed
    assert wanted  # the last of them had some
