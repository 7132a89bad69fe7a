"""The history of a video, in time order: its kept and dropped long clips, and sentences that are in none."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from longtake.pipeline.browse.store import Store
from longtake.schemas.records import IndexEntry

MAX_CLIPS, MAX_DROPS = 2000, 10_000
_TIMES = re.compile(r"-(\d{9,})-(\d{9,})$")
_NUMBERS = re.compile(r"\d{1,18}")

Number = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A long clip of a video, or a sentence that is in none. `kind` is "kept", "dropped" or "sentence". Times are in
    milliseconds, None if unknown. `taken` is the number of sentences dropped with a long clip."""

    kind: str
    id: str
    start_ms: int | None = None
    end_ms: int | None = None
    text: str = ""
    stage: str = ""
    reason: str = ""
    detail: str = ""
    split: str = ""
    taken: int = 0


@dataclass(frozen=True, slots=True)
class VideoTimeline:
    """The moments of a video in time order, the sentences without a known place in `elsewhere`, and ledger rows about the video
    itself."""

    video_id: str
    url: str
    license: str
    moments: tuple[Moment, ...]
    elsewhere: tuple[Moment, ...]
    about: tuple[dict[str, Any], ...]
    is_cut: bool  # there is more to show

    @property
    def kept(self) -> int:
        return sum(moment.kind == "kept" for moment in self.moments)

    @property
    def dropped(self) -> int:
        return sum(moment.kind == "dropped" for moment in self.moments)

    def around(self, key: str, clips: int) -> tuple[Moment, ...]:
        """The moments next to a sample: `clips` long clips before it and after it, and the sentences between."""
        at = next((n for n, moment in enumerate(self.moments) if moment.id == key), None)
        if at is None:
            return ()
        first, last = at, at
        for step, end in ((-1, 0), (1, len(self.moments) - 1)):
            seen, place = 0, at
            while place != end and seen < clips:
                place += step
                seen += self.moments[place].kind != "sentence"
            first, last = (place, last) if step < 0 else (first, place)
        return self.moments[first : last + 1]


def timeline(
    store: Store, entry_of: Callable[[str], IndexEntry | None], video_id: str, near: str | None = None
) -> VideoTimeline | None:
    """The timeline of a video, None if nothing is known of it. With `near`, a sample's key, sentences are placed only next to
    this sample and the samples beside it, because each place costs a read of the index."""
    kept, drops = store.clips_of(video_id, MAX_CLIPS), store.drops_of(video_id, MAX_DROPS)
    if not kept and not drops:
        return None
    lost = {row["key"]: row for row in store.lost_of(video_id)}
    clips = [
        Moment("kept", row["key"], row["start_ms"], row["end_ms"], row["text"] or "", split=row["split"])
        for row in kept
    ]
    clips += [_dropped(row, lost.get(row["subject_id"])) for row in drops if row["subject"] == "clip"]
    sentences = [row for row in drops if row["subject"] == "sentence"]
    taken, alone = _of_clips(sentences, {clip.id for clip in clips})
    clips = [replace(clip, taken=taken.get(clip.id, 0)) for clip in clips]
    clips.sort(key=lambda clip: (clip.start_ms or 0, clip.end_ms or 0, clip.id))
    moments, elsewhere = _placed(clips, alone, video_id, entry_of, _asked(clips, near))
    return VideoTimeline(
        video_id,
        kept[0]["url"] if kept else "",
        kept[0]["license"] if kept else "",
        tuple(moments),
        tuple(elsewhere),
        tuple(row for row in drops if row["subject"] not in ("clip", "sentence")),
        len(kept) == MAX_CLIPS or len(drops) == MAX_DROPS,
    )


def _dropped(row: dict[str, Any], planned: dict[str, Any] | None) -> Moment:
    times = _TIMES.search(row["subject_id"] or "")
    start, end = (int(times[1]), int(times[2])) if times else (None, None)
    return Moment(
        "dropped",
        row["subject_id"],
        start,
        end,
        planned["text"] or "" if planned else "",
        row["stage"],
        row["reason"],
        row["detail"] or "",
    )


def _of_clips(sentences: Sequence[dict[str, Any]], clips: set[str]) -> tuple[dict[str, int], list[Moment]]:
    """The number of sentences dropped with each long clip, and the sentences dropped alone."""
    taken: dict[str, int] = {}
    alone = []
    for row in sentences:
        clip = (row["detail"] or "").removeprefix("in long clip ")
        if clip in clips:
            taken[clip] = taken.get(clip, 0) + 1
        else:
            alone.append(
                Moment("sentence", row["subject_id"] or "", None, None, "", row["stage"], row["reason"], row["detail"])
            )
    return taken, alone


def _asked(clips: Sequence[Moment], near: str | None) -> set[str]:
    """The samples whose sentences are read."""
    kept = [clip.id for clip in clips if clip.kind == "kept"]
    if near not in kept:
        return set(kept)
    at = kept.index(near)
    return set(kept[max(at - 2, 0) : at + 3])


def _placed(
    clips: Sequence[Moment],
    alone: Iterable[Moment],
    video_id: str,
    entry_of: Callable[[str], IndexEntry | None],
    asked: set[str],
) -> tuple[list[Moment], list[Moment]]:
    """Put sentences between long clips. The ledger has no times for them, but the numbers in their ids, as in cue ids, give
    their place."""
    numbers: list[Number | None] = []  # of the last sentence of each clip
    for clip in clips:
        entry = entry_of(clip.id) if clip.id in asked else None
        numbers.append(_number(entry.clip.sentences[-1].clip_id, video_id) if entry and entry.clip.sentences else None)
    gaps: dict[int, list[tuple[Number, Moment]]] = {}
    elsewhere = []
    for sentence in alone:
        own = _number(sentence.id, video_id)
        known = [(n, number) for n, number in enumerate(numbers) if number]
        if not own or not known:
            elsewhere.append(sentence)
            continue
        gap = next((n for n, number in known if own < number), None)
        gaps.setdefault(len(clips) if gap is None else gap, []).append((own, sentence))
    moments = []
    for n in range(len(clips) + 1):
        moments += [sentence for _, sentence in sorted(gaps.get(n, ()), key=lambda pair: (pair[0], pair[1].id))]
        moments += clips[n : n + 1]
    return moments, elsewhere


def _number(clip_id: str, video_id: str) -> Number:
    """The numbers in a sentence's id after the id of its video; () if there are none."""
    return tuple(map(int, _NUMBERS.findall(clip_id.removeprefix(video_id))))
