"""The quick way to the places of words in a text against the way that finds them one by one."""

import random

from longtake.pipeline.parse.transcripts.cue import plain_lines
from longtake.pipeline.parse.transcripts.whisper import _aligned, _joined

PARTS = [
    "the",
    "Of",
    "don",
    "'t",
    "-",
    "...",
    "\u00e9t\u00e9",
    "New York",
    "I\u0307",
    "\u4e2d",
    " ",
    "",
    "\n",
    "a.b",
    "\u00c9",
    "\u03a3",  # which small letter it has depends on what follows
]


def test_words_that_are_the_text_are_where_they_are_found_one_by_one() -> None:
    chance, quick = random.Random(5), 0
    for _ in range(20_000):
        words = [
            {
                "word": chance.choice([" ", " ", " ", "", "  ", "\u00a0"])
                + chance.choice(PARTS)
                + chance.choice(["", "", " "]),
                "start": chance.choice([1.0, 2.25, 0.0, *([None, 1, -1.0, "1"] if chance.random() < 0.05 else [])]),
                "end": chance.choice([1.5, 3.0]),
            }
            for _ in range(chance.randint(1, 8))
        ]
        text = plain_lines("".join(str(word["word"]) for word in words))
        found = _joined(words, text) if text else None
        if found is not None:
            quick += 1
            assert found == _aligned(words, text), words
    assert 3_000 < quick < 17_000, "some are, some are not"


def test_words_of_another_form_are_left() -> None:
    usual = {"word": " one", "start": 1.0, "end": 2.0}
    assert _joined([usual], "one") == [(0, 1000, 2000)]
    for other in ({"word": "two"}, {"start": None}, {"end": 1e12}, {"word": None}):
        assert _joined([usual | other], "one") is None
    assert _joined([{"text": "one"}], "one") is None
    assert _joined([usual, {"word": "", "text": "two", "start": 1.0, "end": 2.0}], "one") is None
    assert _joined(["one"], "one") is None
