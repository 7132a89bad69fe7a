"""Texts that nobody says: credits of subtitlers, and the courtesies that Whisper hears in silence."""

import re

from longtake.pipeline.clean.cleaned import Cleaned
from longtake.pipeline.transcripts.cue import Cue

# Whole cues only. Credits: a subtitler signs, in any language; no speaker says these.
_CREDIT = re.compile(
    r"(?:"
    r".{0,60}\bamara\.org\b.{0,30}"
    r"|(?:sub(?:title)?s?|(?:closed )?captions?|subtitling|captioning|transcri(?:pt|ption|bed|pts)|sync(?:ed)?|corrected|"
    r"translat(?:ed|ion))\s*(?:&\s*\w+\s*)?(?:(?:made|provided|created|edited|corrected|synced)\s*)?(?:by|:)\s.{1,60}"
    r"|(?:untertitel|sous-titr(?:es|age)|sottotitoli|subt[i\u00ed]tulos|legendas?|napisy|ondertiteling|titulky|"
    r"undertekster)(?:\s|:).{0,30}(?:\b(?:von|im auftrag|by|par|por|pela|da|przez|a cura|creati|revisione|door|tekst|"
    r"realizad\w+|r\u00e9alis\w+|stworzone)\b|:).{1,60}"
    r"|(?:\u0441\u0443\u0431\u0442\u0438\u0442\u0440\u044b|\u0440\u0435\u0434\u0430\u043a\u0442\u043e\u0440 "
    r"\u0441\u0443\u0431\u0442\u0438\u0442\u0440\u043e\u0432)\s.{1,80}"
    r"|(?:\u5b57\u5e55|\u7ffb\u8bd1|\u7ffb\u8b6f)(?:\u7531|by|[:\uff1a]).{1,40}"
    r"|(?:downloaded from|www\.)\s?\S*(?:opensubtitles|addic7ed|subscene|yify|yts)\S*.{0,30}"
    r")",
    re.IGNORECASE,
)
# One of these is in every credit; looking for them is much quicker than the pattern.
_SIGNS = (
    "amara", "subt", "subs", "sub ", "sub:", "sous-", "sottot", "untert", "legenda", "napisy", "ondert", "titulky", "undert",
    "caption", "transcri", "sync", "transl", "correct", "\u0441\u0443\u0431", "\u0440\u0435\u0434", "\u5b57\u5e55", "\u7ffb",
    "download", "www.",
)  # fmt: skip
# Courtesies that end many videos, and so come out of silence.
_COURTESY = re.compile(
    r"(?:so\s|ok(?:ay)?,?\s|and\s)?(?:thanks?(?: you)?(?: (?:so|very) much)? for watching(?: (?:this|the|my) video)?|"
    r"please (?:like|subscribe)(?: .{0,40})?|(?:like and |don't forget to )subscribe(?: .{0,40})?|"
    r"see you (?:in the )?next (?:time|video)|bye[- ]bye|"
    r"vielen dank f\u00fcrs zuschauen|danke f\u00fcrs zuschauen|"
    r"merci d'avoir regard\u00e9(?: .{0,30})?|gracias por ver(?: .{0,20})?|"
    r"\u0441\u043f\u0430\u0441\u0438\u0431\u043e \u0437\u0430 \u043f\u0440\u043e\u0441\u043c\u043e\u0442\u0440|"
    r"\u3054\u8996\u8074\u3042\u308a\u304c\u3068\u3046\u3054\u3056\u3044\u307e\u3057\u305f|\u8c22\u8c22\u89c2\u770b|\u8b1d\u8b1d\u89c0\u770b|"
    r"\uc2dc\uccad\ud574 ?\uc8fc\uc154\uc11c \uac10\uc0ac\ud569\ub2c8\ub2e4)[.!\u3002\uff01\s]*",
    re.IGNORECASE,
)  # fmt: skip
_MAX_CHARACTERS = 120
_SILENT = 0.6  # Whisper's own threshold for no_speech_prob


def remove_boilerplate(cues: list[Cue], from_recognition: bool) -> Cleaned:
    """The cues without credits, and without hallucinated courtesies.

    A courtesy may well be said. It goes only from a file of recognised speech, and there only where the recogniser
    itself doubts that anyone speaks, or the same words come again later: one says goodbye once.
    """
    kept: list[Cue] = []
    gone: list[tuple[Cue, str]] = []
    later: set[str] = set()
    whole = " ".join([cue.text for cue in cues]).lower()
    signs = [sign for sign in _SIGNS if sign in whole]
    for cue in reversed(cues):
        text = cue.text.replace("\n", " ")
        reason = None
        if len(text) <= _MAX_CHARACTERS:
            if signs and _has_sign(text.lower(), signs) and _CREDIT.fullmatch(text):
                reason = "credits of the subtitles"
            elif from_recognition and _COURTESY.fullmatch(text):
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
    return Cleaned(kept[::-1], gone[::-1], len(gone))


def _has_sign(text: str, signs: list[str]) -> bool:
    return any(sign in text for sign in signs)
