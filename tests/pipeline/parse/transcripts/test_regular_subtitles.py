"""Subtitle files of the regular form, read as a whole, against the reader that goes line by line: the same cues, or none."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sources import DEMO, SHARED, spoken, subtitles

from longtake.pipeline.parse.transcripts import subtitles as line_by_line
from longtake.pipeline.parse.transcripts.cue import Transcript
from longtake.pipeline.parse.transcripts.regular import regular_cues
from longtake.pipeline.parse.transcripts.subtitles import CueFormat, parse_subtitles

REAL = [*(DEMO / "subs").iterdir(), *(SHARED / "data" / "transcripts").glob("*.[vs][tr]t")]
#: What is put into a regular file, somewhere.
BITS = [
    *(
        b"\n",
        b"\r\n",
        b"\r",
        b" ",
        b"  ",
        b"\t",
        b"5",
        b"9",
        b"0",
        b":",
        b",",
        b"-",
        b">",
        b"-->",
        b"-- >",
        b"<i>",
        b"&amp;",
    ),
    *(b"1\n", b"\n\n", b"12: a", b"NOTE x\n", b"WEBVTT\n\n", b"00:00:01.000", b"3\n00:00:05,000 --> 00:00:06,000\n"),
    *(b"\xc3\xa9", b"e\xcc\x81", b"\xe2\x80\x99", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\x8b", b"\x00"),
]


def read_by_line(data: bytes, format: CueFormat, monkeypatch: pytest.MonkeyPatch) -> Transcript:
    with monkeypatch.context() as patch:
        patch.setattr(line_by_line, "regular_cues", lambda *_: None)
        return parse_subtitles(data, "v", "f", format)


def mangled(files: list[tuple[bytes, CueFormat]], number: int) -> Iterator[tuple[bytes, CueFormat]]:
    chance = random.Random(11)
    for _ in range(number):
        data, format = chance.choice(files)
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            at = chance.randrange(len(data) + 1)
            data = data[:at] + chance.choice(BITS) + data[at + chance.choice([0, 0, 1, 2, 12]) :]
        if chance.random() < 0.1:
            data = data.replace(b"\n", b"\r\n")
        if chance.random() < 0.1:
            data = data.replace(b"00:00:", b"00:", 3)
        if chance.random() < 0.1:
            format = "srt" if format == "vtt" else "vtt"
        yield data, format


def test_they_say_the_same_of_what_both_read(monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[tuple[bytes, CueFormat]] = [
        (subtitles(spoken(n, 700 * n, says=says), kind).encode(), kind)
        for n in (1, 2, 7)
        for says in ("sentence", "one  two\nthree", "caf\u00e9")
        for kind in ("vtt", "srt")
    ]
    regular = 0
    for data, format in mangled(files, 4000):
        cues = regular_cues(data, "v", format == "vtt")
        if cues is not None:
            regular += 1
            assert read_by_line(data, format, monkeypatch) == Transcript(cues, []), (format, data)
    assert 800 < regular < 3200, "some are regular, some are left"


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    format: CueFormat = "vtt" if path.suffix == ".vtt" else "srt"
    assert parse_subtitles(path.read_bytes(), "v", "f", format) == read_by_line(path.read_bytes(), format, monkeypatch)


def test_a_usual_file_is_regular() -> None:
    for kind in ("vtt", "srt"):
        cues = regular_cues(subtitles(spoken(5), kind).encode(), "v", kind == "vtt")
        assert cues is not None
        assert [cue.cue_id for cue in cues] == [f"v.{n}" for n in range(1, 6)]


@pytest.mark.parametrize(
    "text",
    [
        "1\n00:00:01,000 --> 00:00:02,000\na <i>b</i>\n",
        "1\n00:00:01,000 --> 00:00:02,000\nA &amp; B\n",
        "1\n00:00:02,000 --> 00:00:01,000\nends before it starts\n",
        "1\n00:00:01,000 --> 00:00:02,000\n\n",
        "1\n00:00:01,000 --> 00:00:02,000\na\n\n3\n00:00:03,000 --> 00:00:04,000\nb\n",
        "1\n00:61:01,000 --> 00:62:02,000\nno such minute\n",
        "1\n00:61:01,000 --> 00:00:02,000\nno such minute\n",
        "1\n00:00:01,000 --> 00:00:02,000\n\u202e\n",
        "1\n00:00:01,000 --> 00:00:02,000\na\nX-TIMESTAMP-MAP=MPEGTS:1,LOCAL:0\n",
        "",
    ],
)
def test_the_others_are_left(text: str) -> None:
    assert regular_cues(text.encode(), "v", is_vtt=False) is None
