"""All cleaning steps for a video's cues, in order, each with its switch, its count and its ledger reason."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from longtake.pipeline.parse.transcripts.cue import Cue, sentence_drop
from longtake.pipeline.text.clean.at_once import once
from longtake.pipeline.text.clean.boilerplate import remove_boilerplate
from longtake.pipeline.text.clean.cleaned import CleanedCues, CleanStep
from longtake.pipeline.text.clean.loops import remove_loops
from longtake.pipeline.text.clean.rolling import unroll
from longtake.pipeline.text.clean.sound_tags import remove_sound_tags
from longtake.pipeline.text.clean.speakers import remove_speakers
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop
from longtake.schemas.text_config import Clean


@dataclass(slots=True)
class CleanCues:
    """The remaining cues, a Drop for each dropped cue, the number of removals of each step, and the steps."""

    cues: list[Cue]
    drops: list[Drop]
    removals: Counter[str]
    steps: list[CleanStep] = field(default_factory=list)


def clean(
    cues: list[Cue], video_id: str, settings: Clean, from_recognition: bool = False, languages: Sequence[str] = ()
) -> CleanCues:
    """Clean the cues of a video: each word once, without loops, credits and sound tags.

    Args:
        cues: the cues in time order.
        video_id: the video, for ledger rows.
        settings: the steps to take.
        from_recognition: whether only speech recognition writes such a file.
        languages: the languages to keep if two are on screen at the same time; empty: the first one.

    Returns:
        The remaining cues, a Drop for each dropped cue, and the number of removals of each step.
    """
    out = CleanCues(cues, [], Counter())

    def step(name: str, reason: Reason, work: Callable[[list[Cue]], CleanedCues]) -> None:
        cleaned = work(out.cues)
        out.steps.append(CleanStep(name, out.cues, cleaned))
        out.cues = cleaned.cues
        out.drops += [sentence_drop(video_id, cue.cue_id, reason, why, Stage.CLEAN) for cue, why in cleaned.gone]
        out.drops += [Drop(video_id, Subject.NOTE, video_id, Stage.CLEAN, reason, why) for _, why in cleaned.shortened]
        if cleaned.removals:
            out.removals[name] += cleaned.removals

    if settings.at_once:
        step("at_once", Reason.SAID_AT_ONCE, lambda found: once(found, languages))
    if settings.rolling:
        step("rolling", Reason.ROLLING_CAPTION, unroll)
    if settings.boilerplate:
        step("boilerplate", Reason.BOILERPLATE, lambda found: remove_boilerplate(found, from_recognition))
    if settings.sound_tags:
        step("sound_tags", Reason.SOUND_TAG, remove_sound_tags)
    if settings.speakers:
        step("speakers", Reason.SPEAKER_LABEL, remove_speakers)
    if settings.loops:
        step("loops", Reason.LOOP, lambda found: remove_loops(found, settings.loops, from_recognition))
    return out
