"""What a revision changes, and what follows from it for the rows of a plan and of a ledger."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from longtake.pipeline.plan import assign
from longtake.pipeline.revise.rejection import Rejection, reject_elsewhere
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, drop_clip


@dataclass(frozen=True, slots=True)
class VersionChange:
    """What is to be made of the finished corpora `origins`; the first that has samples of a video is the one that counts.

    `target` is where the new version is made; `seed` and `samples` decide the order of its videos and the size of its shards.
    `names` of the origins are for the ledger.
    """

    origins: tuple[Layout, ...]
    target: Layout
    seed: int
    samples: int
    names: tuple[str, ...] = ()
    keep_places: bool = False  # clips stay in their shards, whose positions close up
    shares: tuple[tuple[str, float], ...] = ()  # of new splits; none: each clip keeps its own
    taken_down: Mapping[str, str] = field(default_factory=dict)  # videos, and why
    rejection: Rejection = field(default_factory=Rejection)  # long clips that are taken down alone
    retried: frozenset[str] = frozenset()  # videos whose lost long clips are decoded again
    replanned: frozenset[str] = frozenset()  # videos that are planned anew, since they failed before they were

    @property
    def is_merge(self) -> bool:
        return len(self.origins) > 1

    @property
    def forgets(self) -> bool:
        """Whether nothing may stay of some of it."""
        return bool(self.taken_down or self.rejection.why)

    def place(self, clip: LongClip) -> LongClip:
        """The clip with its new split, where there are new ones."""
        if not self.shares:
            return clip
        return replace(clip, split=assign.split_of(clip.video.video_id, dict(self.shares), self.seed))

    def keeps(self, row: Drop) -> Drop | None:
        """The row of an old ledger as the new one has it. None: it is gone, and what comes instead is made elsewhere."""
        if row.video_id in self.retried and row.stage is Stage.DECODE:
            return None
        return without_text(row) if row.video_id in self.taken_down else self.rejection.keeps(row)


def without_text(row: Drop) -> Drop | None:
    """The ledger row of a video that is taken down: none of its text may stay, and details can quote it.

    None: a row that those of the takedown itself replace.
    """
    rejected_before = row.stage is Stage.TAKEDOWN and row.reason is Reason.REJECTED
    if row.subject is Subject.VIDEO or (row.stage in (Stage.DECODE, Stage.TAKEDOWN) and not rejected_before):
        return None
    return replace(row, detail="")


def takedown_row(video_id: str, note: str) -> Drop:
    """The ledger row of a video that is taken down."""
    return Drop(video_id, Subject.VIDEO, video_id, Stage.TAKEDOWN, Reason.TAKEN_DOWN, note)


def takedown_rows(clip: LongClip) -> list[Drop]:
    """The ledger rows of a planned long clip of such a video, and of its sentences."""
    return drop_clip(clip, Stage.TAKEDOWN, Reason.TAKEN_DOWN, f"in video {clip.video.video_id}")


def merge_video(
    video_id: str,
    clips: Iterable[tuple[int, LongClip]],
    drops: Iterable[tuple[int, Drop]],
    with_samples: Iterable[int],
    names: tuple[str, ...],
) -> Iterator[LongClip | Drop]:
    """One video of several corpora, each known by its number: the clips and rows of the first that has samples of it, else of the
    first that knows it. Taken down or rejected in one, it is so in all, and so is a long clip.
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
    """A video that is out as a whole, as the row `out` says: none of its long clips stays."""
    yield out
    for clip in clips:
        yield from drop_clip(clip, out.stage, out.reason, f"in video {clip.video.video_id}")
    for row in rows:
        if row.stage is Stage.TAKEDOWN and row.reason is Reason.TAKEN_DOWN and row.subject is not Subject.VIDEO:
            yield row
        elif (kept := without_text(row)) is not None:
            yield kept if out.reason is Reason.TAKEN_DOWN else row
