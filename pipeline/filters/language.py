"""The language of a long clip, by py3langid. Its model (139 languages, 4.5 MB) comes with the package."""

from functools import cache
from typing import Any

from longtake.schemas.records import LongClip


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def known_languages() -> frozenset[str]:
    """The codes that the detector can give."""
    return frozenset(map(str, _identifier().nb_classes))


def language(clip: LongClip) -> tuple[str, float]:
    """The most likely language (ISO 639; `zxx`: no language) and its probability, from the whole paragraph."""
    code, confidence = _identifier().classify(clip.paragraph)
    return str(code), round(float(confidence), 6)
