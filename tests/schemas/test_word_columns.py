"""Counting words column by column gives what counting text by text gives."""

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from longtake.schemas.word_columns import count_all_words, count_words_of_each
from longtake.schemas.words import count_words

PIECES = (
    "word", "don't", "--", "...", "_", "a_b", "3.5", "ÜBER", "naïve", "—", "…", "слово", "ไทยภาษา", "日本語", "𝒳", "😀", "½",
    "\u0663", "e\u0301", "\u0301", " ", "  ", "\t", "\n", "\x0b", "\x1c", "\u00a0", "\u3000", "\u2028", "\u1361", "\u0f0b",
    "(x)", "¿qué?", "",
)  # fmt: skip


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_made_up_texts(kind: pa.DataType) -> None:
    chance = random.Random(17)
    texts = ["".join(chance.choices(PIECES, k=chance.randint(0, 12))) for _ in range(3000)]
    assert count_all_words(pa.array(texts, kind)) == sum(map(count_words, texts))
    for text in texts[:300]:
        assert count_all_words(pa.array([text], kind)) == count_words(text), repr(text)
    assert count_all_words(pa.array([], kind)) == 0
    assert count_all_words(pa.array(texts, kind).slice(7, 90)) == sum(map(count_words, texts[7:97]))


def test_every_character_between_letters_and_alone() -> None:
    """Texts with characters beyond U+FFFF are counted one by one in any case."""
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(characters), 4096):
        for shape in ("a{}b", "- {}"):
            texts = [shape.format(character) for character in characters[start : start + 4096]]
            if count_all_words(pa.array(texts)) != sum(map(count_words, texts)):
                raise AssertionError([t for t in texts if count_all_words(pa.array([t])) != count_words(t)])


@given(st.lists(st.text(st.sampled_from("aZ9 .-'\u00e9\u4e2d"), max_size=20), max_size=30))
@settings(derandomize=True, max_examples=200)
def test_words_of_each_text_of_a_column(texts: list[str]) -> None:
    cleaned = [text for text in (" ".join(one.split()) for one in texts) if text]
    found = count_words_of_each(pa.chunked_array([pa.array(cleaned, pa.string())]))
    assert found.tolist() == [count_words(text) for text in cleaned]
