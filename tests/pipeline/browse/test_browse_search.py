"""What is typed into the search box: words, phrases and prefixes, and never a syntax that fails."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from longtake.pipeline.browse.reading import excerpt
from longtake.pipeline.browse.search_words import fts_query, spaced
from longtake.pipeline.browse.server import Server


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    found = sqlite3.connect(tmp_path_factory.mktemp("fts") / "words.sqlite", check_same_thread=False)
    found.execute("CREATE VIRTUAL TABLE t USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')")
    texts = (
        "The polar bear eats",
        "L'été à Chambéry",
        "bear in polar ice",
        "熊在冰上吃鱼",
        "AND OR NOT NEAR",
        "don't stop",
    )
    found.executemany("INSERT INTO t(rowid, text) VALUES (?, ?)", [(n, spaced(t)) for n, t in enumerate(texts)])
    return found


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("polar", {0, 2}),
        ("POLAR bear", {0, 2}),
        ('"polar bear"', {0}),
        ('"polar bear', {0}),
        ("chamb*", {1}),
        ("chamb", set()),
        ("ete", {1}),
        ("été chambery", {1}),
        ("冰上", {3}),
        ("上冰", set()),
        ("AND", {4}),
        ("NOT OR", {4}),
        ("NEAR(AND OR)", set()),  # words beside each other, as in a phrase
        ("don't", {5}),
        ("text:polar", set()),  # a word of two parts, not a column
        ('bear"ice', set()),
        ("bear -ice", {2}),
    ],
)
def test_what_is_found(words: sqlite3.Connection, typed: str, rows: set[int]) -> None:
    found = words.execute("SELECT rowid FROM t WHERE t MATCH ?", [fts_query(typed)]).fetchall()
    assert {row for (row,) in found} == rows


@pytest.mark.parametrize("typed", ["", " ", '"', '""', "***", "!? -- ()", "*", "\0", '" "'])
def test_what_holds_no_word_asks_nothing(typed: str) -> None:
    assert fts_query(typed) == ""


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_nothing_that_is_typed_is_an_error(words: sqlite3.Connection, typed: str) -> None:
    query = fts_query(typed)
    if query:
        words.execute("SELECT rowid FROM t WHERE t MATCH ?", [query]).fetchall()


def test_texts_keys_and_metadata_are_searched(server: Server, built: Path) -> None:
    store = server.site.store

    def found(typed: str) -> int:
        mask = store.rows_with(typed)
        return -1 if mask is None else int(mask.sum())

    assert found("banquise") == store.rows
    assert found("alert") == 4  # of <script>alert(1)</script>
    assert found("alpha-000001000-000021502") == 1
    assert found("nowhere") == 0
    assert found("?!") == -1


def test_an_excerpt_is_found_without_accents_and_ends_at_words() -> None:
    text = "mot " * 120 + "La forêt près de Łódź brûle. " + "suite " * 120
    for wanted in ("foret", "forêt", "FORÊT", "brule"):
        found = excerpt(text, wanted)
        assert "forêt près de Łódź" in found
        assert found.startswith("… ") and found.endswith(" …")
        assert set(found.split()) <= {"…", *text.split()}  # no part of a word
        assert found.index("brûle" if wanted == "brule" else "forêt") < 40  # in what a card on a phone shows
    for before in range(0, 400, 7):
        found = excerpt("un mot et puis " * (before // 15) + "x" * (before % 15) + " forêt. " + "suite " * 120, "foret")
        assert found.index("forêt") < 60
    assert excerpt("kurz", "nichts") == "kurz"
    assert excerpt("x" * 900, "y") == "x" * 320 + " …"  # one long word is cut
