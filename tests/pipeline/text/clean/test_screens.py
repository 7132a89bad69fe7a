"""The screens by which a rule sees that it can change no cue of a file, against the rules without them: the same cues, always."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.clean import boilerplate, cleaned, credits, rolling
from longtake.pipeline.text.clean.clean import CleanCues, clean
from longtake.schemas.text_config import Clean

# Parts of texts that a rule looks for, what looks like them, and what is said.
PARTS = (
    "so we go", "we go on", "and", "a b c", "[Music]", "[x", "(laughs)", "*sighs*", "\u266a la", "\u3010a\u3011", ">> so", "-no",
    "- no", "\u2013 no", "\u00bb so", "ANN:", "Ann: so", "Ben: so", "\uff1a", "[Ann]", "thanks for watching", "Bye.", "TAK!",
    "Gracias", "Subtitles by Ann Lee", "amara.org", "\u00a9 2019 Ann", "\u0130", "\u017fubs", "caf\u00e9", "\u4e2d\u6587",
    "a\u00a0b c",
)  # fmt: skip
BLANKS = (" ", " ", "\n", "  ", "\x1e", "")
TEXT = st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(BLANKS)), min_size=1, max_size=4).map(
    lambda parts: "".join(word + blank for word, blank in parts).strip()
)
SAID = st.lists(TEXT | st.sampled_from(("so we go", "we go on and on", "a b c d", "a b c")), max_size=8)


def cleaned_without_screens(cues: list[Cue], recognised: bool) -> CleanCues:
    with (
        patch.object(cleaned.Signs, "may_be_in", lambda *_: True),
        patch.object(rolling, "_grown", lambda texts: [True] * len(texts)),
        patch.object(rolling, "_repeated", lambda texts: [True] * len(texts)),
        patch.object(boilerplate, "_FIRST_WORDS", [(sign, "") for sign in credits.SIGNS]),
        patch.object(boilerplate, "COURTESY_SIGNS", ("",)),
    ):
        return clean(cues, "v", Clean(), recognised)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(SAID, st.sampled_from((0, 0, 300)), st.booleans())
def test_a_screen_says_no_only_where_the_rule_changes_nothing(said: list[str], gap_ms: int, recognised: bool) -> None:
    cues = [Cue(f"v.{n}", 2000 * n, 4000 + 2000 * n - gap_ms, text, no_speech=n % 2) for n, text in enumerate(said)]
    found = clean(cues, "v", Clean(), recognised)
    assert found == cleaned_without_screens(cues, recognised)


@pytest.mark.parametrize("screen", ["Signs", "_grown", "_repeated", "_FIRST_WORDS", "COURTESY_SIGNS"])
def test_each_screen_stands_before_its_rule(screen: str) -> None:
    said = ["[Music] so we go", "so we go on and on", "and we go on and on", "Subtitles by Ann Lee", "Bye."]
    rolls = ["a", "a b", "x", "x y", "p", "p q", "m", "m n"]
    repeats = ["x y z a b c", "a b c d e f", "d e f g h i", "g h i j k l"]
    texts = {"_grown": rolls, "_repeated": repeats}.get(screen, said)
    cues = [Cue(f"v.{n}", 2000 * n, 2000 + 2000 * n, text, no_speech=0.9) for n, text in enumerate(texts, 1)]
    changed = clean(cues, "v", Clean(), True)
    closed = {
        "Signs": patch.object(cleaned.Signs, "may_be_in", lambda *_: False),
        "_grown": patch.object(rolling, "_grown", lambda texts: [False] * len(texts)),
        "_repeated": patch.object(rolling, "_repeated", lambda texts: [False] * len(texts)),
        "_FIRST_WORDS": patch.object(boilerplate, "_FIRST_WORDS", []),
        "COURTESY_SIGNS": patch.object(boilerplate, "COURTESY_SIGNS", ()),
    }
    with closed[screen]:
        assert clean(cues, "v", Clean(), True) != changed


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.from_regex(credits._COURTESY, fullmatch=True))
def test_each_courtesy_in_ascii_has_a_sign(text: str) -> None:
    assert not text.isascii() or any(sign in text.lower() for sign in credits.COURTESY_SIGNS)
