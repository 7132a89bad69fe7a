"""Compute a map of a corpus: places on a plane and topics, from vectors of its samples."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longtake.pipeline.browse.map_points import DIMENSIONS, components, group, place
from longtake.pipeline.browse.map_table import map_path, write_map
from longtake.pipeline.browse.map_words import WordTable, read_words, text_vectors, words_of_groups
from longtake.pipeline.browse.store import Ids, Store
from longtake.pipeline.browse.vectors import Space
from longtake.schemas.errors import ConfigError
from longtake.schemas.extras import check_package
from longtake.schemas.layout import Layout
from longtake.schemas.versions import versions

WORDS = "words"
METHODS = ("auto", "umap", "pca")
_AT_ONCE = 5000  # texts


@dataclass(frozen=True, slots=True)
class MapOptions:
    """The options of a map. `by` names the vectors ("frames", "text", "sentences" or "words"), "" takes the first that there
    are."""

    by: str = ""
    method: str = "auto"
    topics: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True)
class MapMade:
    """A map that was written: its file, its method, its number of samples, the topics with their sizes and words."""

    path: str
    by: str
    method: str
    samples: int
    topics: tuple[tuple[int, tuple[str, ...]], ...]


def make_map(
    store: Store, layout: Layout, spaces: Sequence[Space], options: MapOptions, tell: Callable[[str], None]
) -> MapMade:
    """Compute a map and write it into audit/maps/.

    Args:
        store: the cache of the corpus.
        layout: the corpus.
        spaces: the vectors that there are.
        options: what to make.
        tell: gets the name of each step when it starts.

    Raises ConfigError for vectors or a package that are not there, and OSError.
    """
    method = _method(options.method)
    by = _by(spaces, options.by)
    tell("reading words")
    words = read_words(_texts(store))
    ids, vectors = _vectors(words, spaces, by)
    tell("finding principal components")
    inner, explained = components(vectors, DIMENSIONS)
    tell(f"placing {len(ids):,} samples by {method.upper()}")
    places = place(inner, explained, method, options.seed)
    tell("finding topics")
    own = group(inner, options.topics, options.seed)
    number = int(own.max()) + 1 if len(own) else 0
    groups = np.full(store.rows, -1, np.int16)
    groups[ids] = own
    tell("finding words of topics")
    named = words_of_groups(words, groups, number)
    sizes = np.bincount(own, minlength=number).tolist()
    made = {
        "by": by,
        "method": places.method,
        "seed": options.seed,
        "samples": len(ids),
        "dimensions": vectors.shape[1],
        "corpus": store.cache.corpus,
        "longtake": versions()["longtake"],
        "topics": [{"size": size, "words": list(some)} for size, some in zip(sizes, named, strict=True)],
    }
    path = map_path(layout, by)
    columns = {"key": store.keys_of(ids), "x": places.points[:, 0], "y": places.points[:, 1], "topic": own}
    write_map(path, columns, made)
    return MapMade(
        path, by, method, len(ids), tuple((size, tuple(some)) for size, some in zip(sizes, named, strict=True))
    )


def _by(spaces: Sequence[Space], asked: str) -> str:
    there = (*(space.name for space in spaces), WORDS)
    if asked and asked not in there:
        raise ConfigError(
            f"--by {asked}: there are no such vectors of this corpus; there are {', '.join(there)}. Make them with longtake "
            "embed and name the table with --embeddings, or keep those of sentences with longtake plan --save-embeddings."
        )
    return asked or there[0]


def _vectors(words: WordTable, spaces: Sequence[Space], by: str) -> tuple[Ids, npt.NDArray[np.float16]]:
    """The rows that have vectors, and the vectors."""
    for space in spaces:
        if space.name == by:
            return space.ids, space.vectors
    return np.arange(len(words), dtype=np.int32), text_vectors(words)


def _method(asked: str) -> str:
    if asked == "auto":
        return "umap" if importlib.util.find_spec("umap") is not None else "pca"
    if asked == "umap":
        check_package("longtake map --method umap", "umap", "map")
    return asked


def _texts(store: Store) -> Iterator[str]:
    """The paragraphs of all rows, in order."""
    for start in range(0, store.rows, _AT_ONCE):
        query = "SELECT row_id, paragraph FROM samples WHERE row_id >= ? AND row_id < ? ORDER BY row_id"
        for row in store.dicts(query, [start, start + _AT_ONCE]):
            yield row["paragraph"] or ""
