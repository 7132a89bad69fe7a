"""Recognised words: into given spans, matched with a transcript, and their scores."""

import difflib
import random

import pytest

from longtake.pipeline.parse.manifest import ClipSpan
from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.recognised.align import match_words, timed_cues
from longtake.pipeline.text.recognised.scores import HeardSpeech, heard_speech
from longtake.pipeline.text.recognised.spans import fill_spans
from longtake.pipeline.text.sentences.split import split_sentences
from longtake.schemas.text_config import Sentences

TEXT = "So the large herbivores are musk oxen and caribou, and some of the major carnivores are polar bears and foxes."


def said(text: str, start_ms: int = 0, step_ms: int = 500, cue_id: str = "h.1") -> Cue:
    """A cue as recognition gives it: each word takes 400 ms of its step."""
    words, at = [], 0
    for number, word in enumerate(text.split(" ")):
        begin = start_ms + number * step_ms
        words.append((at, begin, begin + 400))
        at += len(word) + 1
    return Cue(cue_id, start_ms, words[-1][2], text, tuple(words))


def clip(name: str, start_ms: int, end_ms: int) -> ClipSpan:
    return ClipSpan(name, start_ms, end_ms, None)


# -- spans -------------------------------------------------------------------------------------------------------------


def test_a_word_belongs_where_its_middle_lies() -> None:
    cue = said("one two three four five six")  # middles at 200, 700, 1200, 1700, 2200, 2700
    sentences, outside = fill_spans([cue], [clip("a", 0, 700), clip("b", 700, 1701), clip("silent", 5000, 6000)])
    assert [(s.clip_id, s.start_ms, s.end_ms, s.text) for s in sentences] == [
        ("a", 0, 700, "one"),
        ("b", 700, 1701, "two three four"),
    ]
    assert outside == 2
    assert all(s.timing is None for s in sentences), "the input gave the spans"


def test_of_spans_that_overlap_the_later_one_takes_the_word() -> None:
    sentences, outside = fill_spans(
        [said("one two three four")], [clip("whole", 0, 2000), clip("part", 600, 1300), clip("twin", 0, 2000)]
    )
    assert {s.clip_id: s.text for s in sentences} == {"part": "two three", "whole": "one four"}
    assert outside == 0


def test_scripts_without_spaces_stay_without() -> None:
    cue = Cue("h.1", 0, 4000, "今日は天気がいいです。", ((0, 0, 1000), (3, 1000, 2500), (6, 2500, 4000)))
    sentences, _ = fill_spans([cue], [clip("a", 0, 4000)])
    assert [s.text for s in sentences] == ["今日は天気がいいです。"]


# -- alignment ---------------------------------------------------------------------------------------------------------


def written(*texts: str, start_ms: int = 0, each_ms: int = 3000) -> list[Cue]:
    """Cues without times of words."""
    return [Cue(f"v.{i}", start_ms + i * each_ms, start_ms + (i + 1) * each_ms, t) for i, t in enumerate(texts)]


def test_words_get_the_times_at_which_they_were_heard() -> None:
    heard = said(TEXT, start_ms=7000)
    half = TEXT.index("and some")
    cues = written(TEXT[:half].strip(), TEXT[half:], start_ms=3000)  # four seconds early
    matching = match_words(cues, [heard])
    assert matching.agreement == 1
    timed = timed_cues(matching)
    times = [word[1:] for cue in timed for word in cue.words]
    assert times == [(start, end) for _, start, end in heard.words]
    assert [cue.guessed for cue in timed] == [(), ()]
    assert timed[0].start_ms == 7000 and timed[1].start_ms == heard.words[9][1]
    assert {s.timing for s in split_sentences(timed, Sentences())} == {"words"}


def test_times_between_matches_are_interpolated_and_marked() -> None:
    heard = said("so the large herbivores are max often Barbou and some of the major carnivores")
    cues = written("So the large herbivores are. Musk oxen, caribou, and some of the major carnivores.", each_ms=8000)
    matching = match_words(cues, [heard])
    assert matching.agreement == pytest.approx(11 / 14)
    (cue,) = timed_cues(matching)
    starts = {cue.text[at:].split(" ")[0]: start for at, start, _ in cue.words}
    assert [cue.text[at:].split(" ")[0] for at in cue.guessed] == ["Musk", "oxen,", "caribou,"]
    assert starts["are."] == 2000 < starts["Musk"] < starts["oxen,"] < starts["caribou,"] < starts["and"] == 4000
    assert [s.timing for s in split_sentences([cue], Sentences())] == ["words", "interpolated"]


def test_what_is_before_the_first_match_keeps_its_distance() -> None:
    cues = written("Unheard words here. " + TEXT, each_ms=10_000)
    matching = match_words(cues, [said(TEXT, start_ms=20_000)])
    (cue,) = timed_cues(matching)
    assert len(cue.guessed) == 3
    assert 17_000 < cue.start_ms < 20_000
    assert [w[1] for w in cue.words] == sorted(w[1] for w in cue.words)


def test_a_transcript_of_other_speech_does_not_agree() -> None:
    other = "Now the thing about the piano is that some of the keys are white and the others are black, as on an organ."
    matching = match_words(written(other), [said(TEXT)])
    assert matching.agreement < 0.2
    assert timed_cues(match_words(written("Nothing alike"), [said(TEXT)])) == written("Nothing alike")


@pytest.mark.parametrize("seed", range(20))
def test_matches_are_common_words_in_order(seed: int) -> None:
    """difflib is the oracle for what may be matched: no more than its blocks can hold in any case, and equal words only."""
    chance = random.Random(seed)
    words = [chance.choice(["the", "of", "bear", "ice", "sea", "fox", "hare", "walrus"]) for _ in range(60)]
    heard = [w if chance.random() < 0.8 else "noise" for w in words if chance.random() < 0.95]
    matching = match_words(written(" ".join(words)), [said(" ".join(heard))])
    assert all(words[a] == heard[b] for a, b in matching.pairs)
    assert list(matching.pairs) == sorted(matching.pairs) and len({b for _, b in matching.pairs}) == len(matching.pairs)
    blocks = difflib.SequenceMatcher(None, words, heard, autojunk=False).get_matching_blocks()
    assert len(matching.pairs) >= 0.6 * sum(b.size for b in blocks if b.size >= 3)
    starts = [w[1] for cue in timed_cues(matching) for w in cue.words]
    assert starts == sorted(starts)


# -- scores ------------------------------------------------------------------------------------------------------------


def test_scores_of_a_span_are_means_by_time() -> None:
    segment = {"no_speech_prob": 0.1, "compression_ratio": 2.0}
    speech = heard_speech(
        {
            "language": "en",
            "language_probability": 0.9,
            "segments": [
                {"start": 0.0, "end": 2.0, "avg_logprob": -0.2, **segment},
                {"start": 2.0, "end": 6.0, "avg_logprob": -1.0, **segment},
            ],
        }
    )
    scores = speech.between(1000, 4000)  # one second of the first, two of the second
    assert scores.logprob == pytest.approx((-0.2 - 2 * 1.0) / 3)
    assert (scores.no_speech, scores.compression) == pytest.approx((0.1, 2.0))
    assert (scores.language, scores.language_probability, scores.agreement) == ("en", 0.9, None)
    assert speech.between(7000, 8000).logprob is None
    assert HeardSpeech(agreement=0.5).between(0, 1000).agreement == 0.5
