import time
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st
from sources import SHARED

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.parse.transcripts.subtitles import CueFormat, cue_text, parse_subtitles
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

TRANSCRIPTS = sorted(
    p for folder in ("transcripts", "odd") for p in SHARED.glob(f"data/{folder}/*") if p.suffix in (".vtt", ".srt")
)
NEEDS_SHARED = pytest.mark.skipif(not TRANSCRIPTS, reason=f"no transcripts below {SHARED}; set LONGTAKE_SHARED")


def parse(text: str | bytes, format: CueFormat = "vtt") -> tuple[list[Cue], list[Drop]]:
    data = text if isinstance(text, bytes) else text.encode()
    found = parse_subtitles(data, "v", f"/home/someone/v.en.{format}", format)
    return found.cues, found.drops


def kept(text: str | bytes, format: CueFormat = "vtt") -> list[tuple[str, int, int, str]]:
    cues, drops = parse(text, format)
    assert drops == []
    return [(c.cue_id, c.start_ms, c.end_ms, c.text.replace("\n", " ")) for c in cues]


def read_file(path: Path) -> tuple[list[Cue], list[Drop]]:
    found = parse_subtitles(path.read_bytes(), "v", str(path), "srt" if path.suffix == ".srt" else "vtt")
    return found.cues, found.drops


TWO = [("v.1", 1000, 2000, "one"), ("v.2", 2000, 3500, "two and more")]


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\none\n\n00:00:02.000 --> 00:00:03.500\ntwo\nand more\n",
        "WEBVTT - title\nKind: captions\nLanguage: en\n\n00:01.000 --> 00:02.000\none\n\n"
        "00:02.000 --> 00:03.500\ntwo and more",
        "00:01.000 --> 00:02.000\none\n\n00:02.000 --> 00:03.500\ntwo and more",
        "WEBVTT\n00:01.000 --> 00:02.000\none\n00:02.000 --> 00:03.500\ntwo and more",
        "WEBVTT\n\n1\n00:01.000 --> 00:02.000\none\n2\n00:02.000 --> 00:03.500\ntwo and more",
        "WEBVTT\n\nintro\n00:01.000 --> 00:02.000 align:start position:0%\none\n\n"
        "#2\n00:02,000-->00:03,5 line:1\ntwo and more",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n00:01.000 --> 00:02.000\none\n\n00:02.000 --> 00:03.500\ntwo and more",
        "WEBVTT\n\nNOTE\nby me\n\nNOTE one line\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\n\n"
        "00:01 --> 00:02\none\n\nNOTE end\n\n00:02 --> 00:03.500\ntwo and more\n\nNOTE last",
        "WEBVTT\nStyle:\n::cue(c.x) { color: red;\n }\n##\n\n\n"
        "00:01.000 --> 00:02.000\none\n\n\n\n00:02.000 \u2013> 00:03.500\ntwo and more",
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:01.000 --> 00:02.000\none\n\nWEBVTT\n"
        "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:02.000 --&gt; 00:03.500\ntwo and more",
        "WEBVTT\n\n1\n\n00:01.000 --> 00:02.000\none\n\n2\n\n00:02.000 --> 00:03.500\ntwo and more\n\n3\n",
    ],
)
@pytest.mark.parametrize("encode", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_reads_webvtt_as_people_write_it(text: str, encode: str, line_end: str) -> None:
    assert kept(text.replace("\n", line_end).encode(encode)) == TWO


@pytest.mark.parametrize(
    "text",
    [
        "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:02,000 --> 00:00:03,500\ntwo\nand more\n\n",
        "1\n00:00:01.000 --> 00:00:02.000 X1:1 X2:2 Y1:3 Y2:4\none\n2\n00:00:02,000 --> 00:00:03,500\ntwo and more",
        "00:00:01,000 --> 00:00:02,000\none\n\n00:00:02,000 --> 00:00:03,500\ntwo\n\nand more",
        "1\n00:00:01,000 --> 00:00:02,000\n\none\n\n\n2\n\n00:00:02,000 --> 00:00:03,500\ntwo\n\n\nand more\n\n3\n",
        "1\n\n00:00:01,000 --> 00:00:02,000\none\n \n2\n\n"
        "00:00:02,000 --> 00:00:03,500\n{\\an8}two <font color='red'>and</font> more",
        "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\none\n\n2\n00:00:02.000 --> 00:00:03.500\ntwo and more",
    ],
)
def test_reads_srt_as_people_write_it(text: str) -> None:
    assert kept(text, "srt") == TWO
    assert kept(text.replace("\n", "\r\n").encode("utf-16"), "srt") == TWO


def test_a_text_that_is_a_number_stays() -> None:
    assert kept("00:01 --> 00:02\n42\n\n00:02 --> 00:03\nx\n", "srt")[0][3] == "42"
    assert kept("WEBVTT\n\n1\n00:01 --> 00:02\n42\n\n2\n00:02 --> 00:03\nx\n")[0][3] == "42"
    assert kept("1\n00:01 --> 00:02\n42\n\n2\n00:02 --> 00:03\n43\n", "srt")[0][3] == "42"
    assert kept("1\n00:01 --> 00:02\n42\n\n2\n00:02 --> 00:03\n43\n", "srt")[1][3] == "43"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["So<00:00:01.000><c> we</c><00:00:01.500><c> go</c>"], "So we go"),
        (["<c.colorE5E5E5>this will<c.color", "CCCCCC> be</c></c>"], "this will be"),
        (["this will <c.colorCCCCCC> be", " </c>"], "this will be"),
        (["left open <c.color"], "left open"),
        (["<v Mary Ann>Hi</v> <i>there</i>", "<b>you</b><br>all"], "Hi there you all"),
        (["a < b and c > d, I <3 you"], "a < b and c > d, I <3 you"),
        (["AT&amp;T &lt;b&gt; &#39;x&#39;&nbsp;&copy; R&D &notit &bogus;"], "AT&T <b> 'x' \u00a9 R&D &notit &bogus;"),
        (["{\\an8}{\\i1}Up{\\i0} {here}"], "Up {here}"),
        (["\u200bzero\ufeff", "\x00nul"], "zero nul"),
        (["&#0;&#xD800;&#9999999;"], "\ufffd\ufffd\ufffd"),
    ],
)
def test_text_is_plain(lines: list[str], text: str) -> None:
    assert cue_text("\n".join(lines)).replace("\n", " ") == text


@pytest.mark.parametrize(
    ("cue", "reason"),
    [
        ("00:03.000 --> 00:02.000\nx", Reason.SPAN_REVERSED),
        ("00:02.000 --> 00:02.000\nx", Reason.SPAN_REVERSED),
        ("-00:02.000 --> -00:01.000\nx", Reason.SPAN_REVERSED),
        ("00:02.000 --> 00:03.000", Reason.EMPTY_TEXT),
        ("00:02.000 --> 00:03.000\n \n<c></c>&nbsp;", Reason.EMPTY_TEXT),
        (b"00:02.000 --> 00:03.000\nfine\ncaf\xe9", Reason.INVALID_UTF8),
    ],
)
@pytest.mark.parametrize("format", ["vtt", "srt"])
def test_a_bad_cue_costs_one_sentence(cue: str | bytes, reason: Reason, format: CueFormat) -> None:
    bad = cue if isinstance(cue, bytes) else cue.encode()
    sentences, drops = parse(b"00:00 --> 00:01\none\n\n" + bad + b"\n\n00:05 --> 00:06\nlast\n", format)
    assert [(s.cue_id, s.text) for s in sentences] == [("v.1", "one"), ("v.3", "last")]
    (drop,) = drops
    assert (drop.video_id, drop.subject, drop.subject_id) == ("v", Subject.SENTENCE, "v.2")
    assert (drop.stage, drop.reason) == (Stage.READ, reason)
    assert drop.detail.startswith(f"v.en.{format}:{6 if reason is Reason.INVALID_UTF8 else 4}: ")


@pytest.mark.parametrize(
    "timing",
    [
        "00:00:07.000 --> 00:00:1d.890",
        "00:00:0x.000 --> whenever",
        "00:00:61.000 --> 00:00:62.000",
        "00:00:01:12 --> 00:00:02:00",
        "--> 00:00:02.000",
        "-->",
        "00:00:01.000   00:00:02.000",
        "00:00:01.000 - 00:00:02.000",
        "99999999999:00:00.000 --> 00:00:02.000",
        "999999999:00:00.000 --> 999999999:00:01.000",
        "xx:yy --> 00:00:02.000\x1b[31m",
        "00: 00: 01,000 -> 00: 00: 02,000",
        "00 : 00 : 01,000 --> 00 : 00 : 02,000",
        "００：００：０１，５００ --＞ ００：００：０２，５００",
        "00:00:01,000 \u2192 00:00:02,000",
        "00:00:01,000 => 00:00:02,000",
        "00:00:01,000 - > 00:00:02,000",
        "\u0660\u0660:\u0660\u0660:\u0660\u0661,\u0665\u0660\u0660 --> \u0660\u0660:\u0660\u0660:\u0660\u0662,\u0665\u0660\u0660",
        "00:00:02,000 <-- 00:00:01,000",
        "00;00;01,000 --> 00;00;02,000",
        "00h00m01s --> 00h00m02s",
        "00:00:01,000 bis 00:00:02,000",
    ],
)
@pytest.mark.parametrize("format", ["vtt", "srt"])
def test_a_broken_timing_line_is_reported_and_its_text_joins_no_other_cue(timing: str, format: CueFormat) -> None:
    sentences, drops = parse(f"1\n00:00 --> 00:01\none\n\n2\n{timing}\nlost\n\n3\n00:05 --> 00:06\nlast\n", format)
    assert [(s.cue_id, s.text) for s in sentences] == [("v.1", "one"), ("v.3", "last")]
    (drop,) = drops
    assert (drop.subject, drop.subject_id, drop.reason) == (Subject.RECORD, f"v.en.{format}:6", Reason.MALFORMED)
    assert drop.detail.startswith(f"v.en.{format}:6: ")
    assert not [c for c in drop.detail if unicodedata.category(c) == "Cc"]


def test_arrows_in_text_are_text() -> None:
    for text in ("a --> b", "press File -> Save", "it fell -> 1.5 times", "10 -> 5"):
        assert kept(f"WEBVTT\n\n00:01 --> 00:02\nso\n{text}\n")[0][3] == f"so {text}"


def test_text_outside_any_cue_is_reported() -> None:
    sentences, drops = parse("WEBVTT\n\n00:01 --> 00:02\none\n\nleft over\nand more\n\n00:05 --> 00:06\nlast\n")
    assert [s.cue_id for s in sentences] == ["v.1", "v.2"]
    assert [(d.subject_id, d.reason) for d in drops] == [("v.en.vtt:6", Reason.MALFORMED)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"WEBVTT",
        b"\xef\xbb\xbfWEBVTT\n\nNOTE x\n",
        b"<html>\n\n<p>no</p>\n\nno",
        bytes(1000),
        b"\xff\xfe\x00",
    ],
)
@pytest.mark.parametrize("format", ["vtt", "srt"])
def test_a_file_without_cues_is_one_record(data: bytes, format: CueFormat) -> None:
    sentences, drops = parse(data, format)
    assert sentences == []
    assert [(d.subject, d.subject_id, d.reason) for d in drops] == [
        (Subject.RECORD, f"v.en.{format}", Reason.MALFORMED)
    ]
    assert "no cue found" in drops[0].detail


def test_broken_utf16_loses_only_the_cues_it_breaks() -> None:
    data = "WEBVTT\n\n00:00 --> 00:01\none\n\n00:01 --> 00:02\nt@o\n\n00:02 --> 00:03\nlast\n".encode("utf-16-le")
    data = b"\xff\xfe" + data.replace("@".encode("utf-16-le"), b"\x00\xd8")
    sentences, drops = parse(data)
    assert [s.cue_id for s in sentences] == ["v.1", "v.3"]
    assert [(d.subject_id, d.reason) for d in drops] == [("v.2", Reason.INVALID_UTF8)]


pieces = st.sampled_from(
    [
        "WEBVTT",
        "\n",
        "\n\n",
        "\r",
        "1",
        "2",
        "00:01.000 --> 00:02.000",
        "00:00:03,5 --> 00:00:01",
        "00:01 --> ",
        "-->",
        " ",
        "<c>",
        "NOTE",
        "STYLE",
        "a b",
        "<",
        ">",
        "&amp;",
        "&",
        "{\\an8}",
        "\xe9",
        "\x00",
        "\u2028",
        "00:61:00 --> 00:62:00",
        "-",
        ":",
        "9",
        "<00:00:01.500>",
        "<00:01.700><c> so</c>",
        "X-TIMESTAMP-MAP=LOCAL:00:00.000,MPEGTS:900000",
        "X-TIMESTAMP-MAP=LOCAL:00:00.000,MPEGTS:1350000",
    ]
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(
    st.lists(pieces, max_size=30).map(lambda p: "".join(p).encode())
    | st.lists(pieces, max_size=20).map(lambda p: "".join(p).encode("utf-16"))
    | st.lists(pieces, max_size=30).map(lambda p: "".join(p).encode("latin-1", "replace"))
    | st.binary(max_size=80),
    st.sampled_from(["vtt", "srt"]),
)
@example(b"\xff\xfe\x00\xd8", "vtt")
def test_no_input_fails_and_each_cue_ends_in_one_place(data: bytes, format: CueFormat) -> None:
    sentences, drops = parse(data, format)
    assert sentences or drops
    ids = [s.cue_id for s in sentences] + [d.subject_id for d in drops if d.subject is Subject.SENTENCE]
    assert len(set(ids)) == len(ids)
    for s in sentences:
        assert 0 <= s.start_ms < s.end_ms
        assert s.text == "\n".join(" ".join(line.split()) for line in s.text.split("\n") if line.split()) != ""
        assert not s.words or s.words[0][0] == 0
        for (at, start, _), (later_at, later, _) in pairwise(s.words):
            assert at < later_at < len(s.text)
            assert s.start_ms <= start <= later <= s.end_ms
    for d in drops:
        assert not [c for c in d.detail if unicodedata.category(c) in ("Cc", "Cs")]
        assert len(d.detail) < 600


@pytest.mark.parametrize(
    "unit", ["1", "<", "<a", "{\\", " ", "-", "00:", "0:0", "&a", "\t-->", "-->", "\r", "1 ", "<1", "a:", "<br "]
)
@pytest.mark.parametrize("format", ["vtt", "srt"])
def test_hostile_repetition_stays_linear(unit: str, format: CueFormat) -> None:
    started = time.process_time()
    parse("00:01 --> 00:02\n" + unit * 100_000, format)
    parse(unit * 100_000, format)
    assert time.process_time() - started < 3


@NEEDS_SHARED
@pytest.mark.shared_data
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda p: p.name)
def test_every_cue_of_real_files_is_accounted_for(path: Path) -> None:
    data = path.read_bytes()
    sentences, drops = read_file(path)
    arrows = sum(b"-->" in line for line in data.splitlines())
    if path.name == "webvtt-py.invalid_timeframe_in_cue_text.vtt":
        arrows -= 1  # the same timing line twice
    assert len(sentences) + len(drops) == max(arrows, 1)
    for sentence in sentences:
        assert not {"<", "-->"} & set(sentence.text.split())
        assert "&" not in sentence.text or "&lt;" not in sentence.text


# What these files hold, found by reading them.
DROPPED = {
    "webvtt-py.invalid_timeframe.vtt": [(Subject.RECORD, "webvtt-py.invalid_timeframe.vtt:6", Reason.MALFORMED)],
    "webvtt-py.missing_caption_text.srt": [(Subject.SENTENCE, "v.2", Reason.EMPTY_TEXT)],
    "webvtt-py.missing_caption_text.vtt": [(Subject.SENTENCE, "v.2", Reason.EMPTY_TEXT)],
    "webvtt-py.no_captions.vtt": [(Subject.RECORD, "webvtt-py.no_captions.vtt", Reason.MALFORMED)],
    "boston_captions.vtt": [(Subject.SENTENCE, "v.1", Reason.SPAN_REVERSED)],
}


@NEEDS_SHARED
@pytest.mark.shared_data
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda p: p.name)
def test_real_files_lose_what_is_broken_in_them_and_nothing_else(path: Path) -> None:
    _, drops = read_file(path)
    assert [(d.subject, d.subject_id, d.reason) for d in drops] == DROPPED.get(path.name, [])


@NEEDS_SHARED
@pytest.mark.shared_data
@pytest.mark.parametrize("path", [p for p in TRANSCRIPTS if p.parent.name == "transcripts"], ids=lambda p: p.name)
def test_clean_files_read_as_webvtt_py_reads_them(path: Path) -> None:
    webvtt = pytest.importorskip("webvtt", reason="webvtt-py is not installed: pip install -e '.[dev]'")
    captions = webvtt.from_srt(str(path)) if path.suffix == ".srt" else webvtt.read(str(path))
    theirs = [(c.start_in_seconds, c.start, c.end, cue_text(c.text)) for c in captions]
    sentences, _ = read_file(path)
    ours = {(s.start_ms, s.end_ms, s.text) for s in sentences}
    from longtake.pipeline.parse.timecode import parse_timecode

    expected = {(parse_timecode(start), parse_timecode(end), text) for _, start, end, text in theirs if text}
    assert ours == {e for e in expected if e[0] < e[1]}


@pytest.mark.parametrize(
    "text",
    ["From 10:30 to 11:30 we eat.", "10:30 - 11:30", "3.5 > 2.1", "a -> b", "1:2:3 and go", "2 : 1 for us"],
)
def test_times_in_what_is_said_make_no_timing_line(text: str) -> None:
    sentences, drops = parse(f"1\n00:00 --> 00:01\none\n{text}\n", "srt")
    assert [s.text for s in sentences] == [f"one\n{text}"]
    assert not drops


@pytest.mark.parametrize(
    "first", ["", "#1\n", "\u200b1\n", "\ufeff\ufeff1\n", "1.\n", "\u0661\n", "0\n", "one\n", "001\n"]
)
@pytest.mark.parametrize("blank", ["\n", ""])
def test_numbers_of_cues_are_no_text_whatever_the_first_one_looks_like(first: str, blank: str) -> None:
    cues = [f"00:0{i} --> 00:0{i + 1}\nsaid {i}\n" for i in range(4)]
    data = first + blank.join(f"{i + 1}\n{cue}" if i else cue for i, cue in enumerate(cues))
    sentences, drops = parse(data, "srt")
    assert [s.text for s in sentences] == [f"said {i}" for i in range(4)]
    assert not drops


def test_digits_that_are_said_stay() -> None:
    countdown = "".join(f"{n}\n00:0{n} --> 00:0{n + 1}\n{9 - n}\n\n" for n in range(1, 6))
    assert [s.text for s in parse(countdown, "srt")[0]] == ["8", "7", "6", "5", "4"]
    bare = "".join(f"00:0{n} --> 00:0{n + 1}\n{9 - n}\n\n" for n in range(1, 6))
    assert [s.text for s in parse(bare, "srt")[0]] == ["8", "7", "6", "5", "4"]
    spoken = "1\n00:01 --> 00:02\nHow many?\n1984\n\n2\n00:02 --> 00:03\nYes.\n"
    assert [s.text for s in parse(spoken, "srt")[0]] == ["How many?\n1984", "Yes."]


def test_a_cue_without_an_end_ends_where_the_next_one_starts() -> None:
    sentences, drops = parse("00:01.000 -->\none\n\n00:03.000 --> \ntwo\n\n01:00.000 -->\nlast\n", "srt")
    assert [(s.start_ms, s.end_ms) for s in sentences] == [(1000, 3000), (3000, 3460), (60_000, 60_530)]
    assert not drops


def test_a_negative_start_is_clipped_and_said() -> None:
    sentences, (note,) = parse("-00:01.000 --> 00:02.000\none\n", "srt")
    assert [(s.start_ms, s.end_ms) for s in sentences] == [(0, 2000)]
    assert (note.subject, note.reason) == (Subject.NOTE, Reason.CLIPPED)
