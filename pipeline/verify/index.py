"""Check the index of one shard: each row must keep the rules of the format. The tar is not read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from longtake.pipeline.corpus.checked_table import read_rows, row_digest
from longtake.pipeline.corpus.faults import FaultList, short
from longtake.pipeline.merge.frame_times import clip_frame_times_ms
from longtake.schemas import tables
from longtake.schemas.config import Frames
from longtake.schemas.keys import hash64, sample_key
from longtake.schemas.layout import MEMBER_JSON, MEMBER_TEXT, Layout, frame_member
from longtake.schemas.manifest import ShardRecord
from longtake.schemas.records import Sentence
from longtake.schemas.words import count_words

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """The facts of one index that the check of the whole corpus needs: hashes, one for each row in order, and sums."""

    keys: Hashes
    digests: Hashes
    videos: Hashes
    sentences: int
    drawn: tuple[tuple[int, str], ...]  # (rank, key) of the lowest-ranking rows, as many as a sample needs


def read_index(layout: Layout, shard: ShardRecord, faults: FaultList) -> list[dict[str, Any]]:
    """The rows of a shard's index."""
    name = shard.name.removesuffix(".tar")
    return [row for rows in read_rows(layout.shard_index(name), tables.INDEX, faults) for row in rows]


def index_facts(rows: list[dict[str, Any]], draw: int, seed: int) -> IndexFacts:
    """The facts of a shard's index."""
    keys = [row["key"] for row in rows]
    return IndexFacts(
        keys=np.array([hash64(key) for key in keys], np.uint64),
        digests=np.array([row_digest(row) for row in rows], np.uint64),
        videos=np.array([hash64(row["video_id"]) for row in rows], np.uint64),
        sentences=sum(len(row["sentences"]) for row in rows),
        drawn=tuple(sorted((hash64(key, seed), key) for key in keys)[:draw]) if draw else (),
    )


def check_index(rows: list[dict[str, Any]], shard: ShardRecord, frames: Frames, faults: FaultList) -> None:
    """Report rows of a shard's index that break the format, or that disagree with corpus.json."""
    if len(rows) != shard.samples:
        faults.add(f"{len(rows):,} rows; corpus.json says {shard.samples:,} samples")
    taken = sum(len(row["frame_pts_ms"]) for row in rows)
    if taken != shard.frames and len(rows) == shard.samples:
        faults.add(f"{taken:,} frames; corpus.json says {shard.frames:,}")
    name = shard.name.removesuffix(".tar")
    for position, row in enumerate(rows):
        if row["position"] != position:
            faults.add(f"position is {row['position']}; it is row {position}", row["key"])
        if row["shard"] != name:
            faults.add(f"shard is {short(row['shard'])}", row["key"])
        if row["split"] != shard.split:
            faults.add(f"split is {short(row['split'])}", row["key"])
        for what in row_faults(row, frames):
            faults.add(what, row["key"])


def row_faults(row: dict[str, Any], frames: Frames) -> Iterator[str]:
    """Yield the faults of an index row: the rules of the format that it breaks."""
    sentences = [tables.sentence_from_row(sentence) for sentence in row["sentences"]]
    if not sentences:
        yield "it has no sentence"
        return
    yield from _text_faults(row, sentences)
    yield from _frame_faults(row, sentences, frames)
    yield from _member_faults(row)


def _text_faults(row: dict[str, Any], sentences: list[Sentence]) -> Iterator[str]:
    start, end = row["start_ms"], row["end_ms"]
    if (start, end) != (sentences[0].start_ms, sentences[-1].end_ms):
        yield f"start_ms {start} and end_ms {end} are not those of its first and last sentence"
    elif row["key"] != sample_key(row["video_id"], start, end):
        yield f"the key does not match video_id {short(row['video_id'])} and the times {start} to {end}"
    if any(s.start_ms >= s.end_ms for s in sentences):
        yield "a sentence ends before it starts, or has no time"
    if any(a.end_ms > b.start_ms for a, b in pairwise(sentences)):
        yield "sentences overlap or are out of order"
    if row["paragraph"] != " ".join(s.text for s in sentences):
        yield "the paragraph is not its sentences joined by one space"
    counted = {"n_sentences": len(sentences), "n_words": sum(count_words(s.text) for s in sentences)}
    for column, number in counted.items():
        if row[column] != number:
            yield f"{column} is {row[column]}; it has {number}"
    try:
        if not isinstance(json.loads(row["meta"]), dict):
            raise ValueError
    except (ValueError, RecursionError):
        yield "meta is not a JSON object"


def _frame_faults(row: dict[str, Any], sentences: list[Sentence], frames: Frames) -> Iterator[str]:
    wanted, taken = row["frame_times_ms"], row["frame_pts_ms"]
    rule = clip_frame_times_ms(sentences, frames)
    if frames.uniform is not None and len(sentences) > 1:
        yield f"it has {len(sentences)} sentences; with frames.uniform there is one"
    if tuple(wanted) != rule:
        at = next((i for i, pair in enumerate(zip(wanted, rule, strict=False)) if pair[0] != pair[1]), None)
        detail = f"{len(wanted)}, not {len(rule)}" if at is None else f"number {at} is {wanted[at]}, not {rule[at]}"
        named = (
            f"{frames.per_sentence} per sentence" if frames.uniform is None else f"{frames.uniform} over the long clip"
        )
        yield f"frame_times_ms are not {named} by the rule: {detail}"
    if len(taken) != len(wanted):
        yield f"{len(taken)} frame_pts_ms for {len(wanted)} frame_times_ms"
    # With a tolerance, each time gets the cheapest frame near it, so two close times may get frames out of order.
    if not frames.tolerance_ms and any(a > b for a, b in pairwise(taken)):
        yield "frame_pts_ms fall"
    height, width = row["frame_height"], row["frame_width"]
    if min(height, width) != frames.short_side:
        yield f"frames of {width}x{height}; the short side is set to {frames.short_side}"


def _member_faults(row: dict[str, Any]) -> Iterator[str]:
    frames = len(row["frame_times_ms"])
    extensions = [MEMBER_JSON, MEMBER_TEXT, *(frame_member(n, frames) for n in range(frames))]
    names = [member["name"] for member in row["members"]]
    if names != [f"{row['key']}.{extension}" for extension in extensions]:
        yield f"members are not its .json, its .txt and {len(row['frame_times_ms'])} frames"
    if any(member["offset"] < 0 or member["size"] < 0 for member in row["members"]):
        yield "a member has a negative offset or size"
