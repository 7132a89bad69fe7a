"""Checks the rows of a plan that a person edited: the columns and the values in each row. It does not trust derived columns."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from longtake.pipeline.merge.frame_times import clip_frame_times_ms
from longtake.pipeline.merge.merge import long_clip
from longtake.pipeline.parse.lines import base_name, canonical_json, load_json, quoted
from longtake.pipeline.parse.manifest import safe_uri
from longtake.pipeline.parse.texts import clean_text, parse_id
from longtake.pipeline.parse.timecode import MAX_MS
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import CorpusError
from longtake.schemas.records import LongClip, Sentence, SourceVideo, SpeechScores
from longtake.schemas.scores import PLAN_SCORES, column
from longtake.schemas.settings import did_you_mean

_MAX_SPEAKER = 100  # characters of a name
#: Columns computed from the sentences and the configuration, whatever the edited plan says.
DERIVED = ("key", "start_ms", "end_ms", "paragraph", "n_sentences", "n_words", "frame_times_ms")
_REQUIRED = ("video_id", "uri", "sentences", "split")
_SCORES = {column(name): name for name in PLAN_SCORES}
_MARKS = ("language", "duplicate_of", "duplicate_video_of", "evaluation_overlap")
_SPEECH = tuple(tables.SPEECH.names)
_READ = frozenset(_REQUIRED + DERIVED + ("url", "license", "meta", "coherence") + _MARKS + tuple(_SCORES) + _SPEECH)
_SENTENCE = ("clip_id", "start_ms", "end_ms", "text")
_TIMINGS = ("cue", "words", "interpolated")
_ROWS = 512
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True, order=True)
class RowProblem:
    """A problem with a row of an edited plan. Rows are counted from 1 in each file; 0 means the whole file."""

    file: str
    row: int
    text: str

    def __str__(self) -> str:
        return f"{self.file} row {self.row}: {self.text}" if self.row else f"{self.file}: {self.text}"


@dataclass(frozen=True, slots=True, order=True)
class RowGroup:
    """A row group of an edited file; `first` is the number of its first row, from 1."""

    path: str
    number: int
    first: int


# -- files -------------------------------------------------------------------------------------------------------------


def inspect_file(path: str) -> tuple[list[RowGroup], list[RowProblem]]:
    """The row groups of a file, and the problems with its columns."""
    name = base_name(path)
    try:
        with storage.open_table(path) as stream:
            file = pq.ParquetFile(stream)
            problems = [RowProblem(name, 0, text) for text in _schema_problems(file.schema_arrow)]
            groups, first = [], 1
            for number in range(file.num_row_groups):
                groups.append(RowGroup(path, number, first))
                first += file.metadata.row_group(number).num_rows
    except storage.PARQUET_ERRORS as error:
        return [], [RowProblem(name, 0, f"not a Parquet file, or a damaged one: {storage.damage(error)}")]
    return (groups if first > 1 else []), problems


def _schema_problems(schema: pa.Schema) -> Iterator[str]:
    for name in sorted({n for n in schema.names if n in _READ and schema.names.count(n) > 1}):
        yield f"column {name} is given {schema.names.count(name)} times; keep one"
    missing = [name for name in _REQUIRED if name not in schema.names]
    if missing:
        yield f"column {', '.join(missing)} is missing; it has {', '.join(schema.names) or 'none'}"
    for name in ("video_id", "uri", "split"):
        if name not in missing:
            yield from _type_problem(name, schema.field(schema.names.index(name)).type)
    if "sentences" not in missing:
        yield from _sentence_problems(schema.field(schema.names.index("sentences")).type)


def _sentence_problems(found: Any) -> Iterator[str]:
    if not _is_list(found) or not pa.types.is_struct(found.value_type):
        yield f"column sentences is {found}, not a list of structs with the fields {', '.join(_SENTENCE)}"
        return
    fields = {field.name: field.type for field in found.value_type}
    for name in _SENTENCE:
        if name not in fields:
            yield f"column sentences has no field {name}; it has {', '.join(fields)}"
        else:
            yield from _type_problem(f"sentences.{name}", fields[name])


def _type_problem(name: str, found: Any) -> Iterator[str]:
    types = pa.types
    if types.is_dictionary(found):
        found = found.value_type
    if types.is_null(found):
        yield f"column {name} is empty in every row"
    elif name.endswith("_ms"):
        if not (types.is_integer(found) or types.is_floating(found) or types.is_decimal(found)):
            yield f"column {name} is {found}, not a number of milliseconds; cast it to BIGINT"
    elif not (types.is_string(found) or types.is_large_string(found) or types.is_string_view(found)) and not (
        name.endswith("_id") and types.is_integer(found)
    ):
        yield f"column {name} is {found}, not text; cast it to VARCHAR"


def _is_list(found: Any) -> bool:
    types = pa.types
    return bool(types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found))


def read_rows(group: RowGroup) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the numbered rows of a row group, with the needed columns. Raises CorpusError if they are damaged."""
    number = group.first
    with storage.open_table(group.path) as stream:
        file = pq.ParquetFile(stream)
        columns = [name for name in file.schema_arrow.names if name in _READ]
        batches = file.iter_batches(batch_size=_ROWS, row_groups=[group.number], columns=columns)
        while True:
            try:
                batch = next(batches, None)
                rows = [] if batch is None else batch.to_pylist()
            except storage.PARQUET_ERRORS as error:
                told = f"damaged in row {number} or after it: {storage.damage(error)}"
                raise CorpusError(f"{base_name(group.path)}: {told}") from None
            if batch is None:
                return
            yield from enumerate(rows, number)
            number += len(rows)


# -- rows --------------------------------------------------------------------------------------------------------------


def check_row(row: dict[str, Any], where: tuple[str, int], config: CorpusConfig) -> LongClip | list[RowProblem]:
    """Return the long clip of an edited row, with everything derived from its sentences recomputed; or all its problems.

    `where` is the name of the file and the number of the row. The split comes from the row; the assignment sets shard and
    position.
    """
    wrong: list[str] = []
    video_id = parse_id(row.get("video_id"))
    if video_id is None:
        wrong.append(f"video_id {quoted(row.get('video_id'))} is not a text of 1 to 512 characters")
    video = _video(row, video_id or "?", config, wrong)
    split = row.get("split")
    if not isinstance(split, str) or not split.isascii() or not split.isalnum():
        wrong.append(f"split {quoted(split)} is not made of letters and digits")
    elif split not in config.split:
        meant = did_you_mean(split, config.split)
        wrong.append(f"split {quoted(split)} is not in the configuration, which has {', '.join(config.split)}.{meant}")
    sentences = _sentences(row.get("sentences"), wrong)
    if config.frames.uniform is not None and len(sentences) > 1:
        wrong.append(f"it has {len(sentences)} sentences; with frames.uniform a video is one")
    coherence = _number("coherence", row, wrong)
    scores = {name: _number(column, row, wrong) for column, name in _SCORES.items()}
    marks = {name: _text(name, row, wrong) for name in _MARKS}
    speech = _speech(row, wrong)
    if wrong or video is None:
        return [RowProblem(*where, text) for text in wrong]
    made = long_clip(video, tuple(sentences), config.frames.per_sentence)
    return replace(
        made,
        frame_times_ms=clip_frame_times_ms(sentences, config.frames),
        coherence=coherence,
        split=str(split),
        scores=tuple((name, value) for name, value in scores.items() if value is not None),
        language=marks["language"],
        duplicate_of=marks["duplicate_of"],
        duplicate_video_of=marks["duplicate_video_of"],
        evaluation_overlap=marks["evaluation_overlap"],
        speech=speech,
    )


def recomputed(row: dict[str, Any], clip: LongClip) -> list[str]:
    """The derived columns of an edited row that are missing, or differ from the values by its sentences and the configuration."""
    fresh = tables.plan_row(clip)
    return [name for name in DERIVED if row.get(name) != fresh[name]]


def _video(row: dict[str, Any], video_id: str, config: CorpusConfig, wrong: list[str]) -> SourceVideo | None:
    before = len(wrong)
    fields: dict[str, str] = {}
    for name in ("uri", "url", "license"):
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            wrong.append(f"{name} {quoted(value)} is not a text")
        fields[name] = value if isinstance(value, str) else ""
    try:
        fields["uri"] = safe_uri(fields["uri"] or None, video_id, config.source.one_uri)
    except ValueError as error:
        wrong.append(str(error))
    try:
        meta = _meta(row.get("meta"))
    except ValueError as error:
        wrong.append(f"meta {quoted(row.get('meta'))} is not a JSON object: {error}")
        meta = ""
    return (
        SourceVideo(video_id, fields["uri"], fields["url"], fields["license"], meta) if len(wrong) == before else None
    )


def _meta(value: Any) -> str:
    if isinstance(value, str):
        value = load_json(value.encode("utf-8", "surrogatepass"))
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise ValueError(f"it is a {type(value).__name__}")
    return canonical_json(value)


def _text(name: str, row: dict[str, Any], wrong: list[str]) -> str | None:
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value or None
    wrong.append(f"{name} {quoted(value)} is not a text")
    return None


def _speech(row: dict[str, Any], wrong: list[str]) -> SpeechScores | None:
    """The scores of recognised speech; None if the plan has no columns for them."""
    if _SPEECH[0] not in row:
        return None
    numbers = {
        field.name.removeprefix("asr_"): _number(field.name, row, wrong)
        for field in tables.SPEECH
        if pa.types.is_floating(field.type)
    }
    return SpeechScores(language=_text("asr_language", row, wrong), **numbers)


def _number(name: str, row: dict[str, Any], wrong: list[str]) -> float | None:
    value = row.get(name)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return float(value) if value == value else None  # some tools write NaN for an empty value
    if value is not None:
        wrong.append(f"{name} {quoted(value)} is not a number")
    return None


def _sentences(values: Any, wrong: list[str]) -> list[Sentence]:
    if not values:
        wrong.append("it has no sentences; to drop a long clip, delete its row")
        return []
    before = len(wrong)
    found: list[Sentence] = []
    for number, value in enumerate(values, 1):
        sentence = _sentence(number, value, wrong)
        if sentence is not None:
            if found and sentence.start_ms < found[-1].end_ms:
                last = f"the one before it, {found[-1].start_ms} to {found[-1].end_ms}"
                wrong.append(
                    f"sentence {number}: {sentence.start_ms} to {sentence.end_ms} ms does not come after {last}"
                )
            found.append(sentence)
        if len(wrong) >= before + _MAX_SHOWN:
            wrong.append("and perhaps more")
            break
    return found


def _sentence(number: int, value: Any, wrong: list[str]) -> Sentence | None:
    at = f"sentence {number}"
    if not isinstance(value, dict):
        wrong.append(f"{at} is empty")
        return None
    before = len(wrong)
    clip_id = parse_id(value.get("clip_id"))
    if clip_id is None:
        wrong.append(f"{at}: clip_id {quoted(value.get('clip_id'))} is not a text of 1 to 512 characters")
    text = value.get("text")
    cleaned = clean_text(text) if isinstance(text, str) else ""
    if not cleaned:
        wrong.append(f"{at}: text {quoted(text)} is empty; to drop the sentence, remove it from the list")
    asr = value.get("asr")
    if isinstance(asr, str):
        asr = clean_text(asr) or None
    elif asr is not None:
        wrong.append(f"{at}: asr {quoted(asr)} is not a text")
    start, end = (_whole(value.get(name)) for name in ("start_ms", "end_ms"))
    if start is None or end is None:
        name = "start_ms" if start is None else "end_ms"
        wrong.append(f"{at}: {name} {quoted(value.get(name))} is not a whole number of milliseconds")
    elif not start < end:
        wrong.append(f"{at}: lasts from {start} to {end} ms")
    if len(wrong) > before or clip_id is None or start is None or end is None:
        return None
    timing = value.get("timing")
    speaker = value.get("speaker")
    named = clean_text(speaker)[:_MAX_SPEAKER] or None if isinstance(speaker, str) else None
    return Sentence(clip_id, start, end, cleaned, timing if timing in _TIMINGS else None, asr, named)


def _whole(value: Any) -> int | None:
    """A time in milliseconds, at least 0, from any type of number: SQL easily turns integers into decimals and doubles."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if not 0 <= value <= MAX_MS or value != int(value):  # NaN fails the first
        return None
    return int(value)
