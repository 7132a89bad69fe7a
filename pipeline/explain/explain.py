"""Run the functions of the plan for one source video, and make an explanation of the results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from longtake.pipeline.decode import Probe, SourceError
from longtake.pipeline.embeddings.embed import embed_video
from longtake.pipeline.explain.corpus import CorpusVideo, place_of
from longtake.pipeline.explain.cuts import find_cuts
from longtake.pipeline.explain.explanation import (
    CleaningStep,
    ClipFate,
    ExplainedSource,
    Explanation,
    FilterCheck,
    Passage,
    Said,
    TextChange,
)
from longtake.pipeline.explain.read import Reading
from longtake.pipeline.filters.clip_filter import ClipFilter, FilteredClips
from longtake.pipeline.filters.rules import CLIP_RULES, FRAME_RULES, Rule, pii_fault
from longtake.pipeline.plan.video import Planning, as_planned, facts_of, lost_video, notes_of, plan_clips
from longtake.pipeline.read.rows import VideoText
from longtake.pipeline.run.slots import Slots
from longtake.pipeline.text.clean.cleaned import CleanStep
from longtake.schemas.config import CorpusConfig, Filters
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, Sentence
from longtake.schemas.scores import Scores


@dataclass(frozen=True, slots=True)
class ExplainedPlan:
    """One planned source video with the results of each step, as far as planning came. `drops` are all ledger rows from reading
    on."""

    text: VideoText | None
    facts: Probe | None
    planning: Planning | None
    filtered: FilteredClips | None
    drops: list[Drop]


def plan_one(reading: Reading, config: CorpusConfig, slots: Slots | None, probe: str, saved: str) -> ExplainedPlan:
    """Plan the source video as the plan graph does. `saved` is the folder of saved embeddings. Raises ConfigError."""
    text, drops = reading.text, list(reading.drops)
    if text is None:
        return ExplainedPlan(None, None, None, None, drops)
    text = as_planned(text, config)
    if config.coherence.enabled:
        text = embed_video(text, config, saved)
    drops += notes_of(text)
    try:
        facts = facts_of(text.video, [s for s, _ in text.sentences], slots, probe, config)
    except SourceError as error:
        drops += lost_video(text, error)
        return ExplainedPlan(text, None, None, None, drops)
    planning = plan_clips(text, facts, config)
    filtered = ClipFilter(config).apply(planning.clips, facts)
    return ExplainedPlan(text, facts, planning, filtered, drops + planning.drops + filtered.drops)


def explain(
    reading: Reading, planned: ExplainedPlan, config: CorpusConfig, known: CorpusVideo | None, notes: Sequence[str] = ()
) -> Explanation:
    """Explain a source video that was read and planned. `known` is what its corpus holds of it, None if that is missing or
    outdated. `notes` come first."""
    if reading.record is None:
        raise ValueError("there is no record of the video")
    sentences = _sentences(planned, config)
    fates = list(_fates(planned.filtered, config.filters)) if planned.filtered else []
    later: list[Drop] = []
    said = list(notes)
    if known is not None:
        planned = replace(planned, drops=_without_rejected(planned.drops, known))
        recomputed = set(planned.drops)
        later = [row for row in known.drops if row not in recomputed]
        sentences = tuple(_with_captions(sentences, known))
        fates = [_with_known(fate, known, config.filters) for fate in fates]
        said += _differences(planned, fates, known)
    elif config.duplicates.paragraphs != "keep" or config.duplicates.videos != "keep":
        said.append(
            "Duplicates are found among all videos: only a plan says which of these long clips are dropped as such."
        )
    if config.coherence.enabled and planned.text and planned.text.not_embedded:
        said.append(f"The model failed, so cuts are by length: {planned.text.not_embedded}")
    facts = planned.facts.source if planned.facts else None
    ordered = _ordered(planned)
    return Explanation(
        video=reading.record.video,
        record=reading.record.where,
        text_from=_text_from(reading, config),
        source=ExplainedSource(facts.width, facts.height, facts.fps, facts.codec, facts.duration_ms) if facts else None,
        cues=tuple(Passage(c.cue_id, c.start_ms, c.end_ms, c.text) for c in reading.trace.cues),
        steps=tuple(map(_step, reading.trace.steps)),
        sentences=sentences,
        chapters_ms=planned.text.chapters_ms if planned.text else (),
        cuts=tuple(find_cuts(ordered, sentences, planned.planning, config)) if planned.planning else (),
        clips=tuple(fates),
        coherence=_how_cut(planned, config),
        masked=tuple(sorted(planned.filtered.masked.items())) if planned.filtered else (),
        recomputed=tuple(sorted(planned.drops)),
        later=tuple(later),
        notes=tuple(said),
    )


def _text_from(reading: Reading, config: CorpusConfig) -> str:
    text, groups = config.source.text, " and groups of clips" if config.source.groups else ""
    if text.format == "none":
        return f"its record{groups}"
    if text.format == "asr":
        return f"its sound, recognised by {text.model}{groups}"
    video_id = reading.record.video.video_id if reading.record else ""
    if text.is_named:
        return f"{reading.trace.file or 'no file'} ({text.format}){groups}"
    return f"{text.paths[0].replace('{video_id}', video_id)} ({text.format}){groups}"


def _how_cut(planned: ExplainedPlan, config: CorpusConfig) -> str:
    if config.source.groups is not None:
        return "by the groups of the source"
    if planned.planning and planned.planning.topics:
        return f"where the topic turns (coherence, cut_cost {config.coherence.cut_cost:g})"
    return "evenly (coherence is off)" if not config.coherence.enabled else "evenly (no embeddings)"


# -- cleaning ----------------------------------------------------------------------------------------------------------


def _step(step: CleanStep) -> CleaningStep:
    after = {cue.cue_id: cue for cue in step.made.cues}
    why = {cue.cue_id: reason for cue, reason in step.made.gone}
    changes = []
    for cue in step.before:
        left = after.get(cue.cue_id)
        if left is None:
            reason = why.get(cue.cue_id, "what it adds went to the cue in which its line began")
            changes.append(TextChange(cue.cue_id, cue.start_ms, cue.text, None, reason, cue.cue_id in why))
        elif left.text != cue.text:
            changes.append(TextChange(cue.cue_id, cue.start_ms, cue.text, left.text))
    return CleaningStep(step.name, len(step.before), len(step.made.cues), step.made.removals, tuple(changes))


# -- sentences ---------------------------------------------------------------------------------------------------------


def _ordered(planned: ExplainedPlan) -> list[Sentence]:
    """The sentences in the order of merging, or of the groups."""
    if planned.planning is None:
        return []
    merged = planned.planning.merged
    found = [s for stretch in merged.stretches for run in stretch for s in run]
    return found or [s for clip in merged.clips for s in clip.sentences]


def _sentences(planned: ExplainedPlan, config: CorpusConfig) -> tuple[Said, ...]:
    if planned.text is None:
        return ()
    ordered = _ordered(planned)
    timed = {s.clip_id: s for s in ordered}
    kept = {clip.key: clip for clip in (planned.filtered.clips if planned.filtered else ())}
    clips = planned.planning.merged.clips if planned.planning else []
    owner = {s.clip_id: number for number, clip in enumerate(clips) for s in clip.sentences}
    timed |= {s.clip_id: s for clip in clips for s in kept.get(clip.key, clip).sentences}  # texts after masking
    lost = {d.subject_id: d for d in planned.drops if d.subject is Subject.SENTENCE and d.stage is not Stage.FILTER}
    topics = planned.planning.topics if planned.planning else None
    shown = [s for s in ordered if topics]
    curve = topics.curve(shown, config.coherence.window) if topics and shown else None
    gaps = {s.clip_id: i for i, s in enumerate(shown[1:])} if curve else {}
    out = []
    for sentence, _ in planned.text.sentences:
        own, drop = timed.get(sentence.clip_id, sentence), lost.get(sentence.clip_id)
        said = Said(own.clip_id, own.start_ms, own.end_ms, own.text, own.timing, owner.get(own.clip_id))
        if drop is not None and said.clip is None:
            said = replace(said, reason=drop.reason.value, detail=drop.detail)
        if curve and own.clip_id in gaps:
            gap = gaps[own.clip_id]
            said = replace(said, similarity=curve.similarity[gap], depth=curve.depth[gap])
        out.append(said)
    return tuple(sorted(out, key=lambda s: (s.start_ms, s.end_ms, s.clip_id)))


# -- long clips --------------------------------------------------------------------------------------------------------


def _fates(filtered: FilteredClips, filters: Filters) -> Iterator[ClipFate]:
    kept = {clip.key: clip for clip in filtered.clips}
    for scored, fault in filtered.judged:
        clip = kept.get(scored.key, scored)
        fate = ClipFate(
            key=clip.key,
            start_ms=clip.start_ms,
            end_ms=clip.end_ms,
            sentences=len(clip.sentences),
            words=clip.n_words,
            text=clip.paragraph,
            coherence=clip.coherence,
            language=clip.language,
            checks=tuple(_checks(scored, filters)),
            state="planned",
            evaluation_overlap=clip.evaluation_overlap,
        )
        if fault is not None:
            fate = replace(fate, state="dropped", stage=Stage.FILTER.value, reason=fault[0].value, detail=fault[1])
        yield fate


def _checks(clip: LongClip, filters: Filters) -> Iterator[FilterCheck]:
    """Check each score of a long clip against its threshold. min_language counts only if languages are asked for."""
    rules = [rule for rule in CLIP_RULES if rule.score != "language" or filters.languages]
    for check in _against(clip.scores, rules, filters):
        if check.score == "pii" and filters.pii == "drop":
            check = replace(check, setting="pii", limit=0.0, fault=pii_fault(check.value))
        yield check


def _against(scores: Scores, rules: Sequence[Rule], filters: Filters) -> Iterator[FilterCheck]:
    by_score = {rule.score: rule for rule in rules if getattr(filters, rule.setting) is not None}
    for score, value in scores:
        rule = by_score.get(score)
        if rule is None:
            yield FilterCheck(score, value)
        else:
            limit = float(getattr(filters, rule.setting))
            yield FilterCheck(score, value, rule.setting, limit, rule.fault(value, filters))


def _with_captions(sentences: Sequence[Said], known: CorpusVideo) -> Iterator[Said]:
    clips = [*known.clips, *(sample.clip for sample in (known.samples or {}).values())]
    captions = {s.clip_id: s.text for clip in clips for s in clip.sentences if s.asr is not None}
    return (replace(said, caption=captions.get(said.clip_id)) for said in sentences)


def _without_rejected(drops: Sequence[Drop], known: CorpusVideo) -> list[Drop]:
    """The ledger rows without those of filters on long clips that curators rejected: only the rejection counts."""
    keys = {row.subject_id for row in known.drops if row.subject is Subject.CLIP and row.reason is Reason.REJECTED}
    inside = {f"in long clip {key}" for key in keys}
    return [
        row
        for row in drops
        if row.stage is not Stage.FILTER or (row.subject_id not in keys and row.detail not in inside)
    ]


def _with_known(fate: ClipFate, known: CorpusVideo, filters: Filters) -> ClipFate:
    """The fate of a long clip, completed from the corpus."""
    planned = next((clip for clip in known.clips if clip.key == fate.key), None)
    row = next((d for d in known.drops if d.subject is Subject.CLIP and d.subject_id == fate.key), None)
    if planned is not None:
        fate = replace(fate, place=place_of(planned), duplicate_of=planned.duplicate_of)
        fate = replace(fate, duplicate_video_of=planned.duplicate_video_of)
    sample = (known.samples or {}).get(fate.key)
    if sample is not None:
        checks = (*fate.checks, *_against(sample.scores, FRAME_RULES, filters))
        return replace(fate, state="in the corpus", place=sample.place, checks=checks)
    if row is not None and (fate.state == "planned" or row.reason is Reason.REJECTED):
        return replace(fate, state="dropped", stage=row.stage.value, reason=row.reason.value, detail=row.detail)
    return fate


def _differences(planned: ExplainedPlan, fates: Sequence[ClipFate], known: CorpusVideo) -> Iterator[str]:
    """Yield the differences between the corpus and the new planning of its source video."""
    if known.edited:
        yield "The plan was edited by hand: long clips that a person changed are not those shown here."
    lost = {d.subject_id for d in known.drops if d.subject is Subject.CLIP}
    there = {clip.key for clip in known.clips}
    expected = {fate.key for fate in fates if fate.stage != Stage.FILTER.value}
    for key in sorted(expected - there - lost):
        yield f"{key}: neither in the plan nor in the ledger"
    for key in sorted(there - {fate.key for fate in fates}):
        yield f"{key}: in the plan, but not what planning this video gives now"
    missing = set(planned.drops) - set(known.drops)
    if missing:
        yield f"{len(missing)} of the reasons shown are not in the ledger: the source may have changed since the plan was made"


__all__ = ["ExplainedPlan", "explain", "plan_one"]
