import csv
import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from sources import SHARED

from longtake.pipeline.parse.lines import Line
from longtake.pipeline.parse.manifest import ClipSpan, ParsedVideo, parse_video, safe_uri
from longtake.schemas.reasons import Reason, Subject
from longtake.schemas.records import Drop, SourceVideo

TEMPLATE = "videos/{video_id}.mp4"


def parse(record: Any, template: str | None = TEMPLATE) -> ParsedVideo | Drop:
    return parse_video(Line("in/videos.jsonl", 2, json.dumps(record).encode()), template)


def video(record: Any, template: str | None = TEMPLATE) -> ParsedVideo:
    parsed = parse(record, template)
    assert isinstance(parsed, ParsedVideo)
    return parsed


def reasons(parsed: ParsedVideo) -> list[tuple[str, str, Reason]]:
    return [(d.subject.value, d.subject_id, d.reason) for d in parsed.drops]


def test_reads_an_hdvila_record() -> None:
    parsed = video(
        {
            "video_id": "QMi8x8o55Ns",
            "url": "https://www.youtube.com/watch?v=QMi8x8o55Ns",
            "clip": [
                {"clip_id": "QMi8x8o55Ns.1.mp4", "span": ["00:00:17.759", "00:00:23.279"]},
                {"clip_id": "QMi8x8o55Ns.16.mp4", "span": ["00:04:52.140", "00:05:03.350"], "text": " so\nthis "},
            ],
        }
    )
    url = "https://www.youtube.com/watch?v=QMi8x8o55Ns"
    assert parsed.video == SourceVideo("QMi8x8o55Ns", "videos/QMi8x8o55Ns.mp4", url)
    assert parsed.clips == (
        ClipSpan("QMi8x8o55Ns.1.mp4", 17_759, 23_279, None),
        ClipSpan("QMi8x8o55Ns.16.mp4", 292_140, 303_350, "so this"),
    )
    assert parsed.drops == ()
    assert parsed.usable
    assert parsed.where == "videos.jsonl:2"


def test_reads_a_record_with_sentences() -> None:
    parsed = video(
        {
            "video_id": 42,
            "uri": "gs://bucket/a.mp4",
            "license": "cc-by",
            "meta": {"b": "é", "a": [1]},
            "sentences": [
                {"start_ms": 0, "end_ms": 1500, "text": "one"},
                {"start": 1.5, "end": "2.675", "text": "two"},
                {"clip_id": "mine", "span": [3, "00:04,5"]},
            ],
        },
        None,
    )
    assert parsed.video == SourceVideo("42", "gs://bucket/a.mp4", "", "cc-by", '{"a":[1],"b":"é"}')
    assert parsed.clips == (
        ClipSpan("42.1", 0, 1500, "one"),
        ClipSpan("42.2", 1500, 2675, "two"),
        ClipSpan("mine", 3000, 4500, None),
    )


def test_reads_a_parquet_row() -> None:
    row = {
        "video_id": "a",
        "uri": None,
        "meta": '{"b": 1, "a": 2}',
        "score": float("nan"),
        "clip": [
            {"clip_id": "a.1", "span": ["00:01", "00:02"], "text": None},
            {"clip_id": "a.2", "span": [Decimal("2.5"), 3]},
        ],
    }
    parsed = parse_video(Line("v.parquet", 9, row), TEMPLATE)
    assert isinstance(parsed, ParsedVideo)
    assert parsed.video == SourceVideo("a", "videos/a.mp4", meta='{"a":2,"b":1}')
    assert [(c.start_ms, c.end_ms) for c in parsed.clips] == [(1000, 2000), (2500, 3000)]
    assert parsed.where == "v.parquet row 9"
    as_dict = parse_video(Line("v.parquet", 9, row | {"meta": {"a": 2, "b": 1}}), TEMPLATE)
    assert isinstance(as_dict, ParsedVideo)
    assert as_dict.video == parsed.video


def test_the_canonical_record_does_not_depend_on_how_it_is_written() -> None:
    one = parse_video(Line("v.jsonl", 1, b'{"video_id": "a", "url": "\\u00e9"}'), TEMPLATE)
    two = parse_video(Line("w.jsonl", 8, '{"url":"é","video_id":"a"}'.encode()), TEMPLATE)
    assert isinstance(one, ParsedVideo)
    assert isinstance(two, ParsedVideo)
    assert one.canonical == two.canonical == '{"url":"é","video_id":"a"}'


@pytest.mark.parametrize(
    ("clip", "reason", "subject_id"),
    [
        ({"clip_id": "c", "span": ["00:00:02.000", "00:00:01.000"]}, Reason.SPAN_REVERSED, "c"),
        ({"clip_id": "c", "span": [1, 1]}, Reason.SPAN_REVERSED, "c"),
        ({"clip_id": "c", "span": [-2, -1]}, Reason.SPAN_REVERSED, "c"),
        ({"clip_id": "c", "span": ["-00:00:01.000", "00:00:01.000"]}, Reason.SPAN_REVERSED, "c"),
        ({"clip_id": "c", "span": ["x", "y"]}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "span": [1]}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "span": "0-1"}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "span": [True, 2]}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "span": [0, 1e300]}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "span": [0, "99999999999999999999:00"]}, Reason.MALFORMED, "c"),
        ({"clip_id": "c"}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "start_ms": 0.5, "end_ms": 7}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "start_ms": 0, "end_ms": 10**18}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "start_ms": 0}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "span": [0, 1], "text": 7}, Reason.MALFORMED, "c"),
        ({"clip_id": "c", "span": [0, 1], "text": " \x00"}, Reason.EMPTY_TEXT, "c"),
        ({"span": [0, 1]}, Reason.MALFORMED, "v#2"),
        ({"clip_id": "", "span": [0, 1]}, Reason.MALFORMED, "v#2"),
        (7, Reason.MALFORMED, "v#2"),
        (None, Reason.MALFORMED, "v#2"),
    ],
)
def test_a_bad_entry_costs_one_sentence(clip: Any, reason: Reason, subject_id: str) -> None:
    parsed = video({"video_id": "v", "clip": [{"clip_id": "good", "span": [0, 1]}, clip]})
    assert [c.clip_id for c in parsed.clips] == ["good"]
    assert reasons(parsed) == [("sentence", subject_id, reason)]
    assert parsed.drops[0].detail.startswith("videos.jsonl:2: ")


def test_of_a_repeated_clip_id_the_first_in_time_stays_whatever_the_order() -> None:
    clips = [{"clip_id": "c", "span": span} for span in ([5, 9], [0, 4], [0, 3])]
    for seed in range(6):
        random.Random(seed).shuffle(clips)
        parsed = video({"video_id": "v", "clip": clips})
        assert parsed.clips == (ClipSpan("c", 0, 3000, None),)
        assert reasons(parsed) == [("sentence", "c", Reason.DUPLICATE_ID)] * 2


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "video_id"),
        ({"video_id": ""}, "video_id"),
        ({"video_id": "a" * 513}, "video_id"),
        ({"video_id": True}, "video_id"),
        ({"video_id": ["a"]}, "video_id"),
        ({"video_id": "a", "uri": 7}, "uri"),
        ({"video_id": "a", "url": {}}, "url"),
        ({"video_id": "a", "meta": [1]}, "meta"),
        ({"video_id": "a", "meta": "no json"}, "meta"),
        ({"video_id": "a", "meta": '{"a": NaN}'}, "meta"),
        ({"video_id": "a", "meta": '{"a": "\\ud800"}'}, "meta"),
        ({"video_id": "a", "clip": {}}, "clip"),
        ({"video_id": "a", "sentences": "x"}, "sentences"),
        ({"video_id": "a", "sentences": [], "clip": []}, "both"),
    ],
)
def test_a_record_that_cannot_be_used_is_dropped_whole(record: Any, said: str) -> None:
    drop = parse(record)
    assert isinstance(drop, Drop)
    assert (drop.subject, drop.reason) == (Subject.RECORD, Reason.MALFORMED)
    assert said in drop.detail


def test_a_video_without_uri_says_what_to_add() -> None:
    for record in ({"video_id": "a"}, {"video_id": "a", "uri": ""}):
        drop = parse(record, None)
        assert isinstance(drop, Drop)
        assert (drop.subject, drop.reason, drop.video_id) == (Subject.RECORD, Reason.MALFORMED, "a")
        assert "source.uri" in drop.detail


def test_meta_of_a_parquet_row_must_be_json() -> None:
    drop = parse_video(Line("v.parquet", 1, {"video_id": "a", "meta": {"a": b"x"}}), TEMPLATE)
    assert isinstance(drop, Drop)
    assert "meta" in drop.detail


@pytest.mark.parametrize(
    "video_id",
    ["../../etc/passwd", "a/b", "a\\b", "..", ".", "~root", "a\x00b", "a\nb", "/etc/passwd", "x\u2028y", "é" * 200],
)
def test_an_id_cannot_lead_out_of_the_folder(video_id: str) -> None:
    clips = [{"clip_id": "c1", "span": [0, 1]}, {"clip_id": "c2", "span": [1, 2]}, {"clip_id": "c3", "span": [2, 1]}]
    parsed = video({"video_id": video_id, "clip": clips})
    assert not parsed.usable
    assert parsed.clips == ()
    assert reasons(parsed) == [
        ("video", video_id, Reason.UNSAFE_URI),
        ("sentence", "c3", Reason.SPAN_REVERSED),
        ("sentence", "c1", Reason.UNSAFE_URI),
        ("sentence", "c2", Reason.UNSAFE_URI),
    ]
    assert video({"video_id": video_id, "uri": "a.mp4"}).usable


@pytest.mark.parametrize("video_id", ["QMi8x8o55Ns", "-a", "a.b", "...", "a b", "видео", "{video_id}", "a~", "..a"])
def test_plain_ids_enter_the_template(video_id: str) -> None:
    assert safe_uri(None, video_id, TEMPLATE) == f"videos/{video_id}.mp4"


@pytest.mark.parametrize("uri", ["gs://b/a.mp4", "S3://b/a.mp4", "file:///a.mp4", "a.mp4", "/data/a.mp4", "talk:1.mp4"])
def test_explicit_uris_of_known_schemes_are_kept(uri: str) -> None:
    assert video({"video_id": "a", "uri": uri}).video.uri == uri


@pytest.mark.parametrize(
    "uri", ["http://x/a.mp4", "https://x/a", "rtsp://x", "ssh://x/a", "a\x00.mp4", "a\n.mp4", "a\x9b"]
)
def test_other_uris_drop_the_video(uri: str) -> None:
    parsed = video({"video_id": "a", "uri": uri})
    assert reasons(parsed) == [("video", "a", Reason.UNSAFE_URI)]
    assert parsed.video.uri == ""


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["00:01", "00:00:02.5"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["clip_id", "span", "text", "start", "end", "start_ms", "end_ms"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
records = st.fixed_dictionaries(
    {"video_id": st.text(max_size=4) | json_values},
    optional=dict.fromkeys(("uri", "url", "license", "meta"), json_values)
    | {name: st.lists(json_values, max_size=6) | json_values for name in ("clip", "sentences")},
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(records, st.sampled_from([None, TEMPLATE]))
def test_every_entry_ends_in_one_place(record: dict[str, Any], template: str | None) -> None:
    parsed = parse_video(Line("v.parquet", 1, record), template)
    if isinstance(parsed, Drop):
        assert parsed.subject is Subject.RECORD
        return
    entries = record.get("clip") or record.get("sentences") or []
    lost = [d for d in parsed.drops if d.subject is Subject.SENTENCE]
    assert len(entries) == len(parsed.clips) + len(lost)
    assert len({c.clip_id for c in parsed.clips}) == len(parsed.clips)
    assert all(0 <= c.start_ms < c.end_ms for c in parsed.clips)
    assert parsed.usable == (not [d for d in parsed.drops if d.subject is Subject.VIDEO])
    assert isinstance(json.loads(parsed.video.meta), dict)


@pytest.mark.shared_data
def test_reads_real_hdvila_spans() -> None:
    path = SHARED / "data" / "metadata" / "shot2story.20k_meta.first-two-thirds.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here; set LONGTAKE_SHARED to the folder that holds data/")
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    for row in rows:
        span = json.loads(row["duration"].replace("'", '"'))
        parsed = video({"video_id": row["youtube_id"], "clip": [{"clip_id": row["clip_id"], "span": span}]})
        assert parsed.drops == (), row
        assert len(parsed.clips) == 1
