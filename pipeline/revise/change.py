"""What a revision changes, and what follows from it for the rows of a plan and of a ledger."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from longtake.pipeline import assign
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, drop_clip


@dataclass(frozen=True, slots=True)
class Change:
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
    taken_down: frozenset[str] = frozenset()
    note: str = ""  # why they are taken down
    retried: frozenset[str] = frozenset()  # videos whose lost long clips are decoded again
    replanned: frozenset[str] = frozenset()  # videos that are planned anew, since they failed before they were

    @property
    def is_merge(self) -> bool:
        return len(self.origins) > 1

    def place(self, clip: LongClip) -> LongClip:
        """The clip with its new split, where there are new ones."""
        if not self.shares:
            return clip
        return replace(clip, split=assign.split_of(clip.video.video_id, dict(self.shares), self.seed))

    def keeps(self, row: Drop) -> Drop | None:
        """The row of an old ledger as the new one has it. None: it is gone, and what comes instead is made elsewhere."""
        if row.video_id in self.retried and row.stage is Stage.DECODE:
            return None
        return without_text(row) if row.video_id in self.taken_down else row


def without_text(row: Drop) -> Drop | None:
    """The ledger row of a video that is taken down: none of its text may stay, and details can quote it.

    None: a row that those of the takedown itself replace.
    """
    if row.subject is Subject.VIDEO or row.stage in (Stage.DECODE, Stage.TAKEDOWN):
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
    first that knows it. Taken down in one, it is taken down in all.
    """
    clips, drops = list(clips), list(drops)
    known = sorted({number for number, _ in (*clips, *drops)})
    chosen = min(with_samples, default=known[0])
    takedowns = [row for _, row in drops if row.reason is Reason.TAKEN_DOWN and row.subject is Subject.VIDEO]
    for number in known:
        if number != chosen:
            where = f"{names[number]}: video {video_id}"
            detail = f"{names[number]} has video {video_id} again; that of {names[chosen]} is used"
            yield Drop(video_id, Subject.RECORD, where, Stage.READ, Reason.DUPLICATE_ID, detail)
    if takedowns:
        yield min(takedowns)
    for number, clip in clips:
        if number == chosen:
            yield from takedown_rows(clip) if takedowns else [clip]
    for number, row in drops:
        if number == chosen:
            yield from _settled(row, bool(takedowns))


def _settled(row: Drop, taken_down: bool) -> list[Drop]:
    if not taken_down:
        return [row]
    if row.stage is Stage.TAKEDOWN and row.subject is not Subject.VIDEO:
        return [row]
    kept = without_text(row)
    return [kept] if kept else []
