"""Overlap with evaluation sets: long clips from a video of a benchmark, or with the words of one of its texts."""

import re
from collections.abc import Iterator
from functools import lru_cache

from longtake.pipeline.filters.lists import read_list
from longtake.pipeline.filters.words import words
from longtake.schemas.config import CorpusConfig
from longtake.schemas.records import LongClip, SourceVideo

#: Words in a row that count as the same text, as for GPT-3 (Brown et al. 2020, arXiv:2005.14165, appendix C).
N_GRAM = 13
#: A shorter text also counts, as a whole, down to this many words. Anyone could say a text with fewer words.
SHORTEST_TEXT = 6

_FILE_ENDING = re.compile(r"\.(?:mp4|webm|mkv|avi|mov|m4v|3gp|mpg|mpeg|flv|wmv|ogv|ts|npy|json)$", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:v_|video-|yt-|youtube-)(?=[\w-]{11})")  # before YouTube's id in ActivityNet and QuerYD
_SUFFIX = re.compile(r"^([\w-]{11})(?:_\d+(?:[._]\d+)*){1,2}$")  # <YouTube id>_<start>_<end>, as in How2QA
_YOUTUBE = re.compile(r"(?:youtube\.com/(?:watch\?(?:[^#]*&)?v=|embed/|shorts/|v/)|youtu\.be/)([\w-]{11})(?![\w-])")


def ids_of(entry: str) -> Iterator[str]:
    """Yield the ids that an entry of a list may mean: the entry itself; without folders, file ending, prefix and times; the
    YouTube id in a URL."""
    yield entry
    if found := _YOUTUBE.search(entry):
        yield found[1]
        return
    bare = _FILE_ENDING.sub("", entry.rpartition("/")[2])
    yield bare
    without = _PREFIX.sub("", bare)
    yield without
    if found := _SUFFIX.match(without):
        yield found[1]


@lru_cache(maxsize=16)
def _ids_of_video(video: SourceVideo) -> frozenset[str]:
    return frozenset((*ids_of(video.video_id), *(ids_of(video.url) if _YOUTUBE.search(video.url) else ())))


class EvaluationSets:
    """The evaluation sets of a configuration. Reads their lists. Raises ConfigError if a list cannot be read."""

    def __init__(self, config: CorpusConfig) -> None:
        self._ids: dict[str, set[str]] = {}
        self._grams: dict[int, dict[tuple[str, ...], set[str]]] = {}
        for listed in config.duplicates.evaluation:
            entries = read_list(config.resolve(listed.path), listed.field)
            for entry in entries:
                if listed.holds == "ids":
                    for found in ids_of(entry):
                        self._ids.setdefault(found, set()).add(listed.name)
                else:
                    for gram in grams_of(entry):
                        self._grams.setdefault(len(gram), {}).setdefault(gram, set()).add(listed.name)

    def overlap(self, clip: LongClip) -> str | None:
        """The names of the sets that the clip overlaps with, in order, and how it overlaps; None if there are none."""
        found: dict[str, str] = {}
        if self._ids:
            for name in {name for i in _ids_of_video(clip.video) for name in self._ids.get(i, ())}:
                found[name] = f"{name} (video)"
        spoken = words(clip.paragraph) if self._grams else []
        for size, grams in self._grams.items():
            for at in range(len(spoken) - size + 1):
                for name in grams.get(tuple(spoken[at : at + size]), ()):
                    found.setdefault(name, f"{name} (text)")
        return ", ".join(found[name] for name in sorted(found)) or None


def grams_of(text: str) -> set[tuple[str, ...]]:
    """The word runs of a text to look for: its runs of N_GRAM words, or all of a shorter text; none if it is too short."""
    spoken = tuple(words(text))
    if len(spoken) < SHORTEST_TEXT:
        return set()
    size = min(N_GRAM, len(spoken))
    return {spoken[at : at + size] for at in range(len(spoken) - size + 1)}
