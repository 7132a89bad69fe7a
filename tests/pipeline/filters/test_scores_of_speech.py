"""Scores of what is said, on real subtitles and at the edges."""

import pytest
from paragraphs import clip_of, clips_of_file
from sources import DEMO

from longtake.pipeline.filters import speech
from longtake.pipeline.filters.words import words

REAL = [clip for path in sorted(DEMO.glob("subs/*.vtt")) for clip in clips_of_file(path, 4)]
SAID = "Mammals are a group of vertebrates, animals with backbones."


def test_words_are_folded_and_without_punctuation() -> None:
    assert words(" Hello, WORLD! - it's 5.5%, l'été... ") == ["hello", "world", "it's", "5.5", "l'été"]
    assert words("... -- ♪ !") == []
    assert words("我在北京ok。カメラ") == ["我在", "北京", "ok", "カメラ"]
    assert words("हिन्दी भाषा") == ["हिन्दी", "भाषा"], "a vowel sign does not end a word"


def test_counts_and_rates() -> None:
    clip = clip_of("one two three", "four", ms=2000, gap=1000)
    assert speech.words_per_sentence(clip) == 2
    assert speech.words_per_second(clip) == 1
    assert speech.non_speech(clip) == pytest.approx(1000 / 5000)


def test_nothing_is_repeated_in_real_speech() -> None:
    assert len(REAL) >= 8
    assert max(map(speech.repetition, REAL)) < 0.05


def test_a_loop_of_recognition_is_repeated() -> None:
    assert speech.repetition(clip_of(SAID)) == 0
    assert speech.repetition(clip_of(SAID, SAID)) == 0.5
    assert speech.repetition(clip_of(SAID, "Well, now.", SAID.upper())) == pytest.approx(0.46, abs=0.01)
    assert speech.repetition(clip_of(*["Thank you for watching."] * 8)) == 7 / 8
    assert speech.repetition(clip_of("la " * 4)) == 0, "shorter than a 5-gram"
    assert speech.repetition(clip_of("...")) == 0


def test_no_character_is_counted_twice() -> None:
    assert speech.repetition(clip_of("na " * 100)) == 99 / 100


def test_the_speed_of_real_speech_is_that_of_people() -> None:
    assert all(0.5 < speech.words_per_second(clip) < 6 for clip in REAL)


def test_characters_of_any_script_are_allowed_and_symbols_are_not() -> None:
    score = speech.allowed_characters(None)
    assert score(clip_of("Ça coûte 5 €, non? — «oui»", "北京。", "مرحبا", "हिन्दी")) == 1
    assert score(clip_of("♪♪ aa")) == 0.5
    assert score(clip_of("\ufffd\ufffd\ufffda")) == 0.25
    assert all(score(clip) == 1 for clip in REAL)


def test_characters_can_be_listed() -> None:
    score = speech.allowed_characters(r"a-zA-Z.,'\-")
    assert score(clip_of("It's well-known, yes.")) == 1
    assert score(clip_of("abcé")) == 0.75


def test_listed_words_and_phrases() -> None:
    score = speech.listed_words(["Damn", "son of a gun", "son"])
    assert score(clip_of("damn, that", "was DAMN good")) == 2 / 5
    assert score(clip_of("You son of a gun")) == 4 / 5, "the longest phrase counts"
    assert score(clip_of("Damnation and sons")) == 0, "whole words only"
    assert score(clip_of("...")) == 0
