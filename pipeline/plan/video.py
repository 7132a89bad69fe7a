"""Plans one video: probes the source, drops sentences past its end, merges, chooses the split, and estimates the cost."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.decode import Probe, SourceError, hdr_detail, is_hdr
from longtake.pipeline.filters.clip_filter import ClipFilter, video_row
from longtake.pipeline.filters.rejects import RejectIndex, rejected_clips
from longtake.pipeline.fragments.seen import version_of
from longtake.pipeline.fragments.seen_graph import SEEN
from longtake.pipeline.fragments.work import look_at, source_cost
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.merge.coherence import Topics
from longtake.pipeline.merge.groups import GroupedSentence, group_video, lost_groups
from longtake.pipeline.merge.merge import MergedVideo, merge_video
from longtake.pipeline.merge.whole_video import as_one_sentence, whole_clip
from longtake.pipeline.plan import assign
from longtake.pipeline.plan.estimate import estimate
from longtake.pipeline.read.rows import Dropped, VideoText, drop
from longtake.pipeline.run import metrics as step_metrics
from longtake.pipeline.run.events import event
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.slots import Slots, shared_slots
from longtake.pipeline.run.sources import Version, detail_of, in_slot, local_source
from longtake.pipeline.run.worker import begin_work
from longtake.pipeline.text.recognised.scores import HeardSpeech
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, Sentence, SourceVideo, compact, drop_clip, drop_sentences
from longtake.schemas.versions import versions
from longtake.schemas.words import count_words

TALLY = "tally"
_FETCHED_FROM = 1.1  # a remote source is fetched if its speech lasts longer than this times the length in its header
Looked: TypeAlias = TaggedOutput[Literal["seen"], tuple[str, Version]]
Counted: TypeAlias = TaggedOutput[Literal["tally"], Tally]
OVERRUN_MS = (
    250  # a span may end this long after its video: time stamps are rounded, and the last frame stays on screen
)


@compact
@dataclass(frozen=True, slots=True)
class PlannedVideo:
    """The long clips of one video that are planned so far, at least one, and the facts of its source, if it was probed."""

    clips: tuple[LongClip, ...]
    facts: Probe | None = None


class PlanVideo(beam.DoFn):
    """Takes VideoText; gives PlannedVideo, drops, a tally, and size and tag of the source. `probe`: "none", "header", "packets".

    If there are rejections, they come as a side input.
    """

    def __init__(self, config: CorpusConfig, probe: str, workers: int) -> None:
        self._config, self._probe, self._workers, self._versions = config, probe, workers, versions()

    def setup(self) -> None:
        begin_work(self._versions)
        self._slots: Slots | None = None
        if self._probe != "none":
            self._slots = shared_slots(self._workers, self._config.limits.memory_bytes)
        self._filter = ClipFilter(self._config)

    def process(
        self, element: VideoText, rejects: RejectIndex | None = None
    ) -> Iterator[PlannedVideo | Dropped | Counted | Looked]:
        element = as_planned(element, self._config)
        video = element.video
        sentences = tuple(sentence for sentence, _ in element.sentences)
        tally: Tally = Counter({("videos",): 1, ("sentences",): len(sentences)})
        tally.update({("cleaned", step): n for step, n in element.removals})
        for s in sentences:
            tally["words_in", str(count_words(s.text))] += 1
        rejected = rejects.samples(video.video_id) if rejects is not None else []
        if rejects is not None and (why := rejects.video(video.video_id)) is not None:
            tally["applied", Subject.VIDEO, video.video_id] += 1
            tally.update(("applied", Subject.CLIP, span.key) for span in rejected)
            yield from map(drop, drop_video(video.video_id, sentences, Stage.FILTER, Reason.REJECTED, why))
            yield from map(drop, lost_groups(video.video_id, element.sentences, why="its video is rejected"))
            tally[("ms_in",)] += speech_ms(sentences)
            yield from self._counted(tally)
            return
        yield from map(drop, notes_of(element))
        version = version_of(self._config.resolve(video.uri)) if self._slots is not None else None
        try:
            facts = facts_of(video, sentences, self._slots, self._probe, self._config)
        except SourceError as error:
            event(
                logging.WARNING, "video_failed", video_id=video.video_id, reason=error.reason.value, detail=error.detail
            )
            yield from map(drop, lost_video(element, error))
            tally[("ms_in",)] += speech_ms(sentences)
        else:
            planning = plan_clips(element, facts, self._config)
            # Without sentences that end after the video: a last cue until 9:59:59 would count for ten hours.
            tally[("ms_in",)] += speech_ms(sentence for sentence, _ in planning.inside)
            met = rejected_clips(planning.clips, rejected)
            out = [clip for clip in planning.clips if clip.key in met.clips]
            filtered = self._filter.apply([clip for clip in planning.clips if clip.key not in met.clips], facts)
            tally[("filtered",)] += filtered.left_out + len(out)
            tally.update({("masked", kind): n for kind, n in filtered.masked.items()})
            tally.update(("applied", Subject.CLIP, key) for key in met.spans)
            drops = filtered.drops
            if out and not filtered.clips:  # the video has one row, which counts them all
                drops = [row for row in drops if row.subject is not Subject.VIDEO] + [video_row(planning.clips)]
            yield from map(drop, [*planning.drops, *drops])
            for clip in out:
                yield from map(drop, drop_clip(clip, Stage.FILTER, Reason.REJECTED, met.clips[clip.key][1]))
            event(
                logging.DEBUG,
                "video_planned",
                video_id=video.video_id,
                clips=len(filtered.clips),
                dropped=len(planning.drops),
            )
            step_metrics.count("plan", clips=len(filtered.clips))
            step_metrics.count("plan", clips_ms=sum(clip.end_ms - clip.start_ms for clip in filtered.clips))
            if filtered.clips and version is not None:
                yield TaggedOutput(SEEN, (video.video_id, version))
            if filtered.clips:
                yield PlannedVideo(tuple(filtered.clips), facts)
        yield from self._counted(tally)

    def _counted(self, tally: Tally) -> Iterator[Counted]:
        PROGRESS.add(videos=1)
        PROGRESS.advance("planning")
        step_metrics.count("plan", videos=1, sentences=tally[("sentences",)])
        yield TaggedOutput(TALLY, tally)


class MeasureVideo(beam.DoFn):
    """Takes PlannedVideo after all drops; gives its long clips and a tally of them."""

    def __init__(self, config: CorpusConfig, probe: str, workers: int) -> None:
        self._config, self._probe, self._workers = config, probe, workers

    def setup(self) -> None:
        self._slots: Slots | None = None
        if self._probe == "packets":
            self._slots = shared_slots(self._workers, self._config.limits.memory_bytes)

    def process(self, planned: PlannedVideo) -> Iterator[LongClip | Counted]:
        clips = list(planned.clips)
        PROGRESS.expect("writing", len(clips))
        yield TaggedOutput(TALLY, measure(clips, planned.facts, self._exact_cost(clips), self._config))
        yield from clips

    def _exact_cost(self, clips: list[LongClip]) -> int | None:
        if self._slots is None:
            return None
        config = self._config
        times = [t for clip in clips for t in clip.frame_times_ms]
        uri = config.resolve(clips[0].video.uri)
        try:
            with local_source(uri, config.limits) as path:
                seconds = config.limits.decode_seconds
                return in_slot(self._slots, seconds, source_cost, path, times, config.frames, config.limits)
        except SourceError:
            return None  # it was readable a moment ago; the build will report the problem


def as_planned(element: VideoText, config: CorpusConfig) -> VideoText:
    """The text of a video as it is planned: with `frames.uniform` as one sentence, else as it is."""
    if config.frames.uniform is None:
        return element
    video, sentence = as_one_sentence(element.video, [sentence for sentence, _ in element.sentences])
    return replace(element, video=video, sentences=((sentence, ()),))


def notes_of(element: VideoText) -> list[Drop]:
    """The notes on a video that was not treated as asked."""
    if not element.not_embedded:
        return []
    video_id, detail = element.video.video_id, f"merged without coherence: {element.not_embedded}"
    return [Drop(video_id, Subject.NOTE, video_id, Stage.MERGE, Reason.NOT_EMBEDDED, detail)]


def facts_of(
    video: SourceVideo, sentences: Sequence[Sentence], slots: Slots | None, probe: str, config: CorpusConfig
) -> Probe | None:
    """The facts of the source; None without `slots`. Raises SourceError.

    If the header ends before the speech does, it is not believed, and the packets are listed. A remote source is fetched for that
    only if the difference is large (_FETCHED_FROM).
    """
    if slots is None:
        return None
    uri = config.resolve(video.uri)
    with step_metrics.timed("plan", "probe_ms"):
        exactly = probe == "packets" or config.frames.uniform is not None  # the last frame is wanted
        facts = look_at(slots, uri, config.limits, exactly)
        end_ms = facts.end_ms(config.frames.hold_last)
        believed = end_ms * _FETCHED_FROM if storage.is_remote(uri) else end_ms + OVERRUN_MS
        if not facts.exact and end_ms and max((s.end_ms for s in sentences), default=0) > believed:
            facts = look_at(slots, uri, config.limits, True)
    if config.frames.hdr == "drop" and is_hdr(facts.source.transfer):
        raise SourceError(Reason.HDR, hdr_detail(facts.source.transfer))
    return facts


def drop_video(video_id: str, sentences: tuple[Sentence, ...], stage: Stage, reason: Reason, detail: str) -> list[Drop]:
    """The rows of a dropped video: one for itself, and one for each of its sentences."""
    own = Drop(video_id, Subject.VIDEO, video_id, stage, reason, detail)
    return [own, *drop_sentences(video_id, sentences, stage, reason, f"in video {video_id}")]


def lost_video(element: VideoText, error: SourceError) -> list[Drop]:
    """The rows of a video with an unusable source, of its sentences, and of the groups that name them."""
    video_id, sentences = element.video.video_id, tuple(sentence for sentence, _ in element.sentences)
    groups = lost_groups(video_id, element.sentences, why=f"its video cannot be used: {error.reason.value}")
    return [*drop_video(video_id, sentences, Stage.PROBE, error.reason, detail_of(error, element.video.uri)), *groups]


@dataclass(frozen=True, slots=True)
class Planning:
    """The long clips of a video before filters, with their split; the drops; and the data that decided them: the sentences within
    the video, their topics, and the result of the merge."""

    clips: list[LongClip]
    drops: list[Drop]
    inside: list[GroupedSentence]
    topics: Topics | None
    merged: MergedVideo


def plan_clips(element: VideoText, facts: Probe | None, config: CorpusConfig) -> Planning:
    """Plan the long clips of a video. A video without long clips is dropped."""
    if config.frames.uniform is not None:
        return _plan_whole(element, facts, config)
    video, duration_ms = element.video, facts.end_ms(config.frames.hold_last) if facts else 0
    inside: list[GroupedSentence] = []
    drops: list[Drop] = []
    for sentence, groups in element.sentences:
        if duration_ms and sentence.end_ms > duration_ms + OVERRUN_MS:
            detail = f"ends at {sentence.end_ms} ms; the video ends at {duration_ms} ms"
            drops += drop_sentences(video.video_id, (sentence,), Stage.PROBE, Reason.SPAN_PAST_END, detail)
        else:
            inside.append((sentence, groups))
    drops += lost_groups(video.video_id, element.sentences, inside, "its clips end after the video")
    topics = None
    if element.embeddings is not None and inside:
        known = {sentence.clip_id: row for row, (sentence, _) in enumerate(element.sentences)}
        said = [sentence for sentence, _ in inside]
        topics = Topics.of(said, element.embeddings[[known[s.clip_id] for s in said]], config.coherence.cut_cost)
    merged = _merge(element, inside, topics, config)
    drops += merged.drops
    if not merged.clips:
        detail = without_clips(len(element.sentences))
        drops.append(Drop(video.video_id, Subject.VIDEO, video.video_id, Stage.MERGE, Reason.NO_LONG_CLIP, detail))
    split = assign.split_of(video.video_id, config.split, config.seed)
    scores = [topics.coherence(clip.sentences) if topics else None for clip in merged.clips]
    clips = [replace(clip, split=split, coherence=score) for clip, score in zip(merged.clips, scores, strict=True)]
    if config.source.text.hears:
        heard = element.heard or HeardSpeech()
        clips = [replace(clip, speech=heard.between(clip.start_ms, clip.end_ms)) for clip in clips]
    return Planning(clips, drops, inside, topics, merged)


def _plan_whole(element: VideoText, facts: Probe | None, config: CorpusConfig) -> Planning:
    """Plan the one long clip of a video that was made one sentence."""
    video, (sentence, groups) = element.video, element.sentences[0]
    end_ms = facts.end_ms(hold_last=False) if facts else 0  # frames are spread over the pictures, not over longer sound
    if not end_ms:
        detail = "nothing tells when its pictures end"
        return Planning(
            [], drop_video(video.video_id, (sentence,), Stage.PROBE, Reason.NO_FRAMES, detail), [], None, _NOTHING
        )
    clip = whole_clip(video, sentence, end_ms, config.frames)
    clip = replace(clip, split=assign.split_of(video.video_id, config.split, config.seed))
    if config.source.text.hears:
        clip = replace(clip, speech=(element.heard or HeardSpeech()).between(0, end_ms))
    return Planning([clip], [], [(clip.sentences[0], groups)], None, MergedVideo([clip], [], 0))


_NOTHING = MergedVideo([], [], 0)


def without_clips(sentences: int) -> str:
    """Why a video with so many sentences is dropped after the merge."""
    return f"none of its {sentences} sentences is part of a long clip"


def _merge(
    element: VideoText, sentences: list[GroupedSentence], topics: Topics | None, config: CorpusConfig
) -> MergedVideo:
    if config.source.groups is not None:
        return group_video(element.video, sentences, config.frames.per_sentence)
    said, frames = [s for s, _ in sentences], config.frames.per_sentence
    return merge_video(element.video, said, config.merge, frames, topics, element.chapters_ms)


def speech_ms(sentences: Iterable[Sentence]) -> int:
    """The time that sentences take, without the pauses between them."""
    return sum(s.end_ms - s.start_ms for s in sentences)


def measure(clips: list[LongClip], facts: Probe | None, decoded: int | None, config: CorpusConfig) -> Tally:
    """The amounts that the clips of one video add to the figures of the plan."""
    tally: Tally = Counter({("planned",): 1 if clips else 0})
    for clip in clips:
        tally[("clips",)] += 1
        tally[("rewritten",)] += clip.is_rewritten
        tally["clips_of", clip.split] += 1
        tally["frames_of", clip.split] += len(clip.frame_times_ms)
        tally["words_out", str(clip.n_words)] += 1
        tally["sentences_out", str(len(clip.sentences))] += 1
        tally[("ms_out",)] += clip.end_ms - clip.start_ms
        tally[("ms_said",)] += speech_ms(clip.sentences)
    cost = estimate(clips, facts, decoded, config.frames)
    tally[("decoded_frames",)] += cost.decoded_frames
    tally[("cpu_ms",)] += cost.cpu_ms
    tally[("bytes",)] += cost.bytes
    return tally
