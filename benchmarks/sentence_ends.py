"""Where sentences end, by language: Longtake's rules, pysbd and ICU on tests/pipeline/text/sentences/sentence_ends.txt.

    pip install pysbd
    python benchmarks/sentence_ends.py

A text is right where every end in it is found and no other. pysbd is asked in the language of the text where it knows it, else
in English. ICU's rules are those of its locale, with its list of exceptions ("ss=standard").
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from longtake.pipeline.text.sentences.punctuation import sentence_ends

CASES = Path(__file__).parents[1] / "tests" / "pipeline" / "text" / "sentences" / "sentence_ends.txt"
END = "\u2016"
UNSPACED = ("zh", "ja")


def cases() -> Iterator[tuple[str, list[str]]]:
    """Language and sentences of each text."""
    for line in CASES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            language, _, text = line.partition(": ")
            yield language, text.split(END)


def ours(text: str, language: str) -> list[str]:
    edges = [0, *sentence_ends(text, (), language), len(text)]
    return _parts(text[start:end] for start, end in pairwise(edges))


def pysbd(text: str, language: str) -> list[str]:
    from pysbd import Segmenter
    from pysbd.languages import LANGUAGE_CODES

    return _parts(Segmenter(language if language in LANGUAGE_CODES else "en", clean=False).segment(text))


def icu(text: str, language: str) -> list[str]:
    from icu4py.breakers import SentenceBreaker

    return _parts(SentenceBreaker(text, f"{language}@ss=standard"))


def _parts(pieces: Iterator[str] | list[str]) -> list[str]:
    return [piece.strip() for piece in pieces if piece.strip()]


def scores() -> dict[str, Counter[str]]:
    """By language: how many texts there are, and how many each splitter has right."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    splitters: dict[str, Callable[[str, str], list[str]]] = {"Longtake": ours, "pysbd": pysbd, "ICU": icu}
    for language, sentences in cases():
        text = ("" if language in UNSPACED else " ").join(sentences)
        found[language]["texts"] += 1
        for name, split in splitters.items():
            try:
                found[language][name] += split(text, language) == sentences
            except ImportError:
                continue
    return found


def main() -> None:
    """Print the table of docs/text.md."""
    found = scores()
    found["all"] = sum(found.values(), Counter())
    names = [name for name in ("Longtake", "pysbd", "ICU") if name in found["all"]]
    print("| language | texts |", " | ".join(names), "|")
    print("|---|---:|" + "---:|" * len(names))
    for language, counts in found.items():
        print(f"| {language} | {counts['texts']} |", " | ".join(str(counts[name]) for name in names), "|")


if __name__ == "__main__":
    main()
