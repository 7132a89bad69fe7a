"""The change that a revision makes, and its effect on the rows of a plan and of a ledger."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from longtake.pipeline.plan import assign
from longtake.pipeline.revise.rejection import Rejection, reject_elsewhere
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, drop_clip


@dataclass(frozen=True, slots=True)
class VersionChange:
    """The way to make a new version from the finished corpora `origins`. The first origin with samples of a source video
    provides that video.

    `target` is where the new version is made. `seed` decides the order of its source videos, `samples` the size of its shards.
    `names` are the origins' names in the ledger.
    """

    origins: tuple[Layout, ...]
    target: Layout
    seed: int
    samples: int
    names: tuple[str, ...] = ()
    keep_places: bool = False  # long clips stay in their shards, and positions close up
    shares: tuple[tuple[str, float], ...] = ()  # of new splits; if empty, each long clip keeps its split
    by_quota: bool = False  # the new splits get exact quotas of the source videos
    taken_down: Mapping[str, str] = field(default_factory=dict)  # source videos, and why
    rejection: Rejection = field(default_factory=Rejection)  # long clips that are dropped alone
    retried: frozenset[str] = frozenset()  # source videos whose dropped long clips are decoded again
    replanned: frozenset[str] = frozenset()  # source videos to plan again: they failed before they had a plan

    @property
    def is_merge(self) -> bool:
        return len(self.origins) > 1

    @property
    def forgets(self) -> bool:
        """Whether the new version must keep nothing of some source videos or long clips."""
        return bool(self.taken_down or self.rejection.why)

    def place(self, clip: LongClip) -> LongClip:
        """The long clip with its new split, if there are new splits."""
        if not self.shares:
            return clip
        return replace(clip, split=assign.split_of(clip.video.video_id, dict(self.shares), self.seed))

    def keeps(self, row: Drop) -> Drop | None:
        """The old ledger row as it goes into the new ledger. None if it does not; rows that replace it are made elsewhere."""
        if row.video_id in self.retried and row.stage is Stage.DECODE:
            return None
        return without_text(row) if row.video_id in self.taken_down else self.rejection.keeps(row)


def without_text(row: Drop) -> Drop | None:
    """The ledger row of a source video that is taken down, without its detail: details can quote text, and no text may stay.

    None if the rows of the takedown replace it.
    """
    rejected_before = row.stage is Stage.TAKEDOWN and row.reason is Reason.REJECTED
    if row.subject is Subject.VIDEO or (row.stage in (Stage.DECODE, Stage.TAKEDOWN) and not rejected_before):
        return None
    return replace(row, detail="")


def takedown_row(video_id: str, note: str) -> Drop:
    """The ledger row of a source video that is taken down."""
    return Drop(video_id, Subject.VIDEO, video_id, Stage.TAKEDOWN, Reason.TAKEN_DOWN, note)


def takedown_rows(clip: LongClip) -> list[Drop]:
    """The ledger rows of a planned long clip in such a source video, and of its sentences."""
    return drop_clip(clip, Stage.TAKEDOWN, Reason.TAKEN_DOWN, f"in video {clip.video.video_id}")


def merge_video(
    video_id: str,
    clips: Iterable[tuple[int, LongClip]],
    drops: Iterable[tuple[int, Drop]],
    with_samples: Iterable[int],
    names: tuple[str, ...],
) -> Iterator[LongClip | Drop]:
    """Yield the long clips and ledger rows of one source video that several corpora have, each corpus known by its number.

    They come from the first corpus with samples of the video, else from the first that knows it. A takedown or rejection in one
    corpus applies to all.
    """
    clips, drops = list(clips), list(drops)
    known = sorted({number for number, _ in (*clips, *drops)})
    chosen = min(with_samples, default=known[0])
    for number in known:
        if number != chosen:
            where = f"{names[number]}: video {video_id}"
            detail = f"{names[number]} has video {video_id} again; that of {names[chosen]} is used"
            yield Drop(video_id, Subject.RECORD, where, Stage.READ, Reason.DUPLICATE_ID, detail)
    own_clips = [clip for number, clip in clips if number == chosen]
    own_rows = [row for number, row in drops if number == chosen]
    if outs := [row for _, row in drops if _is_out(row)]:
        yield from _without(own_clips, own_rows, min(outs, key=lambda row: (row.reason is not Reason.TAKEN_DOWN, row)))
        return
    yield from reject_elsewhere(video_id, own_clips, own_rows, [row for number, row in drops if number != chosen])


def _is_out(row: Drop) -> bool:
    return row.subject is Subject.VIDEO and row.reason in (Reason.TAKEN_DOWN, Reason.REJECTED)


def _without(clips: list[LongClip], rows: list[Drop], out: Drop) -> Iterator[Drop]:
    """Yield the ledger rows of a source video that is dropped as the row `out` says. None of its long clips stays."""
    yield out
    for clip in clips:
        yield from drop_clip(clip, out.stage, out.reason, f"in video {clip.video.video_id}")
    for row in rows:
        if row.stage is Stage.TAKEDOWN and row.reason is Reason.TAKEN_DOWN and row.subject is not Subject.VIDEO:
            yield row
        elif (kept := without_text(row)) is not None:
            yield kept if out.reason is Reason.TAKEN_DOWN else row
