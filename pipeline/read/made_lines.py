"""Lines about videos that no manifest holds: made of a folder of videos, or of the metadata of a recipe, by bucket of the videos.

From here on they go the way of the lines of a manifest.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from longtake.pipeline.find.folder import find_videos
from longtake.pipeline.parse.lines import Line
from longtake.pipeline.read.buckets import ReadContext, Rows
from longtake.pipeline.read.by_video import MANIFEST, OfManifest
from longtake.pipeline.read.line_source import Block, blocks_of, count_lines, files_of, pieces_of, rows_of
from longtake.pipeline.recipes.metadata import is_in_blocks, lines_of_file, lines_of_row
from longtake.pipeline.recipes.recipe import Recipe
from longtake.pipeline.recipes.registry import recipe_of
from longtake.pipeline.run.batches import Batch
from longtake.pipeline.run.progress import PROGRESS
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.records import Drop

NamedLine: TypeAlias = tuple[str, Line]
_LINES = pa.schema([("name", pa.string()), ("file", pa.string()), ("number", pa.int64()), ("data", pa.binary())])
_MOST_LINES, _MOST_BYTES = 1 << 14, 8 << 20  # in one table on its way


def folder_by_video(
    folder: str, context: ReadContext, only: frozenset[str] | None
) -> Iterator[tuple[int, Batch] | OfManifest]:
    """Yield a line for each video in a folder, by bucket of the videos. MANIFEST: what could not be used there."""
    yield from _by_bucket(folder_lines(folder, context.config), context, only)


def metadata_by_video(
    file: str, context: ReadContext, only: frozenset[str] | None
) -> Iterator[tuple[int, Batch] | OfManifest]:
    """Yield the lines that a metadata file of a recipe stands for, by bucket of their videos. MANIFEST: unusable entries."""
    yield from _by_bucket(lines_of_file(file, _recipe(context.config)), context, only)
    PROGRESS.advance("reading", storage.size_and_tag(file)[0])


def rows_by_video(
    numbered: tuple[Block, int], context: ReadContext, only: frozenset[str] | None
) -> Iterator[tuple[int, Batch] | OfManifest]:
    """The same for the rows of a block."""
    yield from _by_bucket(block_lines(numbered, _recipe(context.config)), context, only)


def folder_lines(folder: str, config: CorpusConfig) -> Iterator[NamedLine | Drop]:
    """Yield a line for each video in a folder, as if a manifest named it."""
    for found in find_videos(config.resolve(folder)):
        yield from found.drops
        for video in found.videos:
            yield video.video_id, Line(video.path, 0, video.record(folder))


def is_made(config: CorpusConfig) -> bool:
    """Whether the lines about videos are made of a folder or of the metadata of a recipe, not read as they are."""
    return config.source.folder is not None or recipe_of(config) is not None


def lines_in_order(config: CorpusConfig) -> Iterator[NamedLine | Drop]:
    """Yield the lines that the folder or the metadata of a recipe stand for, in this process."""
    source = config.source
    if source.folder is not None:
        yield from folder_lines(source.folder, config)
        return
    for file in files_of(config.resolve(source.videos)):
        if not is_in_blocks(file):
            yield from lines_of_file(file, _recipe(config))
            continue
        first = 1
        for block in blocks_of(file):
            yield from block_lines((block, first), _recipe(config))
            first += count_lines(block)


def block_lines(numbered: tuple[Block, int], recipe: Recipe) -> Iterator[NamedLine | Drop]:
    """Yield the lines that the rows of a block stand for."""
    block, first = numbered
    for piece in pieces_of(block, recipe.columns):
        for number, data in enumerate(rows_of(piece), first):
            if data:
                yield from lines_of_row(Line(block.file, number, data), recipe)
        first += len(piece)


def _recipe(config: CorpusConfig) -> Recipe:
    recipe = recipe_of(config)
    if recipe is None:
        raise ValueError("the configuration names no recipe")
    return recipe


def _by_bucket(
    found: Iterable[NamedLine | Drop], context: ReadContext, only: frozenset[str] | None
) -> Iterator[tuple[int, Batch] | OfManifest]:
    rows, size = Rows(_LINES), 0
    for one in found:
        if isinstance(one, Drop):
            yield TaggedOutput(MANIFEST, one)
            continue
        name, line = one
        if only is not None and name not in only:
            continue
        rows.add(name, line.file, line.number, line.data)
        size += len(line.data)
        if len(rows) == _MOST_LINES or size > _MOST_BYTES:
            PROGRESS.expect("planning", len(rows))
            yield from context.by_bucket(rows, context.buckets.videos)
            rows, size = Rows(_LINES), 0
    PROGRESS.expect("planning", len(rows))
    yield from context.by_bucket(rows, context.buckets.videos)
