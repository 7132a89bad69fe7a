"""Whatever is said, in whatever script and format: nothing is lost, doubled or cut within a grapheme, and times rise."""

import csv
import io
import json
from html import escape

import pytest
import regex
from hypothesis import given, settings, strategies as st

from longtake.pipeline.parse.timecode import format_timecode
from longtake.pipeline.parse.transcripts.parse import parse_transcript
from longtake.pipeline.text.sentences.split import split_sentences
from longtake.schemas.text_config import Sentences

# Syllables of twelve scripts, each with its marks.
SYLLABLES = (
    "so we gö|как мы|και ώ|كتاب في|שלום לך|हम में|กา ที่ น้ำ|ລາວ ດີ|ខ្ញុំ ទៅ|ကျွန် တော်|今天 我们|これ が ス|한국 어".replace(
        "|", " "
    ).split()
)
GLUE = st.sampled_from(["", " ", " ", ". ", "。", "! ", "। ", "？"])
TEXT = st.lists(st.tuples(st.sampled_from(SYLLABLES), GLUE), min_size=1, max_size=40).map(
    lambda parts: "".join(word + glue for word, glue in parts).strip()
)


def written(said: list[str], form: str) -> bytes:
    """The texts as a file: each lasts 2 s, and the next starts 3 s later."""
    times = [(3000 * i + 1000, 3000 * i + 3000) for i in range(len(said))]
    clocks = [tuple(map(format_timecode, span)) for span in times]
    if form in ("srt", "vtt"):
        cues = [f"{i + 1}\n{a} --> {b}\n{text}\n" for i, ((a, b), text) in enumerate(zip(clocks, said, strict=True))]
        return "\n".join([*(["WEBVTT\n"] if form == "vtt" else []), *cues]).encode()
    rows = list(zip(times, said, strict=True))
    if form == "json3":
        events = [{"tStartMs": a, "dDurationMs": b - a, "segs": [{"utf8": text}]} for (a, b), text in rows]
        return json.dumps({"wireMagic": "pb3", "events": events}).encode()
    if form == "whisper":
        return json.dumps(
            [{"start": a / 1000, "end": b / 1000 + 0.0005, "text": text} for (a, b), text in rows]
        ).encode()
    if form == "howto100m":
        columns = {"start": [a / 1000 for (a, _), _ in rows], "end": [b / 1000 for (_, b), _ in rows], "text": said}
        return json.dumps(columns).encode()
    if form == "ttml":
        body = "".join(f'<p begin="{a}ms" end="{b}ms">{escape(text)}</p>' for (a, b), text in rows)
        return f'<tt xmlns="http://www.w3.org/ns/ttml"><body><div>{body}</div></body></tt>'.encode()
    if form == "srv1":
        body = "".join(
            f'<text start="{a / 1000}" dur="{(b - a) / 1000}">{escape(text)}</text>' for (a, b), text in rows
        )
        return f"<transcript>{body}</transcript>".encode()
    if form == "srv2":
        body = "".join(f'<text t="{a}" d="{b - a}">{escape(text)}</text>' for (a, b), text in rows)
        return f"<timedtext>{body}</timedtext>".encode()
    if form == "srv3":
        body = "".join(f'<p t="{a}" d="{b - a}">{escape(text)}</p>' for (a, b), text in rows)
        return f'<timedtext format="3"><body>{body}</body></timedtext>'.encode()
    if form == "vidchapters":
        return json.dumps([{"start": a / 1000, "end": b / 1000, "text": text} for (a, b), text in rows]).encode()
    if form == "csv":
        table = io.StringIO()
        csv.writer(table).writerows([("start", "end", "text"), *((a / 1000, b / 1000, text) for (a, b), text in rows)])
        return table.getvalue().encode()
    if form == "sbv":
        return "\n".join(f"{a[1:]},{b[1:]}\n{text}\n" for (a, b), text in zip(clocks, said, strict=True)).encode()
    if form == "smi":
        body = "".join(
            f"<SYNC Start={a}><P Class=XX>{escape(text)}<SYNC Start={b}><P Class=XX>&nbsp;\n" for (a, b), text in rows
        )
        return f"<SAMI><HEAD></HEAD><BODY>\n{body}</BODY></SAMI>".encode()
    lines = [f"Dialogue: 0,{a},{b},Default,,0,0,0,,{text}" for (a, b), text in zip(clocks, said, strict=True)]
    return "\n".join(["[Events]", *lines]).encode()


def letters(text: str) -> list[str]:
    return [c for c in text if c.isalnum()]


FORMS = [
    "srt",
    "vtt",
    "json3",
    "whisper",
    "howto100m",
    "vidchapters",
    "csv",
    "ttml",
    "srv1",
    "srv2",
    "srv3",
    "ass",
    "sbv",
    "smi",
]


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=5))
def test_nothing_is_lost_doubled_or_cut(form: str, said: list[str]) -> None:
    found = parse_transcript(written(said, form), "v", f"v.{form}", "auto")
    assert not found.drops
    sentences = split_sentences(found.cues, Sentences(min_words=1, max_words=4))
    assert letters("".join(s.text for s in sentences)) == letters("".join(said))
    whole = {cluster for text in said for cluster in regex.findall(r"\X", text)}
    assert {cluster for s in sentences for cluster in regex.findall(r"\X", s.text)} <= whole | {" "}
    starts = [s.start_ms for s in sentences]
    assert starts == sorted(starts)
    assert all(s.start_ms < s.end_ms for s in sentences)
