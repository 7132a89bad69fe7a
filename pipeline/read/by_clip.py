"""Text and groups that are joined by clip id, then by video id.

The many plain rows (one clip, one text) are joined by columns; rows.py decides about the others, one id at a time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.parse.lines import Line, place, where
from longtake.pipeline.parse.manifest import PlainVideo, parse_plain_video
from longtake.pipeline.parse.timecode import parse_timecodes
from longtake.pipeline.read.buckets import ReadContext, Rows, encoded, values_of
from longtake.pipeline.read.by_video import lines_of, records_of
from longtake.pipeline.read.found import FoundFiles, found_of
from longtake.pipeline.read.line_source import Block, pieces_of, read_block, rows_of
from longtake.pipeline.read.rows import (
    ClipText,
    Dropped,
    GroupNames,
    VideoText,
    attach_sentences,
    keyed_clips,
    keyed_groups,
    keyed_text,
    match_clip,
)
from longtake.pipeline.read.text_columns import text_columns
from longtake.pipeline.run.batches import Batch, one_table
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import tables
from longtake.schemas.config import CorpusConfig
from longtake.schemas.records import Drop, Sentence, SourceVideo

CLIPS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("video_id", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("where", pa.string()),
        ("text", pa.string()),  # null: another file has it
    ]
)
TEXTS = pa.schema([("clip_id", pa.string()), ("text", pa.string()), ("file", pa.string()), ("number", pa.int64())])
_GROUPS = pa.list_(pa.struct([("group_id", pa.string()), ("size", pa.int64())]))
SENTENCES = pa.schema(
    [
        ("video_id", pa.string()),
        ("clip_id", pa.string()),
        ("start_ms", pa.int64()),
        ("end_ms", pa.int64()),
        ("text", pa.string()),
        ("groups", _GROUPS),
    ]
)
_ODD_AT_ONCE = 8192  # ids that are joined as objects together
VIDEOS = pa.schema([(name, pa.string()) for name in ("video_id", "uri", "url", "license", "meta")])


LOST, NAMED = "lost", "named"
_MOST_ROWS, _MOST_BYTES = 1 << 17, 64 << 20  # in one table on its way


def clips_of_bucket(element: tuple[int, Iterable[Batch]], context: ReadContext) -> Iterator[Any]:
    """Yield the clips of the videos of a bucket by bucket of their ids. LOST: those that are unusable, as ledger rows. NAMED: the
    videos, by bucket."""
    clips, lost, videos = Rows(CLIPS), Rows(_LOST), Rows(VIDEOS)
    batches = list(element[1])
    lines, files = lines_of(batches), found_of(batches, context.config)
    table, unusual = _plain_clips(lines, files, videos, context.config)
    PROGRESS.expect("joining", len(table))
    yield from context.batches.by_bucket(table, encoded(table["clip_id"]), context.buckets.rows)
    for name in unusual:
        for record in records_of(name, lines[name], context.config, files.get(name)):
            if isinstance(record, TaggedOutput):
                yield record
                continue
            for found in keyed_clips(record, context.config):
                if isinstance(found, TaggedOutput):
                    if found.tag != "videos":
                        yield found
                        continue
                    videos.add(*_fields_of(found.value[1]))
                elif isinstance(found[1], Drop):
                    one = found[1]
                    kind = map(str, (one.subject, one.subject_id, one.stage, one.reason))
                    lost.add(found[0], one.video_id, *kind, one.detail)
                else:
                    clip = found[1]
                    clips.add(found[0], clip.video_id, clip.start_ms, clip.end_ms, clip.where, clip.text)
        if len(clips) > _MOST_ROWS:
            PROGRESS.expect("joining", len(clips))
            yield from context.by_bucket(clips, context.buckets.rows)
            clips = Rows(CLIPS)
    PROGRESS.expect("joining", len(clips))
    yield from context.by_bucket(clips, context.buckets.rows)
    yield from (TaggedOutput(LOST, one) for one in context.by_bucket(lost, context.buckets.rows))
    yield from (TaggedOutput(NAMED, one) for one in context.by_bucket(videos, context.buckets.videos))


def _plain_clips(
    lines: dict[str, list[Line]], files: dict[str, FoundFiles], videos: Rows, config: CorpusConfig
) -> tuple[pa.Table, list[str]]:
    """The clips of the videos with one line of the usual form, nearly all, read without an object for each clip. Adds these
    videos, and returns the names of the others."""
    found: list[tuple[str, PlainVideo]] = []
    others: list[str] = []
    for name, of_video in lines.items():
        is_plain = config.source.text.format == "hdvila" and len(of_video) == 1
        own = files.get(name, FoundFiles()).videos  # several are a note, which is not of the usual form
        template = next(iter(own), config.source.uri_template)
        plain = parse_plain_video(of_video[0], template) if is_plain and len(own) < 2 else None
        if plain is None:
            others.append(name)
        else:
            found.append((name, plain))
    times = parse_timecodes([time for _, plain in found for time in plain.times]).reshape(-1, 2)
    sizes = np.array([len(plain.clip_ids) for _, plain in found], np.int64)
    of_clip = np.repeat(np.arange(len(found)), sizes)
    bad = np.bincount(of_clip[(times[:, 0] < 0) | (times[:, 1] <= times[:, 0])], minlength=len(found)) > 0
    for (name, plain), is_bad in zip(found, bad.tolist(), strict=True):
        if is_bad:
            others.append(name)
        else:
            videos.add(*_fields_of(plain.video))
    ids = pa.array([clip_id for _, plain in found for clip_id in plain.clip_ids], pa.string())
    names = pa.array([name for name, _ in found], pa.string())
    places = pa.array([where(lines[name][0]) for name, _ in found], pa.string())
    columns = [ids, names.take(of_clip), pa.array(times[:, 0]), pa.array(times[:, 1]), places.take(of_clip)]
    table = pa.Table.from_arrays([*columns, pa.nulls(len(ids), pa.string())], schema=CLIPS)
    return table.filter(pa.array(~bad[of_clip])) if bad.any() else table, others


def _fields_of(video: SourceVideo) -> tuple[str, ...]:
    return video.video_id, video.uri, video.url, video.license, video.meta


_LOST = pa.schema([("clip_id", pa.string()), *tables.LEDGER])


def texts_by_clip(numbered: tuple[Block, int], context: ReadContext) -> Iterator[tuple[int, Batch] | Dropped]:
    """Yield the texts of a block of the text file by bucket of their clips."""
    block, first = numbered
    tables: list[pa.Table] = []
    for piece in pieces_of(block):
        rows = rows_of(piece)
        others: Iterable[int] = range(len(rows))
        if not isinstance(piece, pa.Table):
            usual = text_columns(piece)
            tables.append(_text_table(usual.names, usual.texts, block.file, usual.lines + first))
            others = usual.others.tolist()
        unusual = Rows(TEXTS)
        for number in others:
            for found in keyed_text(Line(block.file, first + number, rows[number])) if rows[number] else ():
                if isinstance(found, TaggedOutput):
                    yield found
                else:
                    unusual.add(found[0], found[1][0], block.file, first + number)
        tables.append(unusual.table())
        first += len(piece)
        if sum(map(len, tables)) > _MOST_ROWS or sum(table.nbytes for table in tables) > _MOST_BYTES:
            yield from _texts_by_bucket(tables, context)
            tables = []
    yield from _texts_by_bucket(tables, context)


def _text_table(names: pa.Array, texts: pa.Array, file: str, numbers: Any) -> pa.Table:
    return pa.Table.from_arrays(
        [names, texts, pa.repeat(file, len(names)), pa.array(numbers, pa.int64())], schema=TEXTS
    )


def _texts_by_bucket(tables: list[pa.Table], context: ReadContext) -> Iterator[tuple[int, Batch]]:
    table = pa.concat_tables([TEXTS.empty_table(), *tables])
    yield from context.batches.by_bucket(table, encoded(table["clip_id"]), context.buckets.rows)


GROUPS = pa.schema([("clip_id", pa.string()), ("group_id", pa.string()), ("size", pa.int64()), ("where", pa.string())])
GROUP = "group"


def groups_by_clip(numbered: tuple[Block, int], context: ReadContext) -> Iterator[Any]:
    """Yield the groups of a block by bucket of the clips that they name. GROUP: the id of each group."""
    rows = Rows(GROUPS)
    for line in read_block(*numbered):
        known: set[str] = set()
        for found in keyed_groups(line):
            if isinstance(found, TaggedOutput):
                yield found
            else:
                rows.add(found[0], *found[1])
                known.add(found[1][0])
        yield from (TaggedOutput(GROUP, name) for name in known)
        if len(rows) > _MOST_ROWS:
            yield from context.by_bucket(rows, context.buckets.rows)
            rows = Rows(GROUPS)
    yield from context.by_bucket(rows, context.buckets.rows)


def sentences_of_bucket(
    element: tuple[int, dict[str, Iterable[Batch]]], context: ReadContext
) -> Iterator[tuple[int, Batch] | Dropped]:
    """Join the clips of a bucket with their texts and groups, and yield the sentences by bucket of their videos."""
    _, sides = element
    clips, lost = one_table(sides["clips"], CLIPS), one_table(sides["lost"], _LOST)
    texts = one_table(sides["texts"], TEXTS) if "texts" in sides else None
    groups = one_table(sides["groups"], GROUPS) if "groups" in sides else GROUPS.empty_table()
    ids = clips["clip_id"].combine_chunks()
    at = pc.index_in(ids, value_set=ids if texts is None else texts["clip_id"].combine_chunks())
    PROGRESS.advance("joining", len(clips))
    odd = _odd_ids(ids, at, lost, texts, groups, clips["text"])
    joined: list[pa.Table] = []
    for start in range(0, len(odd), _ODD_AT_ONCE):  # with groups all are odd, and as objects they take much memory
        made = Rows(SENTENCES)
        for found in _match_odd(odd.slice(start, _ODD_AT_ONCE), clips, lost, texts, groups):
            if isinstance(found, TaggedOutput):
                yield found
            else:
                video_id, (s, names) = found
                named = [{"group_id": group_id, "size": size} for group_id, size in names]
                made.add(video_id, s.clip_id, s.start_ms, s.end_ms, s.text, named)
        joined.append(made.table())
    is_plain = pc.invert(pc.is_in(ids, value_set=odd)) if len(odd) else np.ones(len(ids), bool)
    plain = clips.filter(is_plain)
    said = plain["text"] if texts is None else texts["text"].take(at.filter(is_plain))
    no_groups = pa.ListArray.from_arrays(pa.array(np.zeros(len(plain) + 1, np.int32)), pa.array([], _GROUPS.value_type))
    columns = [*(plain[name] for name in ("video_id", "clip_id", "start_ms", "end_ms")), said, no_groups]
    table = pa.concat_tables([pa.Table.from_arrays(columns, schema=SENTENCES), *joined])
    yield from context.batches.by_bucket(table, encoded(table["video_id"]), context.buckets.videos)


def _odd_ids(
    ids: pa.Array, at: pa.Array, lost: pa.Table, texts: pa.Table | None, groups: pa.Table, own: pa.ChunkedArray
) -> pa.Array:
    """The ids that have anything but one clip and one text with words in it. `at` is the place of the first text of each clip."""
    counted = np.bincount(at.drop_null().to_numpy(), minlength=len(ids if texts is None else texts))
    named = ids if texts is None else texts["clip_id"]
    odd = [ids.filter(at.is_null()), named.filter(pa.array(counted != 1)), lost["clip_id"], groups["clip_id"]]
    odd.append(named.filter(pc.equal(pc.fill_null(own if texts is None else texts["text"], ""), "")))
    return pc.unique(
        pa.concat_arrays([one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one for one in odd])
    )


def _match_odd(
    odd: pa.Array, clips: pa.Table, lost: pa.Table, texts: pa.Table | None, groups: pa.Table
) -> Iterator[Any]:
    """Join the rows with these ids one id at a time."""
    sides: dict[str, dict[str, list[Any]]] = {name: defaultdict(list) for name in odd.to_pylist()}

    def rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
        chosen = table.filter(pc.is_in(table["clip_id"], value_set=odd))
        return zip(*(column.to_pylist() for column in chosen.columns), strict=True)

    for clip_id, *values in rows(clips):
        sides[clip_id]["clips"].append(ClipText(*values))
    for clip_id, *values in rows(lost):
        sides[clip_id]["clips"].append(tables.drop_of(*values))
    for clip_id, text, file, number in rows(texts) if texts is not None else ():
        sides[clip_id]["texts"].append((text, place(file, number, is_row=file.endswith(".parquet"))))
    for clip_id, *values in rows(groups):
        sides[clip_id]["groups"].append(tuple(values))
    for clip_id, found in sides.items():
        yield from match_clip((clip_id, {"clips": [], **found}))


def videos_of_bucket(
    element: tuple[int, dict[str, Iterable[Batch]]], config: CorpusConfig
) -> Iterator[VideoText | Dropped]:
    """Yield the videos of a bucket with their sentences."""
    _, sides = element
    videos, said = one_table(sides["videos"], VIDEOS), one_table(sides["sentences"], SENTENCES)
    of_video = pc.index_in(said["video_id"], value_set=videos["video_id"].combine_chunks()).to_numpy()
    order = np.lexsort((said["start_ms"].to_numpy(), of_video))
    ends = np.cumsum(np.bincount(of_video, minlength=len(videos))).tolist()
    said = said.take(order)
    has_groups = bool(pc.sum(pc.list_value_length(said["groups"])).as_py())
    groups = _group_names(said["groups"].combine_chunks()) if has_groups else repeat(())
    ids, starts, stops, texts = (values_of(said, name) for name in ("clip_id", "start_ms", "end_ms", "text"))
    at = 0
    for fields, end in zip(zip(*(values_of(videos, field.name) for field in VIDEOS), strict=True), ends, strict=True):
        of_it = slice(at, end)
        sentences = map(Sentence, ids[of_it], starts[of_it], stops[of_it], texts[of_it])
        named = zip(sentences, groups, strict=False)
        yield from attach_sentences((fields[0], {"video": [SourceVideo(*fields)], "sentences": named}), config)
        at = end


def _group_names(groups: pa.ListArray) -> Iterator[GroupNames]:
    """Yield the names of each list, one after the other."""
    named = zip(*(column.to_numpy(zero_copy_only=False).tolist() for column in groups.flatten().flatten()), strict=True)
    return (tuple(islice(named, size)) for size in pc.list_value_length(groups).to_numpy().tolist())
