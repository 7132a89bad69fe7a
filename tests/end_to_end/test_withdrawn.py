"""After a takedown nothing of what went is in any file of the corpus, or in anything that the commands print: every byte of both
is unpacked and searched, for words and for pictures that look like the frames that went."""

import base64
import gzip
import io
import json
import re
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import browsing
import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sources import LAST_MAN, MAMMALS, ONE_THREAD, SourceSet, Video, build, ledger, source_set, spoken
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.schemas.decisions import Decision, append_decision

GONE, PART, OTHER = "gone", "part", "other"
#: The words of a video that is taken down, of a sample that is rejected, and of what stays.
WORDS = {"down": "zanzibar", "short": "brevity", "rejected": "quagmire", "stays": "tranquil"}
SETTINGS = {
    "frames": {"short_side": 64, "per_sentence": 2},
    "shards": {"samples": 4},
    "max_failed": 0.9,
    "filters": {"min_words_per_sentence": 3},
}
LATER = tuple((a + 60_000, b + 60_000, text) for a, b, text in spoken(4, says=f"the {WORDS['rejected']}"))
TERSE = tuple((a + 8000, b + 8000, WORDS["short"]) for a, b, _ in spoken(4))
#: Of the first, a long clip is left out by a filter, whose text only the sources have.
VIDEOS = [
    Video(GONE, (*spoken(4, says=f"the {WORDS['down']}"), *TERSE), LAST_MAN),
    Video(PART, (*spoken(4, says=f"the {WORDS['stays']}"), *LATER), MAMMALS),
    Video(OTHER, spoken(8, 20_000, says=f"the {WORDS['stays']}"), MAMMALS),
]
SECRETS = (WORDS["down"], WORDS["short"], WORDS["rejected"])
_JPEG = re.compile(rb"\xff\xd8\xff.*?\xff\xd9", re.S)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{64,}={0,2}")
_SAME = 6.0  # mean difference of luma, of 255: small JPEGs of one frame differ by less, other frames by more


def unpacked(name: str, data: bytes) -> Iterator[bytes]:
    """The content of a file in all the forms in which it could hide words or pictures."""
    yield data
    if data[:4] == b"PAR1":
        yield json.dumps(pq.read_table(io.BytesIO(data)).to_pylist(), default=str).encode()
    elif data[:2] == b"\x1f\x8b":
        yield from unpacked(name, gzip.decompress(data))
    elif data[:4] == b"PK\x03\x04" or data[:6] in (b"7z\xbc\xaf\x27\x1c", b"\xfd7zXZ\0"):
        raise AssertionError(f"{name}: an archive that this test does not look into")
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        yield png_texts(data)
    for found in _BASE64.finditer(data):
        text = found[0][: len(found[0]) // 4 * 4]
        yield base64.b64decode(text)


def png_texts(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return json.dumps({k: str(v) for k, v in picture.info.items()}).encode()


def databases(folder: Path) -> Iterator[bytes]:
    """What the search tables of browse hold."""
    for path in folder.rglob("*.duckdb"):
        with duckdb.connect(str(path), read_only=True) as connection:
            for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                yield json.dumps(connection.execute(f"FROM {table}").fetchall(), default=str).encode()
    for path in folder.rglob("*.sqlite"):
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab('main', 'words', 'row')")
            yield json.dumps(connection.execute("SELECT term FROM temp.terms").fetchall()).encode()


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for content in unpacked(path.name, path.read_bytes()):
                yield str(path.relative_to(folder)), content
    for content in databases(folder):
        yield "a database of browse", content


def looks(jpeg: bytes) -> Any:
    """A frame as 8 x 8 values of luma; None for bytes that are no picture."""
    try:
        with Image.open(io.BytesIO(jpeg)) as picture:
            return np.asarray(picture.convert("L").resize((8, 8), Image.Resampling.BOX), np.float32)
    except (OSError, ValueError, SyntaxError, zlib.error):
        return None


def frames_of(corpus: Path, *starts: str) -> list[Any]:
    """How the frames of some samples look, without those that look like one of another sample."""
    found: list[Any] = []
    others: list[Any] = []
    for path in sorted((corpus / "shards").iterdir()):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    picture = looks(tar.extractfile(member).read())  # type: ignore[union-attr]
                    (found if member.name.startswith(starts) else others).append(picture)
    return [one for one in found if all(np.abs(one - other).mean() > 2 * _SAME for other in others)]


def leaks(contents: Iterable[tuple[str, bytes]], frames: list[Any]) -> set[str]:
    """Where one of the secret words is, and where a picture that looks like one of the frames."""
    found = set()
    for name, content in contents:
        found |= {f"{name}: {word}" for word in SECRETS if word.encode() in content}
        for jpeg in _JPEG.finditer(content):
            picture = looks(jpeg[0])
            if picture is not None and any(np.abs(picture - frame).mean() < _SAME for frame in frames):
                found.add(f"{name}: a frame")
    return found


def printed(*arguments: str | Path) -> bytes:
    """What a command prints, and how it fails."""
    result = CliRunner().invoke(app, [*map(str, arguments)], obj=list(ONE_THREAD), env={"COLUMNS": "200"})
    return f"{result.output}\n{result.exception or ''}".encode()


def browsed(corpus: Path) -> Iterator[tuple[str, bytes]]:
    """Pages of browse that tell of the video and the sample."""
    server = browsing.served(corpus)
    try:
        client = browsing.client_of(server)
        keys = {row["subject_id"] for row in ledger(corpus) if row["subject"] == "clip"}
        for address in (
            "/", "/?q=the", *(f"/?q={word}" for word in ("gone", "part")), f"/video?id={GONE}", f"/video?id={PART}", "/ledger",
            "/ledger?p=2", "/review", *(f"/sample/{key}" for key in sorted(keys)),
            *(f"/frame/{key}/0.jpg" for key in sorted(keys)),
        ):  # fmt: skip
            yield f"browse {address.split('?q=')[0]}", client.get(address, headers=browsing.HOST).data
    finally:
        server.close()


def told(sources: SourceSet, corpus: Path, before: Path) -> Iterator[tuple[str, bytes]]:
    """All that the commands print about what went."""
    picture, sheet = sources.folder / "explained.png", ("--output", sources.folder / "sheet.png")
    for arguments in (
        ("audit", corpus, "--config", sources.config, "--frames", "0", "--verify", "none", "--compare", before),
        ("show", corpus), ("show", corpus, GONE, *sheet), ("show", corpus, f"{GONE}-000000000", *sheet),
        ("show", corpus, f"{PART}-000060000", *sheet),
        ("explain", sources.config, GONE), ("explain", sources.config, GONE, "--json", "--probe", "none"),
        ("explain", sources.config, PART, "--limit", "0"), ("explain", sources.config, PART, "--json"),
        ("explain", sources.config, GONE, "--picture", picture), ("diff", before, corpus), ("diff", corpus, before, "--json"),
        ("diff", before / "plan", corpus / "plan"), ("decisions", corpus / "decisions.csv"), ("status", corpus),
    ):  # fmt: skip
        yield " ".join(str(one) for one in arguments[:1]), printed(*arguments)
    yield from browsed(corpus)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    made = source_set(tmp_path_factory.mktemp("withdrawn"), VIDEOS, **SETTINGS)
    build(made, workers=1)
    return made


def test_nothing_of_what_went_is_left_in_any_file_or_print(sources: SourceSet) -> None:
    corpus, before = sources.output, sources.folder / "before"
    (key,) = (path for path in keys(corpus) if path.startswith(f"{PART}-000060"))
    frames = frames_of(corpus, f"{GONE}-", key)
    assert len(frames_of(corpus, f"{GONE}-")) >= 4 and len(frames_of(corpus, key)) >= 4
    there = leaks([*told(sources, corpus, corpus), *everything(corpus)], frames)
    assert {f"audit/report.html: {word}" for word in SECRETS} | {"audit/report.html: a frame"} <= there
    assert {"explain: zanzibar", "explain: brevity", "explain: quagmire", f"browse /video?id={GONE}: zanzibar"} <= there
    assert {"a database of browse: zanzibar", "a database of browse: quagmire"} <= there
    shutil.copytree(corpus, before)
    append_decision(str(corpus / "decisions.csv"), Decision("sample", key, "reject", "misaligned", "", "Ann", ""))
    (sources.folder / "ids.txt").write_text(f"{GONE}\n")
    asked = ("--videos", sources.folder / "ids.txt", "--decisions", corpus / "decisions.csv")
    assert b"1 video taken down" in printed("takedown", corpus, *asked)
    assert b"- name: 007.jpg\n    dtype: image" in (corpus / "README.md").read_bytes(), (
        "a new version says its columns too"
    )
    assert not leaks(everything(corpus), frames)
    for name in ("explained.png", "sheet.png"):
        (sources.folder / name).unlink()
    output = list(told(sources, corpus, before))
    assert b"Where everything went" in (corpus / "audit" / "report.html").read_bytes()
    assert b"taken_down" in b"".join(text for name, text in output if name == "show")
    assert not leaks([*output, *everything(corpus)], frames)
    assert not (sources.folder / "explained.png").exists() and not (sources.folder / "sheet.png").exists()
    assert leaks(everything(before), frames), "what was searched for can be found"


def keys(corpus: Path) -> list[str]:
    return [row["key"] for part in (corpus / "index").iterdir() for row in pq.read_table(part).to_pylist()]
