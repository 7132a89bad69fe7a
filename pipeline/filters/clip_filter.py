"""Filters long clips before decoding: computes the wanted scores, masks personal data, and drops long clips."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from longtake.pipeline.decode import Probe
from longtake.pipeline.filters import footage, speech
from longtake.pipeline.filters.evaluation_sets import EvaluationSets
from longtake.pipeline.filters.language import known_languages, language
from longtake.pipeline.filters.lists import read_list
from longtake.pipeline.filters.personal import find_in_clip, mask_clip
from longtake.pipeline.filters.rules import CLIP_RULES, PROBED, first_fault, pii_fault, unsure
from longtake.schemas.config import CorpusConfig, Filters
from longtake.schemas.errors import ConfigError
from longtake.schemas.extras import check_package
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, drop_clip
from longtake.schemas.scores import PLAN_SCORES

ClipScore = Callable[[LongClip], float]


@dataclass(frozen=True, slots=True)
class FilteredClips:
    """The long clips that stay, with their scores; the ledger rows of the others and their number; masked findings by kind; and
    all long clips in order, scored but not masked, each with its first fault."""

    clips: list[LongClip]
    drops: list[Drop]
    left_out: int
    masked: Counter[str]
    judged: list[tuple[LongClip, tuple[Reason, str] | None]]


class ClipFilter:
    """The filters of a configuration. Reads the lists in it. Raises ConfigError if a list cannot be read."""

    def __init__(self, config: CorpusConfig) -> None:
        self._filters = filters = config.filters
        self._wanted = wanted_scores(filters)
        self._scores: Mapping[str, ClipScore] = {
            "words_per_sentence": speech.words_per_sentence,
            "words_per_second": speech.words_per_second,
            "repetition": speech.repetition,
            "non_speech": speech.non_speech,
            "characters": speech.allowed_characters(filters.characters),
            "seconds": footage.seconds,
        }
        if filters.profanity is not None:
            phrases = read_list(config.resolve(filters.profanity))
            self._scores = {**self._scores, "profanity": speech.listed_words(phrases)}
        self._evaluation = EvaluationSets(config)
        self._drops_overlaps = config.duplicates.evaluation_overlap == "drop"
        self._text = config.source.text

    def apply(self, clips: Sequence[LongClip], facts: Probe | None) -> FilteredClips:
        """Filter the long clips of one video. If none is left, the video has a ledger row too."""
        kept: list[LongClip] = []
        drops: list[Drop] = []
        masked: Counter[str] = Counter()
        judged: list[tuple[LongClip, tuple[Reason, str] | None]] = []
        for clip in clips:
            scored = self._scored(clip, facts)
            fault = unsure(clip.speech, self._text) or self._fault(scored) or self._color_fault(facts)
            judged.append((scored, fault))
            if fault is not None:
                drops += drop_clip(clip, Stage.FILTER, *fault)
                continue
            if self._filters.pii == "mask":
                findings = find_in_clip(clip, self._filters.pii_kinds, self._filters.phone_region)
                masked.update(found.kind for sentence in findings for found in sentence)
                scored = mask_clip(scored, findings)
            kept.append(scored)
        if clips and not kept:
            drops.append(video_row(clips))
        return FilteredClips(kept, drops, len(clips) - len(kept), masked, judged)

    def _scored(self, clip: LongClip, facts: Probe | None) -> LongClip:
        found: dict[str, float] = {}
        spoken = None
        for name in self._wanted:
            if name in self._scores:
                found[name] = self._scores[name](clip)
            elif name == "language":
                spoken, found[name] = language(clip)
            elif name == "pii":
                findings = find_in_clip(clip, self._filters.pii_kinds, self._filters.phone_region)
                found[name] = float(sum(map(len, findings)))
            elif facts is not None and name in PROBED:
                found[name] = _of_source(name, clip, facts)
        scores = tuple((name, float(value)) for name, value in found.items())
        return replace(clip, scores=scores, language=spoken, evaluation_overlap=self._evaluation.overlap(clip))

    def _fault(self, clip: LongClip) -> tuple[Reason, str] | None:
        filters, scores = self._filters, dict(clip.scores)
        if clip.evaluation_overlap is not None and self._drops_overlaps:
            return Reason.EVALUATION_OVERLAP, f"in {clip.evaluation_overlap}"
        if filters.languages and clip.language not in filters.languages:
            asked = ", ".join(filters.languages)
            return Reason.OTHER_LANGUAGE, f"language {clip.language} ({scores['language']:.4g}) is not one of {asked}"
        if not filters.languages:
            scores.pop("language", None)  # min_language counts only together with `languages`
        if filters.pii == "drop" and (found := pii_fault(scores["pii"])):
            return Reason.PERSONAL_DATA, found
        return first_fault(CLIP_RULES, scores, filters)

    def _color_fault(self, facts: Probe | None) -> tuple[Reason, str] | None:
        for name, allowed in (self._filters.color or {}).items():
            if facts is not None and getattr(facts.source, name) not in allowed:
                return Reason.OTHER_COLOR, f"{name} {getattr(facts.source, name)} is not one of {', '.join(allowed)}"
        return None


def wanted_scores(filters: Filters) -> tuple[str, ...]:
    """The scores that a configuration needs, in order."""
    wanted = {rule.score for rule in CLIP_RULES if getattr(filters, rule.setting) is not None}
    if not filters.languages:
        wanted.discard("language")
    if filters.pii != "keep":
        wanted.add("pii")
    if filters.scores:
        wanted.update(PLAN_SCORES)
    if filters.profanity is None:
        wanted.discard("profanity")
    return tuple(name for name in PLAN_SCORES if name in wanted)


def needs(config: CorpusConfig) -> dict[str, str]:
    """The libraries that the filters of a configuration need, and the setting that needs each."""
    wanted, found = wanted_scores(config.filters), {}
    if "language" in wanted:
        found["py3langid"] = "filters.languages" if config.filters.languages else "filters.scores"
    if "pii" in wanted and "phone" in config.filters.pii_kinds:
        found["phonenumbers"] = "filters.pii" if config.filters.pii != "keep" else "filters.scores"
    if config.duplicates.paragraphs != "keep":
        found["datasketch"] = "duplicates.paragraphs"
    if config.duplicates.videos != "keep":
        found["imagehash"] = "duplicates.videos"
    if config.filters.clip_model is not None:
        found["sentence_transformers"] = "filters.clip_model"
    return found


def check_filters(config: CorpusConfig, probe: str) -> None:
    """Raise ConfigError if a filter lacks a library, a list, or a probe of the sources that it needs."""
    for name, setting in needs(config).items():
        check_package(setting, name, "text")
    for rule in CLIP_RULES:
        if probe == "none" and rule.score in PROBED and getattr(config.filters, rule.setting) is not None:
            raise ConfigError(
                f"filters.{rule.setting} needs the source videos to be probed; use --probe header or packets"
            )
    if probe == "none" and config.filters.color:
        raise ConfigError("filters.color needs the source videos to be probed; use --probe header or packets")
    if probe == "none" and config.frames.uniform is not None:
        raise ConfigError("frames.uniform needs the source videos to be probed; use --probe header or packets")
    if probe == "none" and config.duplicates.videos != "keep":
        raise ConfigError("duplicates.videos needs the source videos to be probed; use --probe header or packets")
    if unknown := _unknown_code(config.filters):
        raise ConfigError(unknown)
    ClipFilter(config)


def _unknown_code(filters: Filters) -> str:
    """The message about a code that no text can match; "" if all codes are known."""
    for code in filters.languages:
        if code not in known_languages():
            return f"filters.languages: {code!r} is not a language code of py3langid; use codes such as en, fr and zh"
    if filters.pii != "keep" and "phone" in filters.pii_kinds:
        from phonenumbers import SUPPORTED_REGIONS

        if filters.phone_region not in SUPPORTED_REGIONS:
            return f"filters.phone_region: {filters.phone_region!r} is not a region of phone numbers; use one such as US or GB"
    return ""


def library_versions(config: CorpusConfig) -> dict[str, str]:
    """Versions of the libraries that decide what the filters of a configuration drop."""
    found = {}
    for name in needs(config):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def video_row(clips: Sequence[LongClip]) -> Drop:
    """The ledger row of a video whose long clips were all filtered out."""
    video_id = clips[0].video.video_id
    count = f"all {len(clips)} of its long clips" if len(clips) > 1 else "its only long clip"
    detail = f"{count} filtered out; each has a row of its own"
    return Drop(video_id, Subject.VIDEO, video_id, Stage.FILTER, Reason.ALL_CLIPS_FILTERED, detail)


def _of_source(name: str, clip: LongClip, facts: Probe) -> float:
    if name == "short_side":
        return footage.short_side(facts)
    return footage.aspect(facts) if name == "aspect" else footage.audio(clip, facts)
