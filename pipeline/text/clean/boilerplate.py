"""Texts that nobody says: credits of subtitlers, and the courtesies that Whisper hears in silence."""

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.clean.cleaned import CleanedCues
from longtake.pipeline.text.clean.credits import COURTESY_SIGNS, SIGNS, is_courtesy, is_credit

_MAX_CHARACTERS = 120
_SILENT = 0.6  # Whisper's own threshold for no_speech_prob
_FIRST_WORDS = tuple((sign, sign.partition(" ")[0]) for sign in SIGNS)


def remove_boilerplate(cues: list[Cue], from_recognition: bool) -> CleanedCues:
    """Drop cues with credits or hallucinated courtesies.

    People do say courtesies. So they are dropped only from a file of recognised speech, and only if the recogniser itself doubts
    that anyone speaks, or if the same words come again later: people say goodbye once.
    """
    words = " ".join(set(" ".join([cue.text for cue in cues]).lower().split()))  # each once: much shorter than the text
    signs = [sign for sign, first in _FIRST_WORDS if first in words]
    courteous = from_recognition and (not words.isascii() or any(map(words.__contains__, COURTESY_SIGNS)))
    if not (signs or courteous):
        return CleanedCues(cues, [], 0)
    kept: list[Cue] = []
    gone: list[tuple[Cue, str]] = []
    later: set[str] = set()
    for cue in reversed(cues):
        text = cue.text.replace("\n", " ")
        reason = None
        if len(text) <= _MAX_CHARACTERS:
            if signs and _has_sign(text.lower(), signs) and is_credit(text):
                reason = "credits of the subtitles"
            elif courteous and is_courtesy(text):
                said = text.lower().strip(" .!")
                if cue.no_speech >= _SILENT:
                    reason = f"a courtesy where nobody speaks (no_speech_prob {cue.no_speech:.2f})"
                elif said in later:
                    reason = "a courtesy that comes again later"
                later.add(said)
        if reason is None:
            kept.append(cue)
        else:
            gone.append((cue, reason))
    return CleanedCues(kept[::-1], gone[::-1], len(gone))


def _has_sign(text: str, signs: list[str]) -> bool:
    return any(sign in text for sign in signs)
