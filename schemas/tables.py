"""The Arrow schema of each table of a corpus, and, with clip_columns.py, the only code that turns records into rows and back."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import (
    Drop,
    IndexEntry,
    LongClip,
    Member,
    Sentence,
    SourceInfo,
    SourceVideo,
    SpeechScores,
)
from longtake.schemas.scores import INDEX_SCORES, PLAN_SCORES, Scores, column

_SENTENCE = pa.struct(
    [
        ("clip_id", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("text", pa.string()),
        ("timing", pa.string()),  # null: the input gave the sentence
        ("asr", pa.string()),  # the speech; null: it is the text
        ("speaker", pa.string()),  # null: the transcript names none
    ]
)

PLAN = pa.schema(
    [
        ("key", pa.string()),
        ("video_id", pa.string()),
        ("uri", pa.string()),
        ("url", pa.string()),
        ("license", pa.string()),
        ("meta", pa.string()),  # a JSON object
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("sentences", pa.list_(_SENTENCE)),
        ("paragraph", pa.string()),
        ("n_sentences", pa.int32()),
        ("n_words", pa.int32()),
        ("coherence", pa.float32()),
        ("split", pa.string()),
        ("shard", pa.int32()),
        ("position", pa.int32()),
        ("frame_times_ms", pa.list_(pa.int64())),
        ("language", pa.string()),
        ("duplicate_of", pa.string()),
        ("duplicate_video_of", pa.string()),
        ("evaluation_overlap", pa.string()),
        *[(column(name), pa.float64()) for name in PLAN_SCORES],
    ]
)

#: The columns that a plan has beside those of PLAN if its configuration recognises speech, by the fields of SpeechScores.
SPEECH = pa.schema(
    [
        ("asr_logprob", pa.float64()),
        ("asr_no_speech", pa.float64()),
        ("asr_compression", pa.float64()),
        ("asr_language", pa.string()),
        ("asr_language_probability", pa.float64()),
        ("asr_agreement", pa.float64()),
    ]
)
_SPEECH_FIELDS = tuple(name.removeprefix("asr_") for name in SPEECH.names)

LEDGER = pa.schema(
    [
        ("video_id", pa.string()),
        ("subject", pa.string()),
        ("subject_id", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

#: Plan rows on their way: their paragraphs, half of their bytes, are made from their sentences when the plan is written.
BARE_PLAN = pa.schema([field for field in PLAN if field.name != "paragraph"])


def embeddings(dimensions: int) -> pa.Schema:
    """The schema of saved embeddings of unit length. The metadata of the table holds the digest of their model."""
    return pa.schema(
        [
            ("video_id", pa.string()),
            ("clip_id", pa.string()),
            ("text_sha256", pa.binary(32)),
            ("embedding", pa.list_(pa.float16(), dimensions)),
        ]
    )


_MEMBER = pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])
SOURCE_COLOR = ("primaries", "transfer", "matrix", "range")  # of SourceInfo; null in corpora of earlier versions
_OWN_IN_INDEX = ("shard", "position")  # in the index, the sample's actual place, not the planned one
_MEASURED = [
    ("shard", pa.string()),
    ("position", pa.int32()),
    ("members", pa.list_(_MEMBER)),
    ("sha256", pa.string()),
    ("frame_pts_ms", pa.list_(pa.int64())),
    ("frame_height", pa.int32()),
    ("frame_width", pa.int32()),
    ("source_width", pa.int32()),
    ("source_height", pa.int32()),
    ("source_fps", pa.float64()),
    ("source_codec", pa.string()),
    ("source_duration_ms", pa.int64()),
    *[(f"source_{name}", pa.string()) for name in SOURCE_COLOR],
    *[(column(name), pa.float64()) for name in INDEX_SCORES],
]

INDEX = pa.schema(
    [("key", pa.string()), *_MEASURED, *[(f.name, f.type) for f in PLAN if f.name not in ("key", *_OWN_IN_INDEX)]]
)


def plan_row(clip: LongClip) -> dict[str, Any]:
    """The plan row of a long clip, without the columns of SPEECH."""
    return {
        "key": clip.key,
        "video_id": clip.video.video_id,
        "uri": clip.video.uri,
        "url": clip.video.url,
        "license": clip.video.license,
        "meta": clip.video.meta,
        "start_ms": clip.start_ms,
        "end_ms": clip.end_ms,
        "sentences": [sentence_row(s) for s in clip.sentences],
        "paragraph": clip.paragraph,
        "n_sentences": len(clip.sentences),
        "n_words": clip.n_words,
        "coherence": clip.coherence,
        "split": clip.split,
        "shard": clip.shard,
        "position": clip.position,
        "frame_times_ms": list(clip.frame_times_ms),
        "language": clip.language,
        "duplicate_of": clip.duplicate_of,
        "duplicate_video_of": clip.duplicate_video_of,
        "evaluation_overlap": clip.evaluation_overlap,
        **_score_columns(PLAN_SCORES, clip.scores),
    }


def bare_plan_table(clips: Sequence[LongClip]) -> pa.Table:
    """The plan rows of long clips without their paragraphs: the table of their `plan_row`, but made by columns, which takes a
    tenth of the time. If any has scores of its speech, the table has the columns of SPEECH too."""
    said = [sentence for clip in clips for sentence in clip.sentences]
    videos = [clip.video for clip in clips]
    sentences: dict[str, list[Any]] = {
        "clip_id": [sentence.clip_id for sentence in said],
        "start_ms": [sentence.start_ms for sentence in said],
        "end_ms": [sentence.end_ms for sentence in said],
        "text": [sentence.text for sentence in said],
        "timing": [sentence.timing for sentence in said],
        "asr": [sentence.asr for sentence in said],
        "speaker": [sentence.speaker for sentence in said],
    }
    columns: dict[str, list[Any]] = {
        "key": [clip.key for clip in clips],
        "video_id": [video.video_id for video in videos],
        "uri": [video.uri for video in videos],
        "url": [video.url for video in videos],
        "license": [video.license for video in videos],
        "meta": [video.meta for video in videos],
        "start_ms": [clip.start_ms for clip in clips],
        "end_ms": [clip.end_ms for clip in clips],
        "n_words": [clip.n_words for clip in clips],
        "coherence": [clip.coherence for clip in clips],
        "split": [clip.split for clip in clips],
        "shard": [clip.shard for clip in clips],
        "position": [clip.position for clip in clips],
        "language": [clip.language for clip in clips],
        "duplicate_of": [clip.duplicate_of for clip in clips],
        "duplicate_video_of": [clip.duplicate_video_of for clip in clips],
        "evaluation_overlap": [clip.evaluation_overlap for clip in clips],
    }
    scores = [dict(clip.scores) for clip in clips]
    columns |= {column(name): [found.get(name) for found in scores] for name in PLAN_SCORES}
    times = [time for clip in clips for time in clip.frame_times_ms]
    made = plan_columns(
        columns, sentences, [len(c.sentences) for c in clips], times, [len(c.frame_times_ms) for c in clips]
    )
    return with_speech(made, [clip.speech for clip in clips]) if any(clip.speech for clip in clips) else made


def with_speech(rows: pa.Table, scores: Sequence[SpeechScores | None]) -> pa.Table:
    """Add the columns of SPEECH to plan rows."""
    for field, name in zip(SPEECH, _SPEECH_FIELDS, strict=True):
        values = [None if found is None else getattr(found, name) for found in scores]
        rows = rows.append_column(field, pa.array(values, field.type))
    return rows


def plan_columns(
    columns: Mapping[str, Any], sentences: Mapping[str, Any], sizes: Any, times: Any, n_times: Any
) -> pa.Table:
    """Make plan rows without their paragraphs.

    Args:
        columns: values by column; a column that is missing is null. Those of the lists below are made here.
        sentences: values by field, of the sentences of all rows one after the other; a field that is missing is null.
        sizes: the number of sentences of each row.
        times: the frame times of all rows.
        n_times: the number of frame times of each row.
    """
    total, rows = sum(map(int, sizes)), len(sizes)
    fields = [_array(sentences.get(field.name), field.type, total) for field in _SENTENCE]
    bounds = _bounds(sizes)
    made = {
        "sentences": pa.ListArray.from_arrays(bounds, pa.StructArray.from_arrays(fields, fields=list(_SENTENCE))),
        "n_sentences": pa.array(sizes, pa.int32()),
        "frame_times_ms": pa.ListArray.from_arrays(_bounds(n_times), pa.array(times, pa.int64())),
    }
    whole = [made[f.name] if f.name in made else _array(columns.get(f.name), f.type, rows) for f in BARE_PLAN]
    return pa.Table.from_arrays(whole, schema=BARE_PLAN)


def with_paragraphs(rows: pa.Table) -> pa.Table:
    """Plan rows of `plan_columns`, with the sentences of each joined by one space."""
    said = rows["sentences"].combine_chunks()
    texts = pa.ListArray.from_arrays(said.offsets, said.values.field("text"))
    return rows.add_column(PLAN.get_field_index("paragraph"), PLAN.field("paragraph"), pc.binary_join(texts, " "))


def _array(values: Any, kind: pa.DataType, length: int) -> pa.Array:
    if values is None:
        return pa.nulls(length, kind)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else pa.array(values, kind)


def _bounds(sizes: Any) -> Any:
    return pa.array([0, *accumulate(map(int, sizes))], pa.int32())


def _score_columns(names: Iterable[str], scores: Scores) -> dict[str, float | None]:
    found = dict(scores)
    return {column(name): found.get(name) for name in names}


def _scores(names: Iterable[str], row: dict[str, Any]) -> Scores:
    values = [(name, row.get(column(name))) for name in names]
    return tuple((name, value) for name, value in values if value is not None)


def sentence_row(sentence: Sentence) -> dict[str, Any]:
    """A sentence as tables hold it."""
    return {
        "clip_id": sentence.clip_id,
        "start_ms": sentence.start_ms,
        "end_ms": sentence.end_ms,
        "text": sentence.text,
        "timing": sentence.timing,
        "asr": sentence.asr,
        "speaker": sentence.speaker,
    }


def sentence_json(sentence: Sentence) -> dict[str, Any]:
    """A sentence as the JSON of a sample holds it: without `timing`, `asr` and `speaker` if they are None."""
    row = sentence_row(sentence)
    return {name: value for name, value in row.items() if value is not None}


def sentence_from_row(row: dict[str, Any]) -> Sentence:
    """The sentence of a row; earlier plans have no `timing`, `asr` and `speaker`."""
    optional = (row.get(name) for name in ("timing", "asr", "speaker"))
    return Sentence(row["clip_id"], row["start_ms"], row["end_ms"], row["text"], *optional)


def clip_from_row(row: dict[str, Any]) -> LongClip:
    """The long clip of a plan row (or of an index row, whose shard is then ignored)."""
    shard = row["shard"]
    return LongClip(
        key=row["key"],
        video=SourceVideo(row["video_id"], row["uri"], row["url"] or "", row["license"] or "", row["meta"] or "{}"),
        sentences=tuple(map(sentence_from_row, row["sentences"])),
        frame_times_ms=tuple(row["frame_times_ms"]),
        coherence=row["coherence"],
        split=row["split"],
        shard=shard if isinstance(shard, int) else -1,
        position=row["position"],
        scores=_scores(PLAN_SCORES, row),
        language=row.get("language"),
        duplicate_of=row.get("duplicate_of"),
        duplicate_video_of=row.get("duplicate_video_of"),
        evaluation_overlap=row.get("evaluation_overlap"),
        speech=_speech(row),
    )


def _speech(row: dict[str, Any]) -> SpeechScores | None:
    """The scores of the speech in a plan row; None if it has no columns for them."""
    if SPEECH.names[0] not in row:
        return None
    return SpeechScores(*(row.get(name) for name in SPEECH.names))


def ledger_table(drops: Sequence[Drop]) -> pa.Table:
    """The ledger rows of drops, made by columns."""
    columns = [
        [drop.video_id for drop in drops],
        [drop.subject.value for drop in drops],
        [drop.subject_id for drop in drops],
        [drop.stage.value for drop in drops],
        [drop.reason.value for drop in drops],
        [drop.detail for drop in drops],
    ]
    return pa.Table.from_arrays([pa.array(values, pa.string()) for values in columns], schema=LEDGER)


def drop_from_row(row: dict[str, Any]) -> Drop:
    """The drop of a ledger row. Raises ValueError for a stage, subject or reason that does not exist."""
    return drop_of(*(row[name] for name in LEDGER.names))


def drop_of(video_id: str, subject: str, subject_id: str, stage: str, reason: str, detail: str) -> Drop:
    """The drop with the values of a ledger row. Raises ValueError like `drop_from_row`."""
    return Drop(video_id, Subject(subject), subject_id, Stage(stage), Reason(reason), detail)


def index_row(entry: IndexEntry) -> dict[str, Any]:
    """The index row of a sample."""
    planned = {k: v for k, v in plan_row(entry.clip).items() if k not in _OWN_IN_INDEX}
    return planned | {
        "shard": entry.shard,
        "position": entry.position,
        "members": [{"name": m.name, "offset": m.offset, "size": m.size} for m in entry.members],
        "sha256": entry.sha256,
        "frame_pts_ms": list(entry.frame_pts_ms),
        "frame_height": entry.frame_size[0],
        "frame_width": entry.frame_size[1],
        "source_width": entry.source.width,
        "source_height": entry.source.height,
        "source_fps": entry.source.fps,
        "source_codec": entry.source.codec,
        "source_duration_ms": entry.source.duration_ms,
        **{f"source_{name}": getattr(entry.source, name) for name in SOURCE_COLOR},
        **_score_columns(INDEX_SCORES, entry.frame_scores),
    }


def entry_from_row(row: dict[str, Any]) -> IndexEntry:
    """The index entry of an index row."""
    return IndexEntry(
        clip=clip_from_row(row),
        shard=row["shard"],
        position=row["position"],
        members=tuple(Member(m["name"], m["offset"], m["size"]) for m in row["members"]),
        sha256=row["sha256"],
        frame_pts_ms=tuple(row["frame_pts_ms"]),
        frame_size=(row["frame_height"], row["frame_width"]),
        source=SourceInfo(
            row["source_width"],
            row["source_height"],
            row["source_fps"],
            row["source_codec"],
            row["source_duration_ms"],
            **{name: row.get(f"source_{name}") for name in SOURCE_COLOR},
        ),
        frame_scores=_scores(INDEX_SCORES, row),
    )


def table(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """An Arrow table of `rows`."""
    return pa.Table.from_pylist(list(rows), schema=schema)
