"""Fuzzing of the quick ways to read what is usual, against the ways that read everything: both must say the same,
or the quick
one must leave it. Inputs are made of the parts of usual ones, and of what looks like them."""

from typing import Any
from unittest.mock import patch

import numpy as np
from fuzz_mutation import changed, edits
from hypothesis import strategies as st

from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.manifest import ParsedVideo, parse_plain_video, parse_video
from longtake.pipeline.parse.texts import parse_text
from longtake.pipeline.parse.timecode import parse_timecodes
from longtake.pipeline.parse.transcripts import subtitles, whisper
from longtake.pipeline.parse.transcripts.cue import Cue, Transcript, plain_lines
from longtake.pipeline.parse.transcripts.regular import regular_cues
from longtake.pipeline.read.text_columns import text_columns
from longtake.pipeline.text.clean import loops
from longtake.schemas.reasons import Reason
from longtake.schemas.records import Drop

_RARE = range(500, 530)  # of a thousand: so few that a whole of many parts is often as usual


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The usual value, seldom another."""
    return seldom(st.just(usual), st.sampled_from(others))


def seldom(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What is usual, seldom the other."""
    return st.integers(0, 999).flatmap(lambda n: other if n in _RARE else usual)


def joined(*parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts).map(b"".join)


# -- lines of a text file ----------------------------------------------------------------------------------------------

_SAID = (
    b"", b" ", b"  ", b" a", b"a ", b"a  b", b"it's", b"a\\\"b", b"\\u0041", b"\\ud83d\\ude00", b"\\ud83d",
    b"a\\nb", b"a\\\\",
    "caf\u00e9".encode(), b"cafe\xcc\x81", b"\xe2\x80\x8b", b"\xed\xa0\x80", b"\xff", b"\x00", b"\t", b"\x1f",
    b"\x7f", b"\xc2\x85",
    b"{}", b"[", b":", b",", b"clip_id", b'"', b'": "', b'", "', b"1e99", b"0" * 320, b"a" * 511, b"a" * 512,
    b"a" * 513, b"a" * 70_000,
)  # fmt: skip
_WORDS = st.one_of(st.sampled_from(_SAID), st.text("ab c'", max_size=8).map(str.encode))
_VALUES = st.one_of(
    joined(st.just(b'"'), st.lists(_WORDS, max_size=2).map(b"".join), st.just(b'"')),
    st.sampled_from(
        (b"5", b"-0", b"1.5", b"1e999", b"NaN", b"null", b"true", b"12345678901234567890", b"[]", b'["a"]', b'{"clip_id": "b"}')
    ),
)  # fmt: skip
_VALUE = seldom(st.text("ab .", min_size=1, max_size=5).map(lambda text: b'"%s"' % text.encode()), _VALUES)
_COLON = mostly(b": ", b":", b" : ", b":\t", b":  ", b" :", b"", b";")
_COMMA = mostly(b", ", b",", b" ,", b",  ", b",,", b"", b",\t")
_ID = mostly(
    b'"clip_id"', b'"text"', b'"clip_ id"', b'"clip\\u005fid"', b'"Clip_id"', b'"clip_ix"', b'""', b"clip_id", b'"id"'
)
_TEXT = mostly(b'"text"', b'"clip_id"', b'"Text"', b'"text" ', b'"tex\\u0074"', b'"tex"', b'"texts"', b"'text'")
_OPEN = mostly(
    b"{", b" {", b"{ ", b"[{", b"\xef\xbb\xbf{", b"", b"{{", b"\xff\xfe{", b'{"more": 1, ', b'{"text": "first", '
)
_CLOSE = mostly(
    b"}", b"} ", b" }", b"}}", b"", b"}\0", b'", "text": "b"}', b', "clip_id": "b"}', b', "more": "b"}', b"}\t", b"]"
)
text_lines = st.lists(
    seldom(
        joined(_OPEN, _ID, _COLON, _VALUE, _COMMA, _TEXT, _COLON, _VALUE, _CLOSE),
        st.binary(max_size=40) | joined(_OPEN, _TEXT, _COLON, _VALUE, _COMMA, _ID, _COLON, _VALUE, _CLOSE),
    ).map(lambda line: line.replace(b"\n", b" ")),
    max_size=12,
)


def check_text_lines(lines: list[bytes]) -> None:
    found = text_columns(lines)
    assert sorted([*found.lines.tolist(), *found.others.tolist()]) == list(range(len(lines))), "each line once"
    rows = zip(found.names.to_pylist(), found.texts.to_pylist(), found.lines.tolist(), strict=True)
    for name, text, number in rows:
        parsed = parse_text(Line("text.jsonl", number, lines[number]))
        if isinstance(parsed, Drop):  # the columns hold an empty text, as keyed_text does
            assert parsed.reason is Reason.EMPTY_TEXT, lines[number]
            parsed = parsed.subject_id, ""
        assert (name, text) == parsed, lines[number]


# -- lines of a manifest -----------------------------------------------------------------------------------------------

_TIME = seldom(
    st.sampled_from((b'"00:00:01.000"', b'"00:00:02.500"', b'"01:00:00,000"')),
    st.sampled_from(
        (b'"00:00:60.000"', b'"0:00:001.000"', b'"-0:00:01.000"', b'" 0:00:01.000"', b'"00:00:01.00 "',
        b'"00:00:01.00\\u0000"',
        b'"99:59:59.999"', b'"100:00:00.00"', b'"00:00:01.0000"', '"\u0660\u0660:00:01.000"'.encode(), b"1",
        b"1.5", b"null", b'"1.5"',
        b'"00:00:01"', b'"00.00:01.000"', b'"0000:01.0000"', b'"00:00:01;000"')
    ),
)  # fmt: skip
_SPAN = seldom(
    joined(st.just(b'["00:00:00.000", '), _TIME, st.just(b"]")),
    joined(st.just(b"["), _TIME, st.just(b", "), _TIME, st.just(b"]"))
    | st.sampled_from((b"null", b"[]", b'"ab"', b"{}")),
)
_MORE = mostly(b"", b', "more": 1', b', "clip_id": "b"', b', "span": null', b', "start": 1, "end": 2', b', "text": 5')
_ENTRY = seldom(
    joined(
        st.just(b'{"clip_id": '), seldom(st.just(b'"a"'), _VALUE), st.just(b', "span": '), _SPAN, _MORE, st.just(b"}")
    ),
    st.sampled_from((b"{}", b"1", b'"clip_id"', b"null", b"[]", b'{"clip_id": "a"}')),
)
_FIELDS = st.lists(
    st.sampled_from(
        (b'"uri": "a.mp4"', b'"uri": 5', b'"uri": ""', b'"uri": "http://x/y"', b'"uri": "a\\u0000"', b'"url": "u"',
        b'"url": []', b'"license": null',
        b'"meta": {"a": [1e5, "\\u00e9"]}', b'"meta": "{\\"b\\": 1}"', b'"meta": "{"', b'"meta": []',
        b'"meta": {"a": NaN}', b'"meta": {"a": 1e400}',
        b'"sentences": []', b'"sentences": null', b'"clip": []', b'"clip": null', b'"video_id": "w"',
        b'"more": {"video_id": "x"}',
        b'"more": ' + b"[" * 70 + b"]" * 70)
    ),
    max_size=2,
)  # fmt: skip
manifest_lines = st.builds(
    lambda name, fields, entries, ids: b'{"video_id": %s, %s"clip": [%s]}'
    % (
        name,
        b"".join(field + b", " for field in fields),
        b", ".join(entry.replace(b'"a"', one) for entry, one in zip(entries, ids, strict=False)),
    ),
    _VALUE, _FIELDS, st.lists(_ENTRY, max_size=4), st.permutations([b'"a"', b'"b"', b'"c"', b'"d"']),
)  # fmt: skip


def check_manifest_line(data: bytes) -> None:
    line, template = Line("videos.jsonl", 3, data), "videos/{video_id}.mp4"
    plain = parse_plain_video(line, template)
    if plain is None:
        return
    times = parse_timecodes(plain.times).reshape(-1, 2).tolist()
    if any(start < 0 or end <= start for start, end in times):
        return  # the line goes to the parser
    found = parse_video(line, template, own_text=False)
    assert isinstance(found, ParsedVideo) and found.usable and not found.drops, data
    assert found.video == plain.video
    spans = [(clip.clip_id, [clip.start_ms, clip.end_ms]) for clip in found.clips]
    assert spans == list(zip(plain.clip_ids, times, strict=True)), data


# -- subtitles ---------------------------------------------------------------------------------------------------------

_CLOCK = mostly(
    b"00:00:", b"", b"00:", b"0:00:", b"100:00:", b"-00:00:", b"00:60:", b"99:59:", b"00:00", b"000:00:", b" 00:00:"
)
_LAST = st.integers(0, 9).map(lambda n: b"0%d.000" % n)
_SECONDS = seldom(
    _LAST,
    st.sampled_from(
        (b"01,500", b"60.000", b"01.5", b"01", b"01.0000", b"1.000", b"01:000", "\u0661\u0661.000".encode())
    ),
)
_STOP = st.integers(10, 59).map(lambda n: b"%d.000" % n)
_AFTER = mostly(
    b"",
    b" line:0 align:start",
    b" region:fred",
    b" ",
    b"  ",
    b"\t",
    b" X1:0 X2:9",
    b" 00:00:05.000",
    b" <b>",
    b" \xff",
    b"x",
    b" -->",
)
_TIMING = joined(
    _CLOCK,
    _SECONDS,
    mostly(b" --> ", b"-->", b" -> ", b" --&gt; ", b"  -->  ", b"\t--> ", b" \xe2\x80\x94> ", b",", b" - "),
    _CLOCK,
    seldom(_STOP, _SECONDS),
    _AFTER,
)
_SHOWN = seldom(
    st.sampled_from((b"Some words.", b"One", b"two  of", b" them ", b"caf\xc3\xa9", b"cafe\xcc\x81", b"- No.", b"a, b")),
    st.sampled_from(
        (b"1", b"2", b"3", b"4", b"#2", b"2.", b" 2 ", b"\xd9\xa2", b"1234567890", b"NOTE that", b"STYLE",
        b"REGION", b"WEBVTT", b"X-TIMESTAMP-MAP=MPEGTS:1,LOCAL:0",
        b"X-TIMESTAMP-MAP=LOCAL:.,MPEGTS:900",
        b"X-TIMESTAMP-MAP=MPEGTS:1,LOCAL:0\nX-TIMESTAMP-MAP=MPEGTS:2,LOCAL:0", b"a --> b", b"->", b"a > b",
        b"10:30", b"10 : 30", b"5;", b"00:00:01.000", b"00:00:01.000,00:00:02.000",
        b"at 5.5 o'clock", b"a <i>b</i>", b"<v Ann>hi", b"a < b", b"{\\an8}a", b"{a}", b"A &amp; B", b"a & b",
        b"\\N", b"\xef\xbb\xbf", b"\xe2\x80\x8b", b"\xe2\x81\xa0",
        b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xc2\xa0", b"\xc2\x85", b"\xc2\x9b", b"\x1e", b"\x00", b"\x7f",
        b"\x0c", b"\t", b"\r", b"\xff", b"\xed\xa0\x80", b" ", b"  ", b"\xe2\x86\x92",
        b"\xef\xbc\x9a", b"1\xef\xbc\x9a2", b"00h01", b"=>", b"00:00:01,000 > 00:00:02,000")
    ),
)  # fmt: skip
_LINES = st.lists(_SHOWN, min_size=1, max_size=3).map(lambda lines: b"\n".join(lines) + b"\n")
_HEADER = mostly(
    b"WEBVTT\n\n", b"", b"WEBVTT - a\nKind: captions\nLanguage: en\n\n", b"WEBVTT\n", b"\n\nWEBVTT\n\n",
    b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1,LOCAL:0\nX-TIMESTAMP-MAP=MPEGTS:2,LOCAL:0\n\n",
    b"WEBVTT\n\nNOTE a\n\n", b"WEBVTT\n\nSTYLE\n::cue{}\n\n", b"WEBVTT\n00:00:00.000 --> 00:00:01.000\na\n\n",
    b"WEBVTTa\n\n", b"\xef\xbb\xbfWEBVTT\n\n", b"\xef\xbb\xbf\xef\xbb\xbf",
    b"WEBVTT \n\n\n", b"1\n", b"a\n\n",
)  # fmt: skip
_GAP = mostly(
    b"\n", b"", b"\n\n", b" \n", b"\nNOTE b\nc\n\n", b"\nREGION\nid:fred\n\n", b"\nX\n", b"\n7\n\n", b"\r\n"
)  # fmt: skip


def _written(
    header: bytes, cues: list[tuple[bytes, bytes, bytes]], numbers: tuple[int, int, bytes], end: bytes, ends: bytes
) -> bytes:
    first, step, odd = numbers
    parts = [header]
    for place, (timing, text, gap) in enumerate(cues):
        if first >= 0:
            parts.append(odd if odd and place == 1 else b"%d\n" % (first + step * place))
        parts += [timing, b"\n", text, gap]
    return (b"".join(parts) + end).replace(b"\n", ends)


subtitle_files = st.tuples(
    st.builds(
        _written,
        st.one_of(_HEADER, st.just(b"")),
        st.lists(st.tuples(_TIMING, _LINES, _GAP), min_size=1, max_size=4),
        st.tuples(
            mostly(1, -1, 0, 2, 9, 10**9),
            mostly(1, 0, 2),
            mostly(b"", b"02\n", b"x\n", b" 2\n", b"2 \n", b"2.\n", b"\n2\n", b"2\n\n"),
        ),
        mostly(b"", b"\n", b"5", b"2\n", b"\n\n3\n", b"end"),
        mostly(b"\n", b"\r\n", b"\r", b"\n\r"),
    ),
    seldom(st.just([]), edits),
    st.sampled_from(("vtt", "srt")),
)  # fmt: skip


def check_subtitles(case: tuple[bytes, list[Any], subtitles.CueFormat]) -> None:
    data, edit, format = case
    data = changed(data, edit)
    cues = regular_cues(data, "v", format == "vtt")
    if cues is None:
        return
    with patch.object(subtitles, "regular_cues", lambda *_: None):
        assert subtitles.parse_subtitles(data, "v", "f", format) == Transcript(cues, []), (format, data)


# -- words of speech recognition ---------------------------------------------------------------------------------------

_PARTS = st.one_of(
    st.sampled_from((" the", "Of", "'t")),
    st.sampled_from(
        ("the", "Of", "don", "'t", "-", "...", "\u00e9t\u00e9", "e\u0301", "\u0301", "New York",
        "I\u0307", "\u0130", "\u4e2d", " ", "", "\n", "a.b", "\u00c9",
        "\u00df", "\u1e9e", "\u03a3", "\u03a3\u03a3", "\u03b1\u03a3", "\ufb01", "\u200b", "\ufeff",
        "\x1e", "\x00", "\u2028", "\u00a0", "\ud800", "\u0660", "1,000", "$5")
    ),
    st.text(max_size=3),
)  # fmt: skip
_SPELLED = st.tuples(mostly(" ", "", "  ", "\u00a0", "\n", "\t"), _PARTS, mostly("", " ", "\u3000")).map("".join)
_WORD_TIME = mostly(
    1.0, 1.2345, 0.0, -0.0, 1e-9, 99999999.9, 1e8, 1.1e8, 1e300, float("inf"), -0.1, 1, True, None, "1.0", [1.0]
)
_WORD = st.builds(
    lambda word, start, end, more: {"word": word, "start": start, "end": end} | more,
    seldom(_SPELLED, st.sampled_from((None, 5, [" a"]))),
    _WORD_TIME,
    _WORD_TIME,
    mostly({}, {"text": "b"}, {"probability": 0.5}, {"start_time": 2.0}),
)
whisper_words = st.tuples(
    st.lists(seldom(_WORD, st.sampled_from(({}, "a", None, ["word"], {"text": " a", "start": 1.0, "end": 2.0}))),
        max_size=8),
    mostly(None, "other", "", "the Of"),
)  # fmt: skip


def check_words(case: tuple[list[Any], str | None]) -> None:
    words, said = case
    spelled = "".join(whisper._word_text(word) for word in words)
    segment = {"start": 0.0, "end": 5.0, "text": spelled if said is None else said, "words": words}
    text = plain_lines(segment["text"].replace("\x1e", " "))
    quick = whisper._joined(words, text) if text else None
    if quick is not None:
        assert quick == whisper._aligned(words, text), segment
        whisper.parse_segments([segment], "v", "f")


# -- loops -------------------------------------------------------------------------------------------------------------

spoken = st.tuples(
    st.lists(
        st.tuples(st.text("abc", min_size=1, max_size=4).map(lambda text: " ".join(text)), st.integers(1, 12)).map(
            lambda one: " ".join([one[0]] * one[1])
        ),
        max_size=8,
    ),
    st.integers(2, 6),
    st.booleans(),
)  # fmt: skip


def _has_run(same: Any, length: int) -> bool:
    return "1" * length in "".join("01"[int(one)] for one in same)


def check_loops(case: tuple[list[str], int, bool]) -> None:
    said, times, recognised = case
    cues = [Cue(f"v.{n}", 1000 * n, 1000 * n + 900, text) for n, text in enumerate(said, 1)]
    quick = loops.remove_loops(cues, times, recognised)
    with patch.object(loops, "_has_run", _has_run):
        assert loops.remove_loops(cues, times, recognised) == quick
    bits = np.array([letter == "a" for text in said for letter in text], bool)
    for length in (1, 2, 3, 7, 8, 9, 16, 17, 64):
        assert loops._has_run(bits, length) is _has_run(bits, length)
