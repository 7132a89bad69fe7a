"""Single long clips dropped from a finished corpus, and the effect on the rest of their source videos."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from longtake.pipeline.filters.rejects import rejected_clips, spans_in
from longtake.pipeline.revise.select import RETRIABLE, PlannedSample
from longtake.schemas.keys import safe_name
from longtake.schemas.reasons import FAILURES, Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, drop_clip


@dataclass(frozen=True, slots=True)
class Rejection:
    """The dropped long clips by key, each with stage and detail of its ledger row, and their sentences by video and clip id.

    `emptied` source videos have no planned long clip left; each has the stage of its row. `undecoded` source videos have only
    long clips that decoding had dropped before; each has the reason and detail of its row.
    """

    why: Mapping[str, tuple[Stage, str]] = field(default_factory=dict)
    sentences: frozenset[tuple[str, str]] = frozenset()
    emptied: Mapping[str, Stage] = field(default_factory=dict)
    undecoded: Mapping[str, tuple[Reason, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, why: Mapping[str, tuple[Stage, str]], planned: Iterable[PlannedSample]) -> "Rejection":
        """The rejection of the long clips in `why`. `planned` must have all planned long clips of their source videos."""
        by_video: dict[str, list[PlannedSample]] = {}
        for clip in planned:
            by_video.setdefault(clip.video_id, []).append(clip)
        emptied, undecoded = dict[str, Stage](), dict[str, tuple[Reason, str]]()
        for video_id, clips in sorted(by_video.items()):
            gone = [clip for clip in clips if clip.key in why]
            rest = [clip for clip in clips if clip.key not in why]
            if gone and not rest:
                emptied[video_id] = max((why[clip.key][0] for clip in gone), key=list(Stage).index)
            elif any(clip.lost is None for clip in gone) and all(clip.lost is not None for clip in rest):
                undecoded[video_id] = _lost_as([clip.lost for clip in rest if clip.lost is not None])
        out = [clip for clips in by_video.values() for clip in clips if clip.key in why]
        sentences = frozenset((clip.video_id, name) for clip in out for name in clip.sentences)
        return cls({clip.key: why[clip.key] for clip in out}, sentences, emptied, undecoded)

    def rows(self, clip: LongClip) -> list[Drop]:
        """The ledger rows of a dropped long clip, and of its sentences."""
        stage, detail = self.why[clip.key]
        return drop_clip(clip, stage, Reason.REJECTED, detail)

    def video_rows(self) -> list[Drop]:
        """The ledger rows of the source videos that have no sample left."""
        detail = "none of its long clips is left; each has a row of its own"
        rows = [
            Drop(video_id, Subject.VIDEO, video_id, stage, Reason.ALL_CLIPS_FILTERED, detail)
            for video_id, stage in self.emptied.items()
        ]
        for video_id, (reason, said) in self.undecoded.items():
            rows.append(Drop(video_id, Subject.VIDEO, video_id, Stage.DECODE, reason, said))
        return rows

    def keeps(self, row: Drop) -> Drop | None:
        """The old ledger row as it goes into the new ledger. None if it does not.

        Decode rows of dropped things are replaced, and notes on dropped long clips lose their detail.
        """
        if row.stage is Stage.DECODE:
            if row.subject is Subject.VIDEO and row.video_id in self.emptied:
                return None
            if row.subject is Subject.CLIP and row.subject_id in self.why:
                return None
            if row.subject is Subject.SENTENCE and (row.video_id, row.subject_id) in self.sentences:
                return None
        if row.subject is Subject.NOTE and row.subject_id in self.why:
            return replace(row, detail="")
        return row


def _lost_as(lost: Sequence[tuple[Reason, str]]) -> tuple[Reason, str]:
    """The reason and detail that a build gives a source video without samples, from the reasons of its long clips."""
    if any(reason not in RETRIABLE for reason, _ in lost):
        return Reason.ALL_CLIPS_FILTERED, "none of its long clips is left; each has a row of its own"
    whole = [one for one in lost if one[0] in FAILURES]
    default = Reason.ALL_CLIPS_DROPPED, "none of its long clips could be decoded; each has a row of its own"
    return min(whole, default=default)


# -- merging -----------------------------------------------------------------------------------------------------------


def reject_elsewhere(
    video_id: str, clips: Sequence[LongClip], rows: Sequence[Drop], others: Iterable[Drop]
) -> Iterator[LongClip | Drop]:
    """Yield the long clips and ledger rows of a source video in one corpus, without anything that `others`, rows of other
    corpora, reject.

    A note keeps each such rejection that has no row here, so that a third corpus cannot bring the long clip back.
    """
    found = {row.subject_id: row for row in sorted(others) if _is_rejected(row)}
    spans = spans_in({key: row.detail for key, row in found.items()}).get(safe_name(video_id), [])
    met = rejected_clips(clips, spans)
    why = {key: (found[span.key].stage, detail) for key, (span, detail) in met.clips.items()}
    rejection = Rejection.of(why, _planned(clips, rows) if why else ())
    for clip in clips:
        if clip.key in why:
            yield from rejection.rows(clip)
        else:
            yield clip
    yield from rejection.video_rows()
    for row in rows:
        if (kept := rejection.keeps(row)) is not None:
            yield kept
    told = {*why, *(row.subject_id for row in rows if _is_rejected(row))}
    for key, row in sorted(found.items()):
        if key not in told:
            yield Drop(video_id, Subject.NOTE, key, row.stage, Reason.REJECTED, row.detail)


def _is_rejected(row: Drop) -> bool:
    return row.reason is Reason.REJECTED and row.subject in (Subject.CLIP, Subject.NOTE)


def _planned(clips: Iterable[LongClip], rows: Collection[Drop]) -> Iterator[PlannedSample]:
    lost = {
        row.subject_id: (row.reason, row.detail)
        for row in rows
        if row.subject is Subject.CLIP and row.stage is Stage.DECODE
    }
    for clip in clips:
        sentences = tuple(sentence.clip_id for sentence in clip.sentences)
        yield PlannedSample(clip.video.video_id, clip.key, sentences, lost.get(clip.key))
