"""The rules of the filters: each score with its threshold, a setting of `filters:`, and its ledger reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from longtake.schemas.config import Filters
from longtake.schemas.reasons import Reason
from longtake.schemas.records import SpeechScores
from longtake.schemas.text_config import Recognition


@dataclass(frozen=True, slots=True)
class Rule:
    """A score and its threshold. `setting` starts with min_ or max_; a value equal to the threshold passes."""

    score: str
    setting: str
    reason: Reason

    def fault(self, value: float | None, filters: Filters) -> str | None:
        """The fault of a value; None if it passes, was not computed, or has no threshold."""
        limit: float | None = getattr(filters, self.setting)
        if value is None or limit is None:
            return None
        if self.setting.startswith("min_"):
            return f"{self.score} {value:.4g} is below {self.setting} {limit:g}" if value < limit else None
        return f"{self.score} {value:.4g} is above {self.setting} {limit:g}" if value > limit else None


CLIP_RULES = (
    Rule("words_per_sentence", "min_words_per_sentence", Reason.FEW_WORDS),
    Rule("words_per_second", "max_words_per_second", Reason.FAST_SPEECH),
    Rule("repetition", "max_repetition", Reason.REPETITION),
    Rule("non_speech", "max_non_speech", Reason.LITTLE_SPEECH),
    Rule("language", "min_language", Reason.OTHER_LANGUAGE),  # applies only if `languages` is set
    Rule("characters", "min_characters", Reason.STRANGE_CHARACTERS),
    Rule("profanity", "max_profanity", Reason.PROFANITY),
    Rule("short_side", "min_short_side", Reason.LOW_RESOLUTION),
    Rule("aspect", "max_aspect", Reason.ELONGATED),
    Rule("seconds", "min_seconds", Reason.SHORT_CLIP),
    Rule("audio", "min_audio", Reason.NO_AUDIO),
)
FRAME_RULES = (
    Rule("black", "max_black", Reason.BLACK_FRAMES),
    Rule("slides", "max_slides", Reason.SLIDES),
    Rule("frozen", "max_frozen", Reason.FROZEN_FRAMES),
    Rule("relevance", "min_relevance", Reason.IRRELEVANT),
)
#: Scores that need a probe of the source.
PROBED = frozenset({"short_side", "aspect", "audio"})


#: Fields of SpeechScores and their thresholds, settings of `source.text`.
_SPEECH = (
    ("logprob", "min_logprob"),
    ("no_speech", "max_no_speech"),
    ("compression", "max_compression"),
    ("language_probability", "min_language"),
)


def unsure(scores: SpeechScores | None, text: Recognition) -> tuple[Reason, str] | None:
    """The reason and detail of the first threshold that the recognition of a long clip breaks; None if it breaks none."""
    for name, setting in _SPEECH:
        value: float | None = getattr(scores, name, None)
        limit: float | None = getattr(text, setting)
        if value is None or limit is None:
            continue
        if value < limit if setting.startswith("min_") else value > limit:
            side = "below" if setting.startswith("min_") else "above"
            return Reason.ASR_LOW_CONFIDENCE, f"{name} {value:.4g} is {side} {setting} {limit:g}"
    return None


def pii_fault(value: float) -> str | None:
    """The fault of a number of findings if none is allowed (`pii: drop`)."""
    return f"pii {value:g} is above 0" if value else None


def first_fault(rules: Sequence[Rule], scores: Mapping[str, float], filters: Filters) -> tuple[Reason, str] | None:
    """The reason and detail of the first rule that the scores break; None if they break none."""
    for rule in rules:
        fault = rule.fault(scores.get(rule.score), filters)
        if fault is not None:
            return rule.reason, fault
    return None
