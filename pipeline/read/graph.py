"""The reading part of the plan graph: manifest and transcripts in, videos with their sentences out.

There are three ways. Text that comes with each video (in its record or its transcript file) is read video by video. A file with
the captions of all videos is joined by video id. Text and groups in separate files are joined by clip id, then by video id. Rows
cross the joins as tables, by bucket of their ids (by_video.py, by_clip.py): at 100 M rows no worker could hold either side.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam

from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.read import by_clip, by_video, made_lines
from longtake.pipeline.read.buckets import MOST_VIDEO_BUCKETS, ReadContext, buckets_for
from longtake.pipeline.read.by_video import MANIFEST
from longtake.pipeline.read.found import files_by_video, listed_folders
from longtake.pipeline.read.line_source import NumberedBlocks, files_of, sizes_of, text_bytes
from longtake.pipeline.read.rows import DROPS
from longtake.pipeline.read.speech import HearSpeech
from longtake.pipeline.recipes.metadata import is_in_blocks
from longtake.pipeline.recipes.registry import recipe_of
from longtake.pipeline.run.batches import Batches
from longtake.pipeline.run.concurrent import Concurrent
from longtake.pipeline.run.progress import BYTES, PROGRESS
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import UNREADABLE, Subject
from longtake.schemas.records import Drop


@dataclass(frozen=True, slots=True)
class ReadOutput:
    """Collections of VideoText, of Drop, and of tallies: unreadable manifest lines, published groups.

    Several of drops and tallies, not flattened: so each step packs its own before they cross to another.
    """

    texts: Any
    drops: tuple[Any, ...]
    tallies: tuple[Any, ...]
    taken: Any = None  # what `take` gave


@dataclass(frozen=True, slots=True)
class _RoadOutput:
    """What one of the three ways gives. `of_manifest`: the drops about lines of the manifest."""

    texts: Any
    of_manifest: Any
    drops: tuple[Any, ...]
    tallies: tuple[Any, ...] = ()
    taken: Any = None


@dataclass(frozen=True, slots=True)
class _Files:
    """The files that are read line by line or entry by entry; not those with the transcript of one video each."""

    manifest: list[str]
    texts: list[str]
    groups: list[str]


def _files_of(config: CorpusConfig) -> _Files:
    source, text = config.source, config.source.text
    joined = text.format == "hdvila" or (text.is_joined and source.groups is None)
    return _Files(
        files_of(config.resolve(source.videos)) if source.videos else [],
        files_of(config.resolve(text.file)) if joined else [],
        files_of(config.resolve(source.groups)) if source.groups is not None else [],
    )


def read_videos(
    root: Any,
    config: CorpusConfig,
    batches: Batches,
    probed: bool,
    only: frozenset[str] | None = None,
    take: Any = None,
    slots: int = 1,
) -> ReadOutput:
    """Read all sources of the configuration. `probed`: the source videos will be looked at. `slots` recognise speech, and two
    threads for each of them read files with the transcript of one video each; 0: one slot for each core.

    `take` is a step that takes buckets of videos and sentences with joined texts, plans what it can, and hands on the others; its
    outputs are in `taken`, and the others are its main output.

    With `only`, reads just the videos with these ids: no rows come out for others, and their text is not read if each video has
    its own.
    """
    files = _files_of(config)
    rest, manifest = (text_bytes(sizes_of(found)) for found in ([*files.texts, *files.groups], files.manifest))
    slow = probed or config.source.text.format != "hdvila"
    buckets = buckets_for(rest, manifest, slow)
    if config.source.folder is not None:
        buckets = replace(buckets, videos=MOST_VIDEO_BUCKETS)  # nobody has counted its videos
    context = ReadContext(config, buckets, batches)
    lines, of_lines = _lines(root, context, files.manifest, only)
    if config.source.text.hears:
        lines = lines | "Heard" >> beam.util.WaitOn(lines | "Speech" >> HearSpeech(context, slots))
    if config.source.text.format == "hdvila" or files.groups:
        read = _join_by_clip(root, lines, context, files, take, slots)
    elif files.texts:
        read = _join_by_video(root, lines, context, files)
    else:
        read = _read_by_video(lines, context, slots)
    of_manifest = [*of_lines, read.of_manifest]
    unreadable = [side | f"Unreadable {n}" >> beam.FlatMap(_unreadable) for n, side in enumerate(of_manifest)]
    drops = [*of_manifest, *read.drops]
    if only is not None:
        drops = [
            side | f"Only their drops {n}" >> beam.Filter(lambda row: row.video_id in only)
            for n, side in enumerate(drops)
        ]
    return ReadOutput(read.texts, tuple(drops), (*unreadable, *read.tallies), read.taken)


def _lines(
    root: Any, context: ReadContext, manifest: list[str], only: frozenset[str] | None
) -> tuple[Any, tuple[Any, ...]]:
    """The lines about videos by bucket, and the drops of others: from the manifest, the folder, or the metadata of a recipe. With
    them go the files that templates with an open end name."""
    source, recipe = context.config.source, recipe_of(context.config)
    steps = []
    if source.folder is not None:
        folder = root | "Folder" >> beam.Create([source.folder], reshuffle=False)
        steps.append(folder | "List videos" >> _tagged(made_lines.folder_by_video, context, only))
    else:
        whole = [file for file in manifest if recipe is not None and not is_in_blocks(file)]
        blocks = [file for file in manifest if file not in whole]
        if whole:
            PROGRESS.expect("reading", sum(sizes_of(whole).values()), BYTES)
            files = root | "Metadata files" >> beam.Create(whole, reshuffle=False)
            steps.append(files | "Read metadata" >> _tagged(made_lines.metadata_by_video, context, only))
        if blocks:
            read = by_video.lines_by_video if recipe is None else made_lines.rows_by_video
            lines = root | "Manifest" >> NumberedBlocks(blocks)
            steps.append(lines | "Read manifest" >> _tagged(read, context, only))
    found = [step.lines for step in steps]
    if source.lists_files:
        folders = root | "Folders" >> beam.Create(listed_folders(context.config), reshuffle=False)
        found.append(folders | "List files" >> beam.FlatMap(files_by_video, context, only))
    together = found[0] if len(found) == 1 else found | "Lines and files" >> beam.Flatten()
    return together, tuple(step[MANIFEST] for step in steps)


def _tagged(read: Any, context: ReadContext, only: frozenset[str] | None) -> Any:
    return beam.FlatMap(read, context, only).with_outputs(MANIFEST, main="lines")


def _unreadable(row: Drop) -> Iterator[Tally]:
    if row.subject is Subject.RECORD and row.reason in UNREADABLE:
        yield Counter({("unreadable",): 1})


def _reading(step: Callable[..., Iterator[Any]], config: CorpusConfig, slots: int) -> beam.DoFn:
    """The step that takes buckets of videos; several at a time if it waits for files."""
    one_by_one = beam.core.CallableWrapperDoFn(step)
    return Concurrent(one_by_one, slots) if config.source.text.is_transcript else one_by_one


def _read_by_video(lines: Any, context: ReadContext, slots: int) -> _RoadOutput:
    step = _reading(by_video.texts_of_bucket, context.config, slots)
    read = (
        lines
        | "By video" >> beam.GroupByKey()
        | "Read text" >> beam.ParDo(step, context.config).with_outputs(DROPS, MANIFEST, main="videos")
    )
    return _RoadOutput(read.videos, read[MANIFEST], (read[DROPS],))


def _join_by_video(root: Any, lines: Any, context: ReadContext, files: _Files) -> _RoadOutput:
    PROGRESS.expect("reading", sum(sizes_of(files.texts).values()), BYTES)
    entries = (
        root
        | "Caption files" >> beam.Create(files.texts, reshuffle=False)
        | "Read captions" >> beam.FlatMap(by_video.entries_by_video, context).with_outputs(DROPS, main="entries")
    )
    joined = (
        {"lines": lines, "entries": entries.entries}
        | "By video" >> beam.CoGroupByKey()
        | "Attach"
        >> beam.FlatMap(by_video.captions_of_bucket, context.config).with_outputs(DROPS, MANIFEST, main="videos")
    )
    return _RoadOutput(joined.videos, joined[MANIFEST], (joined[DROPS], entries[DROPS]))


def _join_by_clip(root: Any, lines: Any, context: ReadContext, files: _Files, take: Any, slots: int) -> _RoadOutput:
    config, counted = context.config, []
    step = _reading(by_clip.clips_of_bucket, config, slots)
    PROGRESS.expect("joining", 0, "sentence")
    clips = (
        lines
        | "Records by video" >> beam.GroupByKey()
        | "Clips" >> beam.ParDo(step, context).with_outputs(DROPS, MANIFEST, by_clip.LOST, by_clip.NAMED, main="clips")
    )
    sides, drops = {"clips": clips.clips, "lost": clips[by_clip.LOST]}, [clips[DROPS]]
    if files.texts:
        texts = (
            root
            | "Text" >> NumberedBlocks(files.texts)
            | "Read text" >> beam.FlatMap(by_clip.texts_by_clip, context).with_outputs(DROPS, main="texts")
        )
        sides["texts"] = texts.texts
        drops.append(texts[DROPS])
    if files.groups:
        groups = (
            root
            | "Groups" >> NumberedBlocks(files.groups)
            | "Read groups"
            >> beam.FlatMap(by_clip.groups_by_clip, context).with_outputs(DROPS, by_clip.GROUP, main="groups")
        )
        sides["groups"] = groups.groups
        counted.append(
            groups[by_clip.GROUP]
            | "Each once" >> beam.Distinct()
            | "Count groups" >> beam.Map(lambda _: Counter({("groups",): 1}))
        )
        drops.append(groups[DROPS])
    matched = (
        sides
        | "By clip" >> beam.CoGroupByKey()
        | "Match" >> beam.FlatMap(by_clip.sentences_of_bucket, context).with_outputs(DROPS, main="sentences")
    )
    together = {"videos": clips[by_clip.NAMED], "sentences": matched.sentences} | "By video" >> beam.CoGroupByKey()
    taken = None if take is None else together | "Plan by columns" >> take
    others = together if taken is None else taken[None]
    texts = others | "Attach" >> beam.FlatMap(by_clip.videos_of_bucket, config).with_outputs(DROPS, main="videos")
    drops += [matched[DROPS], texts[DROPS]]
    return _RoadOutput(texts.videos, clips[MANIFEST], tuple(drops), tuple(counted), taken)
