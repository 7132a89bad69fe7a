"""Each format of transcripts: what is read, what is dropped, and that nothing makes a parser fail."""

import html
import json
import re
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from hypothesis import given, settings, strategies as st
from sources import SHARED

from longtake.pipeline.parse.transcripts.cue import Cue, Transcript
from longtake.pipeline.parse.transcripts.parse import FORMATS, format_of, parse_transcript
from longtake.schemas.reasons import Reason, Subject

REAL = sorted(
    path
    for folder in ("transcripts", "odd")
    for path in SHARED.glob(f"data/{folder}/*")
    if path.suffix in (".vtt", ".srt", ".json", ".txt", ".static")
)


def parse(data: bytes | str | dict[str, Any] | list[Any], format: str, file: str = "v.x") -> Transcript:
    if isinstance(data, dict | list):
        data = json.dumps(data)
    return parse_transcript(data if isinstance(data, bytes) else data.encode(), "v", file, format)


def spans(cues: list[Cue]) -> list[tuple[str, int, int, str]]:
    return [(c.cue_id, c.start_ms, c.end_ms, c.text) for c in cues]


def words(cue: Cue) -> list[tuple[str, int, int]]:
    """The words of a cue, each with its text."""
    ends = [at for at, _, _ in cue.words[1:]] + [len(cue.text)]
    return [(cue.text[at:end].strip(), start, stop) for (at, start, stop), end in zip(cue.words, ends, strict=True)]


def problems(found: Transcript) -> list[tuple[Subject, str, Reason]]:
    return [(d.subject, d.subject_id, d.reason) for d in found.drops]


YOUTUBE = (
    "WEBVTT\nKind: captions\nLanguage: en\n\n"
    "00:00:01.000 --> 00:00:03.000 align:start position:0%\n \n"
    "so<00:00:01.400><c> we</c><00:00:01.800><c> go</c>\n\n"
    "00:00:03.000 --> 00:00:03.010 align:start position:0%\nso we go\n \n"
)


def test_youtube_vtt_has_the_time_of_each_word() -> None:
    first, second = parse(YOUTUBE, "vtt").cues
    assert words(first) == [("so", 1000, 1390), ("we", 1400, 1800), ("go", 1800, 2260)]
    assert (second.text, second.words) == ("so we go", ())


def test_word_times_that_are_not_those_of_the_cue_are_not_used() -> None:
    for stamp in ("00:10:00.000", "00:00:00.100"):
        (cue,) = parse(f"WEBVTT\n\n00:01.000 --> 00:03.000\nso<{stamp}><c> we</c>\n", "vtt").cues
        assert (cue.text, cue.words) == ("so we", ())
    (cue,) = parse("WEBVTT\n\n00:01.000 --> 00:03.000\nso<00:00:02.500> we<00:00:01.500> go\n", "vtt").cues
    assert cue.words == ()


def test_segments_of_hls_are_put_where_they_belong() -> None:
    segment = (
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{}\n\n00:01.000 --> 00:02.000\n{}<00:00:01.500> more\n\n"
    )
    both = segment.format(900_000, "one") + segment.format(1_350_000, "two")
    assert spans(parse(both, "vtt").cues) == [("v.1", 11_000, 12_000, "one more"), ("v.2", 16_000, 17_000, "two more")]
    assert [c.words[1][1] for c in parse(both, "vtt").cues] == [11_500, 16_500]
    alone = segment.format(900_000, "one")
    assert spans(parse(alone, "vtt").cues) == [("v.1", 1000, 2000, "one more")], "one segment is its own clock"


JSON3 = {
    "wireMagic": "pb3",
    "events": [
        {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
        {"tStartMs": 100, "dDurationMs": 3000, "segs": [{"utf8": "so"}, {"utf8": " we", "tOffsetMs": 400}]},
        {"tStartMs": 1900, "dDurationMs": 1200, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 1910, "dDurationMs": 2000, "segs": [{"utf8": "go\non"}]},
        {"tStartMs": 5000, "segs": [{"utf8": "no time"}]},
        {"tStartMs": "x", "dDurationMs": 5, "segs": [{"utf8": "bad"}]},
    ],
}


def test_json3() -> None:
    found = parse(JSON3, "json3")
    assert spans(found.cues) == [
        ("v.1", 100, 3100, "so we"),
        ("v.2", 1910, 3910, "go\non"),
        ("v.3", 5000, 5740, "no time"),
    ]
    assert words(found.cues[0]) == [("so", 100, 490), ("we", 500, 960)]
    assert found.cues[1].words == ()
    assert problems(found) == [
        (Subject.SENTENCE, "v.4", Reason.MALFORMED),
    ]


SRV3 = """<?xml version="1.0" encoding="utf-8" ?><timedtext format="3"><head><ws id="0"/></head><body>
<w t="0" id="1" wp="1" ws="1"/>
<p t="100" d="3000" w="1"><s ac="248">so</s><s t="400" ac="200"> we</s></p>
<p t="1900" d="1200" w="1" a="1">
</p>
<p t="1910" d="2000" w="1">Tom &amp; Jerry&nbsp;go<br/>on</p>
<p t="5000" d="0">zero</p></body></timedtext>"""
SRV1 = """<transcript><text start="0" dur="1.54">Hey, it&amp;#39;s a test</text>
<text start="1.54" dur="4.16">this is &lt;i>not&lt;/i> it</text><text start="5" dur="0.5"></text></transcript>"""
TTML = """<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
 ttp:frameRate="25"><head><styling/></head><body begin="1s"><div>
<p begin="00:00:01.500" end="00:00:03.000">One<br/>line</p>
<p begin="00:00:04:05" dur="500ms"><span begin="0s">two</span> <span begin="200ms">words</span></p>
<p begin="soon" end="later">lost</p></div></body></tt>"""


def test_xml() -> None:
    found = parse(SRV3, "srv3")
    assert spans(found.cues) == [("v.1", 100, 3100, "so we"), ("v.2", 1910, 3910, "Tom & Jerry go\non")]
    assert words(found.cues[0]) == [("so", 100, 490), ("we", 500, 960)]
    assert problems(found) == [(Subject.SENTENCE, "v.3", Reason.SPAN_REVERSED)]
    found = parse(SRV1, "srv3")
    assert spans(found.cues) == [("v.1", 0, 1540, "Hey, it's a test"), ("v.2", 1540, 5700, "this is not it")]
    assert problems(found) == [(Subject.SENTENCE, "v.3", Reason.EMPTY_TEXT)]
    found = parse(TTML, "ttml")
    assert spans(found.cues) == [("v.1", 2500, 4000, "One\nline"), ("v.2", 5200, 5700, "two words")]
    assert words(found.cues[1]) == [("two", 5200, 5400), ("words", 5400, 5700)]
    assert problems(found) == [(Subject.SENTENCE, "v.3", Reason.MALFORMED)]


def test_xml_entities_are_refused() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    for declared in (f'<!ENTITY l0 "lol">{laughs}', '<!ENTITY l11 SYSTEM "file:///etc/passwd">'):
        text = f"<!DOCTYPE t [{declared}]><transcript><text start='0' dur='1'>&l11;</text></transcript>"
        started = time.process_time()
        found = parse(text, "srv3")
        assert time.process_time() - started < 1
        assert found.cues == []
        assert problems(found) == [(Subject.RECORD, "v.x:1", Reason.MALFORMED)]
        assert "entities" in found.drops[0].detail


def test_broken_xml_keeps_what_came_before() -> None:
    found = parse('<transcript><text start="0" dur="1">one</text><text start="1" dur="1">two', "srv3")
    assert spans(found.cues) == [("v.1", 0, 1000, "one")]
    assert problems(found) == [(Subject.RECORD, "v.x:1", Reason.MALFORMED)]
    assert parse("<a>" * 5000, "ttml").drops[0].reason is Reason.MALFORMED


SEGMENT = {"start": 1.0, "end": 3.0, "text": " Hello there, Bob."}


@pytest.mark.parametrize(
    "value",
    [
        {"text": "x", "segments": [SEGMENT], "language": "en"},
        {"segments": [SEGMENT | {"words": [{"word": "Hello", "start": 1.0, "end": 1.4}, {"word": "there,"}]}]},
        [SEGMENT],
        {"sentences": [{"start_time": 1.0, "end_time": 3.0, "text": "Hello there, Bob.", "words": []}]},
        {"chunks": [{"timestamp": [1.0, 3.0], "text": " Hello there, Bob."}]},
        {"transcription": [{"offsets": {"from": 1000, "to": 3000}, "text": " Hello there, Bob."}]},
        {
            "transcriptCollection": [
                {"inTime": "00:00:01.0", "outTime": "00:00:03.0", "transcript": "Hello there, Bob."}
            ]
        },
        [{"start": 1, "duration": 2, "text": "Hello there, Bob."}],
    ],
)
def test_recognised_speech_in_each_spelling(value: Any) -> None:
    found = parse(value, "whisper")
    assert spans(found.cues) == [("v.1", 1000, 3000, "Hello there, Bob.")]
    assert found.drops == []
    assert found.recognised


def test_words_are_found_in_the_text() -> None:
    listed = [("hello", 1.0, 1.4), ("a", 1.4, 1.5), ("an", 1.5, 1.7), ("ant", 1.7, 2.0), ("bob", None, None)]
    entries = [{"word": w, "start": s, "end": e} for w, s, e in listed]
    (cue,) = parse([SEGMENT | {"text": "Hello, a an ant Bob!", "words": entries}], "whisper").cues
    assert words(cue) == [("Hello,", 1000, 1400), ("a", 1400, 1500), ("an", 1500, 1700), ("ant Bob!", 1700, 2000)]
    chinese = [{"word": c, "start": 1 + i / 10, "end": 1.1 + i / 10} for i, c in enumerate("你好世界")]
    (cue,) = parse([SEGMENT | {"text": "你好\uff0c世界。", "words": chinese}], "whisper").cues
    assert words(cue) == [("你", 1000, 1100), ("好\uff0c", 1100, 1200), ("世", 1200, 1300), ("界。", 1300, 1400)]


def test_a_bad_segment_costs_itself() -> None:
    bad: list[Any] = [7, {"text": "x"}, {"start": "a", "end": 1, "text": "x"}, SEGMENT | {"text": 3}]
    bad += [SEGMENT | {"end": 0.5}, SEGMENT | {"text": " "}, SEGMENT | {"end": 1e300}]
    found = parse([*bad, SEGMENT], "whisper")
    assert [c.cue_id for c in found.cues] == ["v.8"]
    assert [d.subject_id for d in found.drops] == [f"v.{n}" for n in range(1, 8)]
    reasons = [Reason.MALFORMED] * 4 + [Reason.SPAN_REVERSED, Reason.EMPTY_TEXT, Reason.MALFORMED]
    assert [d.reason for d in found.drops] == reasons


@pytest.mark.parametrize("format", ["howto100m", "vidchapters"])
def test_columns(format: str) -> None:
    columns = {"start": [0, 1.5, 3], "end": [1.5, 3.25, 2], "text": ["one", "two\nlines", "back"]}
    expected = [("v.1", 0, 1500, "one"), ("v.2", 1500, 3250, "two\nlines")]
    table = 'start,end,text\n0,1.5,one\n1.5,3.25,"two\nlines"\n3,2,back\n'
    for data in (columns, table, "\ufeff" + table):
        found = parse(data, format)
        assert spans(found.cues) == expected
        assert problems(found) == [(Subject.SENTENCE, "v.3", Reason.SPAN_REVERSED)]
    assert problems(parse({"start": [1], "end": [], "text": []}, format)) == [(Subject.RECORD, "v.x", Reason.MALFORMED)]
    assert problems(parse("a,b\n1,2\n", format)) == [(Subject.RECORD, "v.x", Reason.MALFORMED)]
    assert spans(parse([SEGMENT], format).cues) == [("v.1", 1000, 3000, "Hello there, Bob.")]


def test_other_encodings_are_read_where_they_are_named() -> None:
    srt = "1\n00:00:00,000 --> 00:00:01,000\nשל\u05d5ם ע\u05d5לם\n".encode("cp1255")
    assert problems(parse(srt, "srt")) == [(Subject.SENTENCE, "v.1", Reason.INVALID_UTF8)], "too little to guess from"
    found = parse_transcript(srt, "v", "v.srt", "srt", "cp1255")
    assert spans(found.cues) == [("v.1", 0, 1000, "של\u05d5ם ע\u05d5לם")]
    marked = "1\n00:00:00,000 --> 00:00:01,000\nשל\u05d5ם\n".encode("utf-16")
    assert parse_transcript(marked, "v", "v.srt", "srt", "cp1255").cues[0].text == "של\u05d5ם"


def test_marks_of_direction_that_only_lay_a_line_out_are_removed() -> None:
    (cue,) = parse("00:01 --> 00:02\n\u202b\u200fשל\u05d5ם\u200f, 5 \u05d0\u202c\n", "srt").cues
    assert cue.text == "\u200fשל\u05d5ם\u200f, 5 \u05d0"


@pytest.mark.parametrize(
    ("data", "file", "format"),
    [
        (YOUTUBE, "a.txt", "vtt"),
        ("1\n00:00:00,000 --> 00:00:01,000\nx\n", "a.vtt.txt", "srt"),
        ("00:00:00.000 --> 00:00:01.000\nx\n", "a", "vtt"),
        (json.dumps(JSON3), "a.json", "json3"),
        (SRV3, "a.xml", "srv3"),
        (SRV1, "a.static", "srv3"),
        (TTML, "a.xml", "ttml"),
        (json.dumps({"segments": []}), "a.json", "whisper"),
        ("[]", "a.json", "whisper"),
        (json.dumps({"start": [], "end": [], "text": []}), "a.json", "howto100m"),
        ("start,end,text\n", "a.csv", "howto100m"),
        ("start\tend\ttext\n", "a.txt", "howto100m"),
        ("", "a.ttml", "ttml"),
    ],
)
def test_the_format_is_told_by_content_and_suffix(data: str, file: str, format: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert format_of(data.encode(encoding) if data else b"", file) == format


def test_a_table_of_whisper_has_milliseconds_and_quotes_nothing() -> None:
    found = parse_transcript(b'start\tend\ttext\n0\t1500\tHe said "no.\n1500\tx\tyes\n', "v", "v.tsv", "auto")
    assert [(c.start_ms, c.end_ms, c.text) for c in found.cues] == [(0, 1500, 'He said "no.')]
    assert [d.subject_id for d in found.drops] == ["v.2"]


SEEDS = [
    YOUTUBE,
    SRV3,
    SRV1,
    TTML,
    json.dumps(JSON3),
    json.dumps({"segments": [SEGMENT]}),
    "start,end,text\n1,2,x\n",
    "start\tend\ttext\n1\t2\tx\n",
]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.sampled_from(SEEDS).map(str.encode) | st.binary(max_size=200),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 20), st.binary(max_size=6)), max_size=4),
    st.sampled_from([*FORMATS, "auto"]),
)
def test_no_bytes_make_a_parser_fail(data: bytes, edits: list[tuple[int, int, bytes]], format: str) -> None:
    for at, length, new in edits:
        data = data[:at] + new + data[at + length :]
    found = parse_transcript(data, "v", "v.x", format)
    assert found.cues or found.drops
    ids = [c.cue_id for c in found.cues] + [d.subject_id for d in found.drops if d.subject is Subject.SENTENCE]
    assert len(ids) == len(set(ids)), "each cue ends in one place"
    for cue in found.cues:
        assert 0 <= cue.start_ms < cue.end_ms
        assert cue.text == "\n".join(" ".join(line.split()) for line in cue.text.split("\n"))
        assert cue.text.strip()
        cue.text.encode()
        assert not cue.words or cue.words[0][0] == 0
        for (at, start, end), (later_at, later, _) in pairwise(cue.words):
            assert at < later_at < len(cue.text)
            assert cue.start_ms <= start <= end <= cue.end_ms
            assert start <= later


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "events",
                        "segs",
                        "utf8",
                        "tStartMs",
                        "segments",
                        "start",
                        "end",
                        "text",
                        "words",
                        "word",
                        "timestamp",
                    ]
                ),
                inner,
            )
        ),
    )
)
def test_no_json_makes_a_parser_fail(value: Any) -> None:
    for format in ("json3", "whisper", "howto100m", "vidchapters", "auto"):
        found = parse(json.dumps(value).encode(), format)
        assert found.cues or found.drops


@pytest.mark.parametrize(
    "unit", ["[", '{"a":', "<a>", "<p t='1'>", '"', "&amp;", ",", "a,\n", "<!--", "<00:00:01.000>"]
)
def test_hostile_repetition_is_quick(unit: str) -> None:
    started = time.process_time()
    for format in (*FORMATS, "auto"):
        parse(unit * 50_000, format)
    assert time.process_time() - started < 10


# Cues, and what is dropped, found by reading the files.
UNTIMED = {"communiquer-lors-dune-classe-transplantee.txt", "the_last_man_on_earth.txt", "webvtt-py.no_captions.vtt"}
CUES = {
    "Mammals.transcripts.en.json": 23,
    "PolarMammals.transcripts.en.json": 33,
    "example_whisper_output_transcript.json": 30,
    "naive_apollo11.mp3.words.json": 6,
    "whisper.stucked_lm_apollo11.words.json": 6,
    "whisper.issue24_empty.words.json": 29,
    "transcript.xml.static": 3,
    "la-council.transcript.en.vtt": 3779,
}


@pytest.mark.skipif(not REAL, reason=f"no transcripts below {SHARED}; set LONGTAKE_SHARED")
@pytest.mark.shared_data
@pytest.mark.parametrize("path", REAL, ids=lambda p: p.name)
def test_real_files_in_whatever_format_they_are(path: Path) -> None:
    found = parse_transcript(path.read_bytes(), "v", path.name, "auto")
    if path.name in UNTIMED:
        assert problems(found) == [(Subject.RECORD, path.name, Reason.MALFORMED)]
        return
    assert len(found.cues) == CUES.get(path.name, len(found.cues)) > 0
    assert all(cue.text and cue.start_ms < cue.end_ms for cue in found.cues)
    if "words" in path.name:
        assert all(len(cue.words) == len(cue.text.split()) for cue in found.cues)


# What people save, in the encodings they save it in: (encoding, lines). Written for this test.
SAVED = [
    ("cp1252", "Voilà l'été, enfin arrivé.|Le café est déjà prêt.|Où êtes-vous allés hier ?"),
    ("cp1252", "Grüße aus München!|Das ist größer als früher.|Wir üben zwölf Stücke."),
    ("cp1252", "Mañana iré al jardín.|El niño comió una piña.|¿Cómo estás? ¡Qué rico!"),
    ("cp1250", "Zażółć gęślą jaźń.|Dziękuję bardzo.|Byłem w kościele, było pięknie."),
    ("cp1251", "Привет, как дела?|Сегодня хорошая погода.|Мы пошли в лес за грибами."),
    ("koi8-r", "Привет, как дела?|Сегодня хорошая погода.|Мы пошли в лес за грибами."),
    ("cp1253", "Καλημέρα σε όλους.|Σήμερα ο καιρός είναι ωραίος.|Πήγαμε στο δάσος."),
    ("cp1255", "שלום לכולם, היום מזג האוויר יפה.|הלכנו ליער לטייל."),
    ("cp1256", "صباح الخير للجميع، اليوم الطقس جميل.|ذهبنا إلى الغابة."),
    ("cp874", "สวัสดีครับ วันนี้เราจะทำอาหารไทย|ขอบคุณที่ติดตามชม"),
    ("gb18030", "大家好，欢迎来到我的频道。|今天我们一起做一道家常菜。|首先把鸡蛋打散。"),
    ("big5", "大家好，歡迎來到我的頻道。|今天我們一起做一道家常菜。|首先把雞蛋打散。"),
    ("shift_jis", "今日は公園に行きました。|小さな弟と一緒に遊びました。"),
    ("cp949", "안녕하세요 여러분, 오늘은 날씨가 좋네요.|우리는 숲에 갔습니다."),
    ("utf-16-le", "So we go.|Then we stop."),
]  # fmt: skip


@pytest.mark.parametrize(("encoding", "lines"), SAVED, ids=[f"{name}-{text[:6]}" for name, text in SAVED])
@pytest.mark.parametrize("configured", ["utf-8", "cp1252"])
def test_the_encoding_of_a_file_is_found_out(encoding: str, lines: str, configured: str) -> None:
    said = lines.split("|")
    srt = "".join(f"{i + 1}\n00:00:0{i},000 --> 00:00:0{i + 1},000\n{line}\n\n" for i, line in enumerate(said))
    found = parse_transcript(
        srt.encode(encoding), "v", "v.srt", "auto", configured if encoding == "cp1252" else "utf-8"
    )
    assert [cue.text for cue in found.cues] == said
    assert problems(found) == [(Subject.NOTE, "v", Reason.OTHER_ENCODING)]
    assert parse_transcript(srt.encode(), "v", "v.srt", "srt", "cp1252").cues == found.cues, (
        "UTF-8 first, whatever is set"
    )


def test_one_broken_line_makes_no_other_encoding_of_a_file() -> None:
    good = "".join(f"{i}\n00:00:0{i},000 --> 00:00:0{i + 1},000\ncaf\u00e9 {i}\n\n" for i in range(1, 6)).encode()
    found = parse_transcript(good.replace(b"\xc3\xa9 3", b"\xe9 3"), "v", "v.srt", "srt", "cp1252")
    assert problems(found) == [(Subject.SENTENCE, "v.3", Reason.INVALID_UTF8)]
    assert [cue.text for cue in found.cues] == [f"caf\u00e9 {i}" for i in (1, 2, 4, 5)]


ASS = """[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Style: broken,nothing
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,not said
Dialogue: 0,0:00:03.10,0:00:05.00,Default,Ben,0,0,0,,Have you {\\i1}slept{\\i0} well, Ann?
Dialogue: 0,0:00:01.00,0:00:03.00,Default,Ann,0,0,0,,{\\pos(1,2)}Good\\Nmorning\\hto you.
Dialogue: 0,0:00:06.00,0:00:07.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0{\\p0}
Dialogue: 0,0:00:xx.00,0:00:07.00,Default,,0,0,0,,lost
Dialogue: 0,-0:00:01.00,0:00:00.50,Default,,0,0,0,,early
"""


def test_ass() -> None:
    found = parse_transcript(ASS.encode(), "v", "v.ass", "auto")
    assert spans(found.cues) == [
        ("v.5", 0, 500, "early"), ("v.2", 1000, 3000, "Good\nmorning to you."), ("v.1", 3100, 5000, "Have you slept well, Ann?"),
    ]  # fmt: skip
    assert [(cue.speakers, cue.turn) for cue in found.cues] == [((), False), (("Ann",), True), (("Ben",), True)]
    assert problems(found) == [
        (Subject.SENTENCE, "v.3", Reason.EMPTY_TEXT),
        (Subject.SENTENCE, "v.4", Reason.MALFORMED),
        (Subject.NOTE, "v", Reason.CLIPPED),
    ]
    assert found.drops[1].detail.startswith("v.ass:11: ")
    reordered = ASS.replace("Start, End, Style", "Style, Start, End")
    reordered = reordered.replace("0,0:00:03.10,0:00:05.00,Default", "0,Default,0:00:03.10,0:00:05.00")
    assert spans(parse_transcript(reordered.encode(), "v", "v.ass", "auto").cues)[-1] == spans(found.cues)[-1]


def test_ass_is_read_as_pysubs2_reads_it() -> None:
    pysubs2 = pytest.importorskip("pysubs2")
    text = "\n".join(
        line for line in ASS.splitlines() if "broken" not in line and "xx" not in line and "-0" not in line
    )
    theirs = pysubs2.SSAFile.from_string(text)
    said = sorted((e.start, e.end, e.plaintext, e.name) for e in theirs if not e.is_comment and not e.is_drawing)
    ours = parse_transcript(text.encode(), "v", "v.ass", "ass").cues
    assert [(c.start_ms, c.end_ms, c.text, c.speakers[0]) for c in ours] == [
        (start, end, words.replace("\xa0", " "), name) for start, end, words, name in said
    ]


SAMI = """<!-- made by hand -->
<SAMI><HEAD><TITLE>Talk</TITLE>
<STYLE TYPE="text/css"><!-- P { font-size: 12pt; } .ENCC { Name: English; lang: en-US; } --></STYLE></HEAD>
<BODY>
<SYNC Start=1000><P Class=ENCC>Good evening<br>to <i>you</i> &amp; all.
<SYNC Start=3000><P Class=ENCC>&nbsp;
<SYNC Start="4000"><P Class='ENCC'>It is good to be here.</P></SYNC>
<SYNC Start=7000>
<P Class=ENCC>Let us begin.
</BODY></SAMI>"""


def test_sami() -> None:
    found = parse_transcript(SAMI.encode(), "v", "v.smi", "auto")
    assert spans(found.cues) == [
        ("v.1", 1000, 3000, "Good evening\nto you & all."),
        ("v.2", 4000, 7000, "It is good to be here."),
        ("v.3", 7000, 7000 + 250 + 70 * 13, "Let us begin."),
    ]
    assert found.drops == []
    two = SAMI.replace("</P></SYNC>", "<P Class=KRCC>여기 와서 좋습니다.")
    assert [cue.text for cue in parse_transcript(two.encode(), "v", "v.smi", "auto").cues] == [
        "Good evening\nto you & all.",
        "It is good to be here.",
        "여기 와서 좋습니다.",
        "Let us begin.",
    ]
    nothing = parse_transcript(b"<SAMI><BODY>nothing</BODY></SAMI>", "v", "v.smi", "auto")
    assert [(row.subject, row.reason) for row in nothing.drops] == [(Subject.RECORD, Reason.MALFORMED)]


def test_sami_is_read_as_ffmpeg_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "v.smi"
    path.write_text(SAMI)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(path), "-f", "srt", "-"]
    read = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    theirs = re.findall(r"0:0(\d,\d{3}) --> .*?\n(.+?)\n\n", read, re.DOTALL)
    shown = [(int(start.replace(",", "")), html.unescape(re.sub(r"</?i>", "", text))) for start, text in theirs]
    ours = parse_transcript(path.read_bytes(), "v", "v.smi", "sami").cues
    assert [(cue.start_ms, cue.text) for cue in ours] == [(start, text) for start, text in shown if text.strip("\xa0 ")]


@pytest.mark.parametrize("unit", [1, 1000])
@pytest.mark.parametrize("place", ["utterances", "segments", "words"])
def test_milliseconds_are_told_from_seconds(unit: int, place: str) -> None:
    said = [(1, 4, "Good evening to you all."), (5, 8, "It is good to be here."), (9, 12, "Let us begin.")]
    rows = [
        {"start": a * unit, "end": b * unit, "text": text, "speaker": "AB"[i % 2]}
        for i, (a, b, text) in enumerate(said)
    ]
    found = parse([*rows] if place == "words" else {place: rows}, "whisper")
    assert spans(found.cues) == [(f"v.{i + 1}", a * 1000, b * 1000, text) for i, (a, b, text) in enumerate(said)]
    assert [(cue.turn, cue.speakers) for cue in found.cues] == [(False, ("A",)), (True, ("B",)), (True, ("A",))]


def test_times_that_are_neither_seconds_nor_milliseconds_are_refused() -> None:
    rows = [{"start": i * 40_000_000, "end": (i + 1) * 40_000_000, "text": "So we go."} for i in range(3)]
    found = parse({"segments": rows}, "whisper")
    assert problems(found) == [(Subject.RECORD, "v.x", Reason.MALFORMED)]
    assert "too long for seconds and for milliseconds" in found.drops[0].detail


def test_ends_that_are_missing() -> None:
    chunks = [{"timestamp": [0.0, None], "text": "So we go."}, {"timestamp": [2.5, None], "text": "So."}]
    assert spans(parse({"chunks": chunks}, "whisper").cues) == [
        ("v.1", 0, 2500, "So we go."),
        ("v.2", 2500, 2960, "So."),
    ]
    segments = [{"start": 0, "text": "So we go."}, {"start": 60, "text": "So."}]
    assert spans(parse(segments, "whisper").cues) == [("v.1", 0, 880, "So we go."), ("v.2", 60_000, 60_460, "So.")]
    srv1 = '<transcript><text start="1">So we go.</text><text start="3">So.</text></transcript>'
    assert spans(parse(srv1, "srv3").cues) == [("v.1", 1000, 3000, "So we go."), ("v.2", 3000, 3460, "So.")]
    assert spans(parse("start,end,text\n1,,So we go.\n3,4,So.\n", "howto100m").cues) == [
        ("v.1", 1000, 3000, "So we go."), ("v.2", 3000, 4000, "So."),
    ]  # fmt: skip


def test_ttml_times_stand_on_spans_and_on_what_is_around_them() -> None:
    ttml = (
        '<tt xmlns="http://www.w3.org/ns/ttml"><body><div begin="10s"><p><span begin="1s" end="2s">one</span>'
        '<span begin="2s" end="3s">two</span></p></div><div begin="20s" end="25s"><p>three</p></div>'
        "<div><p>no time</p></div><div><p begin='30s'>four</p><p begin='32s' end='33s'>five</p></div></body></tt>"
    )
    found = parse(ttml, "ttml")
    assert spans(found.cues) == [
        ("v.1", 11_000, 12_000, "one"), ("v.2", 12_000, 13_000, "two"), ("v.3", 20_000, 25_000, "three"),
        ("v.5", 30_000, 32_000, "four"), ("v.6", 32_000, 33_000, "five"),
    ]  # fmt: skip
    assert problems(found) == [(Subject.SENTENCE, "v.4", Reason.MALFORMED)]


def test_sbv() -> None:
    found = parse("0:00:01.000,0:00:02.000\none\n\n0:00:02.000,0:00:03.000\ntwo\n", "srt")
    assert spans(found.cues) == [("v.1", 1000, 2000, "one"), ("v.2", 2000, 3000, "two")]
