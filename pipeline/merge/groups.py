"""Published groups of clips, as in LF-VILA-8M, become long clips instead of merging."""

from collections.abc import Iterable, Sequence

from longtake.pipeline.merge.merge import MergedVideo, Ordered, long_clip, order
from longtake.schemas.keys import sample_key
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, Sentence, SourceVideo, drop_sentences

#: A sentence, and (group id, number of clips in the group) of each group that names its clip.
GroupedSentence = tuple[Sentence, tuple[tuple[str, int], ...]]


GROUP_REASONS = (Reason.GROUP_INCOMPLETE, Reason.GROUP_CONFLICT, Reason.GROUP_UNKNOWN_CLIP)


def group_video(
    video: SourceVideo, sentences_with_groups: Sequence[GroupedSentence], frames_per_sentence: int
) -> MergedVideo:
    """Make one long clip of each group whose sentences are all here, whatever their number, length and gaps.

    If complete groups share a sentence, or have the same span and so the same key, the one that starts first is taken; of groups
    that start together, the first by group id. Every sentence ends in exactly one long clip or has exactly one Drop. A group that
    is not taken also has a record Drop.
    """
    wanted: dict[str, int] = {}
    members: dict[str, list[int]] = {}
    for index, (_, groups) in enumerate(sentences_with_groups):
        for group_id, size in dict(sorted(groups)).items():  # each group once, with its largest size
            wanted[group_id] = max(size, wanted.get(group_id, 0))
            members.setdefault(group_id, []).append(index)

    complete: dict[str, Ordered] = {}
    for group_id, indices in members.items():
        if len(indices) == wanted[group_id]:
            ordered = order(video.video_id, [sentences_with_groups[i][0] for i in indices])
            if not ordered.drops:
                complete[group_id] = ordered

    clips: list[LongClip] = []
    winner: dict[int, str] = {}  # the group that takes a sentence
    winner_of_key: dict[str, str] = {}
    beaten_by: dict[str, str] = {}  # a complete group that was not taken, and the group in its way
    trimmed = 0
    for group_id in sorted(complete, key=lambda g: (complete[g].sentences[0].start_ms, g)):
        group = complete[group_id].sentences
        key = sample_key(video.video_id, group[0].start_ms, group[-1].end_ms)
        rival = winner_of_key.get(key) or next((winner[i] for i in members[group_id] if i in winner), None)
        if rival is not None:
            beaten_by[group_id] = rival
            continue
        winner_of_key[key] = group_id
        winner.update(dict.fromkeys(members[group_id], group_id))
        clips.append(long_clip(video, tuple(group), frames_per_sentence))
        trimmed += complete[group_id].trimmed

    drops: list[Drop] = []
    for index, (sentence, groups) in enumerate(sentences_with_groups):
        if index not in winner:
            named_by = sorted({group_id for group_id, _ in groups})
            reason, detail = _why(named_by, members, wanted, beaten_by)
            drops += drop_sentences(video.video_id, (sentence,), Stage.MERGE, reason, detail)
    for group_id in sorted(members.keys() - set(winner_of_key.values())):  # also one whose sentences are all in others
        reason, detail = _why([group_id], members, wanted, beaten_by)
        drops.append(Drop(video.video_id, Subject.RECORD, group_id, Stage.MERGE, reason, detail))
    return MergedVideo(clips, drops, trimmed)


def lost_groups(
    video_id: str, named: Iterable[GroupedSentence], left: Iterable[GroupedSentence] = (), why: str = ""
) -> list[Drop]:
    """The rows of groups that name a `named` sentence but none of those `left`: no later step reports these groups. `why` is the
    reason in words."""
    still = {group_id for _, groups in left for group_id, _ in groups}
    gone = sorted({group_id for _, groups in named for group_id, _ in groups} - still)
    return [
        Drop(video_id, Subject.RECORD, name, Stage.MERGE, Reason.GROUP_INCOMPLETE, f"group {name}: {why}")
        for name in gone
    ]


def is_group_row(row: Drop) -> bool:
    """Whether a ledger row is about a published group."""
    return row.subject is Subject.RECORD and row.reason in GROUP_REASONS


def one_row(rows: Iterable[Drop]) -> Drop:
    """Choose one of several rows about a group, whose clips are in several videos or unknown. A row that names a video comes
    first."""
    return min(rows, key=lambda row: (not row.video_id, row))


def _why(
    named_by: list[str], members: dict[str, list[int]], wanted: dict[str, int], beaten_by: dict[str, str]
) -> tuple[Reason, str]:
    """Why a sentence that these groups name is in no long clip."""
    if not named_by:
        return Reason.NOT_IN_GROUP, "no group names this clip"
    for group_id in named_by:
        if group_id in beaten_by:
            detail = f"group {group_id} shares a clip or its span with group {beaten_by[group_id]}, which was taken"
            return Reason.GROUP_CONFLICT, detail
    group_id = named_by[0]
    found = len(members[group_id])
    detail = f"group {group_id}: found {found} of {wanted[group_id]} clips"
    if found == wanted[group_id]:
        detail = f"group {group_id}: found all {found} clips, but some start at the same time"
    return Reason.GROUP_INCOMPLETE, detail
