"""Words: one definition, in every script."""

import re
import unicodedata
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings, strategies as st

from longtake.schemas.words import count_words, distinct_words, most_words, spelled_words, word_spans, words_of

ROOT = Path(__file__).parents[2]
#: A stretch of each script's own characters, marks included.
SCRIPTS = {
    "Latin": "abcÄéß", "Greek": "αβγίώ", "Cyrillic": "абвйё", "Arabic": "ابتّـم", "Hebrew": "אבגָ", "Devanagari": "कखिीं",
    "Thai": "กขาิีแ์ๆ", "Lao": "ກຂາິີແ", "Khmer": "កខាិរ", "Myanmar": "ကခာိ်း", "Han": "今天我们去", "Kana": "かなカナーが",
    "Hangul": "한국어가",
}  # fmt: skip
SIGNS = " \n.,!?'\"-—…。、「」()5🙂\ufe0f"


def syllables(script: str) -> st.SearchStrategy[str]:
    """A letter with its marks, as people write them."""
    marks = [c for c in SCRIPTS[script] if unicodedata.category(c)[0] == "M"] or [""]
    letters = [c for c in SCRIPTS[script] if c not in marks]
    return st.builds(str.__add__, st.sampled_from(letters), st.sampled_from(["", *marks]))


TEXTS = st.lists(st.one_of(*map(syllables, SCRIPTS), st.sampled_from(SIGNS)), max_size=60).map("".join)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world - it's 3.50 — right?", ["Hello", "world", "it's", "3.50", "right"]),
        ("O\u00f9 \u00eates-vous all\u00e9s hier ?", ["O\u00f9", "\u00eates-vous", "all\u00e9s", "hier"]),
        ("word—word… next", ["word", "word", "next"]),
        ("วันนี้เราจะทำอาหารไทย 5 เม็ด", ["วัน", "นี้", "เรา", "จะ", "ทำ", "อาหาร", "ไทย", "5", "เม็ด"]),
        ("你好!我叫小明.", ["你好", "我", "叫", "小明"]),
        ("Python语言的5G网络", ["Python", "语言", "的", "5G", "网络"]),
        ("ສະບາຍດີຂ້ອຍຊື່ແກ້ວ", ["ສະບາຍດີ", "ຂ້ອຍ", "ຊື່", "ແກ້ວ"]),
        ("ខ្ញុំចូលចិត្តញ៉ាំបាយ", ["ខ្ញុំ", "ចូលចិត្ត", "ញ៉ាំបាយ"]),
        ("आज हम चाय बनाएंगे।", ["आज", "हम", "चाय", "बनाएंगे"]),
        ("ሰላም፡ለዓለም", ["ሰላም", "ለዓለም"]),
        ("안녕하세요 여러분!", ["안녕하세요", "여러분"]),
        ("-- ... ♪ ?", []),
        ("", []),
    ],
)
def test_words_are_those_of_a_careful_reader(text: str, words: list[str]) -> None:
    assert words_of(text) == words
    assert count_words(text) == len(words)


def test_a_long_row_of_signs_takes_no_square_of_its_length() -> None:
    assert count_words("." * 200_000 + " a" + "\u2026!" * 100_000) == 1


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_no_letter_is_lost_or_doubled_and_no_grapheme_cut(text: str) -> None:
    spans = word_spans(text)
    edges = {0}
    for cluster in regex.findall(r"\X", text):
        edges.add(max(edges) + len(cluster))
    last = 0
    for start, end in spans:
        assert last <= start < end
        assert {start, end} <= edges, (text, start, end)
        last = end
    said = [c for start, end in spans for c in text[start:end] if c.isalnum()]
    assert said == [c for c in text if c.isalnum()]
    assert len(words_of(text)) == count_words(text) == len(spans)
    assert spelled_words(text) == [text[start:end] for start, end in spans]


@settings(max_examples=300, deadline=None)
@given(st.text("aB1_.-' \n\t\x1e"))
def test_words_of_english_stand_between_white_space(text: str) -> None:
    words = [token for token in text.split() if any(map(str.isalnum, token))]
    assert spelled_words(text) == [text[start:end] for start, end in word_spans(text)] == words
    assert count_words(text) == len(words) <= most_words(text)
    assert distinct_words(text) == (words, dict.fromkeys(words))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_sentence_of_any_script_has_several_words(script: str) -> None:
    letters = [c for c in SCRIPTS[script] if unicodedata.category(c)[0] == "L"]
    assert count_words(" ".join(letters)) == len(letters)


def test_sentences_are_remembered_and_long_texts_are_not() -> None:
    count_words("this sentence is asked for twice")
    hits = count_words.cache_info().hits
    assert count_words("this sentence is asked for twice") == 6 and count_words.cache_info().hits == hits + 1
    first, again = distinct_words("a long text"), distinct_words("a long text")
    assert first == again and first[0] is not again[0]


def test_nobody_counts_words_otherwise() -> None:
    """White space divides words in some scripts only: `len(text.split())` is right for English and wrong for Thai."""
    counted = re.compile(r"len\([\w.]*\.split\(\)\)|(?:texts?|sentences?|paragraph|transcript)\.split\(\)")
    # Lines that are wrapped or whose white space is made single, or screens of text compared: no word is counted there.
    allowed = re.compile(r"\" \"\.join\(|for word in text\.split\(\):|words, new = before\.split")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for package in ("schemas", "library", "pipeline", "model", "jobs")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path != ROOT / "schemas" / "words.py"  # which says what a word is
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if counted.search(line) and not allowed.search(line)
    ]
    assert not found, found
