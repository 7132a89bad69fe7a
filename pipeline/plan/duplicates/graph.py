"""The Beam graph that finds duplicates: exact ones by a digest, near ones by shared bands, verified pair by pair.

Memory holds only one group of a join at a time, and no group is quadratic, even for a text that occurs a million times. Exact
duplicates are taken out first, by a pass over names. After that, the number of pairs in a band is proportional to its entries
(`survivors.candidate_pairs`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, TaggedOutput

from longtake.pipeline.filters.clip_filter import video_row
from longtake.pipeline.plan.duplicates.similarity import OF_TEXTS, Likeness, normalised
from longtake.pipeline.plan.duplicates.survivors import Duplicate, candidate_pairs, key_of, ranked
from longtake.pipeline.plan.video import PlannedVideo
from longtake.pipeline.read.rows import DROPS, drop
from longtake.schemas.config import Duplicates
from longtake.schemas.keys import safe_name
from longtake.schemas.reasons import Reason, Stage
from longtake.schemas.records import Drop, LongClip, drop_clip

_ENTRIES_PER_PARTITION = 200_000
_MAX_PARTITIONS = 1 << 16
_LINKS = 4  # rounds of following survivors: in chains of up to 2^4 duplicates, each finds the one that stays
FILTERED = "filtered"
_FOUND = "found"


class FindDuplicates(beam.PTransform):
    """Takes (name, value), where values are normalised texts or whatever `likeness` compares. Gives a Duplicate for each value
    that repeats a value of a better rank."""

    def __init__(self, threshold: float, likeness: Likeness = OF_TEXTS) -> None:
        super().__init__()
        self._threshold, self._likeness = threshold, likeness

    def expand(self, values: Any) -> Any:
        same = (
            values
            | "Digest" >> beam.Map(lambda element, likeness: (likeness.digest(element[1]), element), self._likeness)
            | "Same" >> beam.GroupByKey()
            | "First of same" >> beam.FlatMap(_first_of_same).with_outputs(_FOUND, main="distinct")
        )
        near = self._near(same.distinct)
        found = (same[_FOUND], near) | "Found" >> beam.Flatten()
        for round_ in range(_LINKS):
            found = _follow(found, f"Follow {round_ + 1}")
        return found

    def _near(self, values: Any) -> Any:
        """A Duplicate for each distinct value that is similar to values of a better rank; `like` is the first of them."""
        total = values | "Count" >> beam.combiners.Count.Globally()
        pairs = (
            values
            | "Bands" >> beam.FlatMap(_entries, self._likeness, AsSingleton(total))
            | "By part of band" >> beam.GroupByKey()
            | "Candidates" >> beam.FlatMap(lambda element: candidate_pairs(element[1]))
            | "Distinct pairs" >> beam.Distinct()
        )
        asks = pairs | "Ask both" >> beam.FlatMap(lambda pair: [(pair[0], pair), (pair[1], pair)])
        return (
            {"value": values, "pairs": asks}
            | "Their values" >> beam.CoGroupByKey()
            | "Value to pair" >> beam.FlatMap(_value_to_pair)
            | "Values of pair" >> beam.GroupByKey()
            | "Verify" >> beam.FlatMap(_verify, self._likeness, self._threshold)
            | "First similar" >> beam.CombinePerKey(min)
            | "Near" >> beam.Map(lambda found: Duplicate(found[0], found[1][0], found[1][0], -found[1][1]))
        )


def _first_of_same(element: tuple[bytes, Iterable[tuple[bytes, Any]]]) -> Iterator[Any]:
    """Yield one of several equal values, with the name that ranks first, and a Duplicate for each other. Two passes, no list."""
    _, members = element
    first, value = min(members, key=lambda member: member[0])
    yield first, value
    for name, _ in members:
        if name != first:
            yield TaggedOutput(_FOUND, Duplicate(name, first, first))


def _entries(element: tuple[bytes, Any], likeness: Likeness, total: int) -> Iterator[tuple[int, bytes]]:
    """Yield each band with the name, by part of the bands. Few large parts cost far less than a group per band."""
    name, value = element
    parts = min(max(1, -(-total * likeness.n_bands // _ENTRIES_PER_PARTITION)), _MAX_PARTITIONS)
    for band in likeness.bands(value):
        yield int.from_bytes(band, "big") * parts >> 64, band + name


def _value_to_pair(element: tuple[bytes, dict[str, Iterable[Any]]]) -> Iterator[tuple[tuple[bytes, bytes], Any]]:
    _, sides = element
    for value in sides["value"]:
        for pair in sides["pairs"]:
            yield pair, value


def _verify(
    element: tuple[tuple[bytes, bytes], Iterable[Any]], likeness: Likeness, threshold: float
) -> Iterator[tuple[bytes, tuple[bytes, float]]]:
    (first, second), values = element
    found = likeness.similarity(*values)
    if found >= threshold:
        yield second, (first, -found)


def _follow(found: Any, label: str) -> Any:
    """If the survivor of a duplicate is itself a duplicate, replace it by its survivor."""
    by_survivor = found | f"{label}: survivor" >> beam.Map(lambda duplicate: (duplicate.survivor, duplicate))
    by_name = found | f"{label}: name" >> beam.Map(lambda duplicate: (duplicate.name, duplicate.survivor))
    return (
        {"found": by_survivor, "survivor": by_name}
        | f"{label}: join" >> beam.CoGroupByKey()
        | f"{label}: step" >> beam.FlatMap(_step)
    )


def _step(element: tuple[bytes, dict[str, Iterable[Any]]]) -> Iterator[Duplicate]:
    _, sides = element
    further = next(iter(sides["survivor"]), None)
    for duplicate in sides["found"]:
        yield duplicate if further is None else replace(duplicate, survivor=further)


class LeaveOutDuplicates(beam.PTransform):
    """Takes PlannedVideo; gives the same without its duplicates, or with marks on them, as `settings` says. Also gives ledger
    rows (DROPS) and the number of long clips dropped from a video (FILTERED)."""

    def __init__(self, settings: Duplicates, seed: int) -> None:
        super().__init__()
        self._settings, self._seed = settings, seed

    def expand(self, videos: Any) -> Any:
        found = (
            videos
            | "Paragraphs" >> beam.FlatMap(paragraphs_of, self._seed)
            | "Duplicates" >> FindDuplicates(self._settings.similarity)
            | "Video of duplicate" >> beam.Map(lambda duplicate: (_video_part(key_of(duplicate.name)), duplicate))
        )
        by_video = videos | "Video" >> beam.Map(lambda planned: (safe_name(planned.clips[0].video.video_id), planned))
        return (
            {"videos": by_video, "found": found}
            | "By video" >> beam.CoGroupByKey()
            | "Leave out" >> beam.FlatMap(_leave_out, self._settings).with_outputs(DROPS, FILTERED, main="videos")
        )


def paragraphs_of(planned: PlannedVideo, seed: int) -> Iterator[tuple[bytes, str]]:
    """Yield the name and normalised text of each long clip. A long clip without words is never a duplicate."""
    for clip in planned.clips:
        text = normalised(clip.paragraph)
        if text:
            yield ranked(clip.key, seed), text


def _video_part(key: str) -> str:
    return key.rsplit("-", 2)[0]


def _leave_out(element: tuple[str, dict[str, Iterable[Any]]], settings: Duplicates) -> Iterator[Any]:
    _, sides = element
    repeats: dict[str, Duplicate] = {key_of(duplicate.name): duplicate for duplicate in sides["found"]}
    for planned in sides["videos"]:
        clips, drops, left_out = without_repeats(planned.clips, repeats, settings)
        yield from map(drop, drops)
        if left_out:
            yield TaggedOutput(FILTERED, left_out)
        if clips:
            yield replace(planned, clips=tuple(clips))


def without_repeats(
    clips: Iterable[LongClip], repeats: dict[str, Duplicate], settings: Duplicates
) -> tuple[list[LongClip], list[Drop], int]:
    """The long clips of a video that stay, the ledger rows of the others, and the number of the others."""
    kept: list[LongClip] = []
    gone: list[LongClip] = []
    drops: list[Drop] = []
    for clip in clips:
        repeat = repeats.get(clip.key)
        if repeat is None:
            kept.append(clip)
        elif settings.paragraphs == "flag":
            kept.append(replace(clip, duplicate_of=key_of(repeat.survivor)))
        else:
            gone.append(clip)
            drops += drop_clip(clip, Stage.FILTER, *_why(repeat, settings))
    if gone and not kept:
        drops.append(video_row(gone))
    return kept, drops, len(gone)


def _why(repeat: Duplicate, settings: Duplicates) -> tuple[Reason, str]:
    survivor, like = key_of(repeat.survivor), key_of(repeat.like)
    stays = f"like {survivor}, which stays" if like == survivor else f"like {like}; {survivor} stays"
    if repeat.similarity is None:
        return Reason.EXACT_DUPLICATE, f"the same words, {stays}"
    return Reason.NEAR_DUPLICATE, f"similarity {repeat.similarity:.4g} reaches {settings.similarity:g}, {stays}"
