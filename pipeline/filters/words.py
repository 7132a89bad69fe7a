"""Words as scores and the search for duplicates compare them: folded to one case."""

from longtake.schemas.words import words_of


def words(text: str) -> list[str]:
    """The words of `text` (schemas/words.py), folded to one case."""
    return words_of(text.casefold())
