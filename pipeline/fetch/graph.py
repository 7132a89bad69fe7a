"""The Beam graph of `longtake fetch`: a list of URLs or records in; videos, captions, records, the manifest and a ledger out.

The graph carries records, never media. Every URL ends as a line of the manifest or as a row of the ledger.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsSingleton, TaggedOutput

from longtake.pipeline.fetch import places
from longtake.pipeline.fetch.facts import Facts
from longtake.pipeline.fetch.failure import FetchError
from longtake.pipeline.fetch.fetching import Fetcher, wanted_of
from longtake.pipeline.fetch.hosts import shared_hosts
from longtake.pipeline.fetch.record import FetchRecord, enriched, read_record
from longtake.pipeline.fetch.request import Request, parse_request
from longtake.pipeline.fetch.summary import tally_of_drop, tally_of_facts, tally_of_record, write_summary
from longtake.pipeline.ledger.merge_tallies import MergeTallies, SumTallies
from longtake.pipeline.ledger.tally import Tally
from longtake.pipeline.ledger.write import WriteLedger
from longtake.pipeline.parse.lines import Line, canonical_json
from longtake.pipeline.read.line_source import NumberedBlocks, ReadLines, files_of
from longtake.pipeline.read.made_lines import NamedLine, block_lines
from longtake.pipeline.read.rows import DROPS, Dropped, drop
from longtake.pipeline.recipes.metadata import is_in_blocks, joined_line, lines_of_file
from longtake.pipeline.recipes.recipe import Recipe
from longtake.pipeline.recipes.registry import named_recipe
from longtake.pipeline.run import metrics
from longtake.pipeline.run.batches import Batch, Pack, one_table
from longtake.pipeline.run.concurrent import Concurrent
from longtake.pipeline.run.events import event
from longtake.pipeline.run.model_files import versions_of
from longtake.pipeline.run.parts import ByPart, with_hash, without_hash
from longtake.pipeline.run.progress import PROGRESS
from longtake.pipeline.run.runner import batches_for
from longtake.pipeline.run.slots import shared_slots
from longtake.pipeline.run.worker import begin_work
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop
from longtake.schemas.versions import versions as installed

LEDGER_PREFIX, DRY_RUN_PREFIX = "part-fetch", "part-dry-run"
TALLY = "tally"
PHASE = "fetching"
_CHILD = "longtake.pipeline.fetch.child"
_ROWS = 1024  # of a batch on its way
_LINES = pa.schema([("video_id", pa.string()), ("line", pa.string())])
_LINES_PER_PART = 100_000


def add_fetching(
    root: Any, config: CorpusConfig, workers: int, retry: frozenset[Reason], dry_run: bool = False
) -> None:
    """Add fetching to the pipeline `root`.

    Args:
        root: a pipeline.
        config: has `source.fetch`.
        workers: processes that open files; 0: one for each core.
        retry: videos that failed for these reasons are tried again.
        dry_run: ask for facts only; no file, record or manifest is written.
    """
    fetch, layout = places.settings_of(config), places.fetch_layout(config)
    PROGRESS.expect(PHASE, 0, "video")
    lines, drops_of_list = _listed(root, config)
    parsed = lines | "Parse" >> beam.FlatMap(_parsed, places.template_of(config)).with_outputs(DROPS, main="requests")
    requests = (
        parsed.requests
        | "By id" >> beam.GroupByKey()
        | "Each once" >> beam.FlatMap(_each_once).with_outputs(DROPS, main="requests")
    )
    step = FetchVideo(config, workers, retry, dry_run)
    fetched = (
        requests.requests
        | "Spread" >> beam.Reshuffle()
        | "Fetch"
        >> beam.ParDo(Concurrent(step, workers, threads=fetch.concurrency)).with_outputs(DROPS, TALLY, main="lines")
    )
    drops = (*drops_of_list, parsed[DROPS], requests[DROPS], fetched[DROPS])
    tallies = [fetched[TALLY], *(side | f"Count {n}" >> beam.Map(tally_of_drop) for n, side in enumerate(drops))]
    tally = (
        [side | f"Sum {n}" >> beam.ParDo(SumTallies()) for n, side in enumerate(tallies)]
        | "Tallies" >> beam.Flatten()
        | "Tally" >> beam.CombineGlobally(MergeTallies())
    )
    ledger = drops | "Ledger" >> WriteLedger(layout.ledger, DRY_RUN_PREFIX if dry_run else LEDGER_PREFIX)
    sides = [AsSingleton(tally), AsSingleton(ledger)]
    if not dry_run:
        sides.append(AsSingleton(_written(fetched.lines, config)))
    _ = (
        root
        | "Last" >> beam.Create([None], reshuffle=False)
        | "Summary" >> beam.Map(partial(_finish, config, dry_run), *sides)
    )


def _listed(root: Any, config: CorpusConfig) -> tuple[Any, tuple[Any, ...]]:
    """The lines of the list, and the drops about it: a recipe makes lines of the metadata that it reads."""
    path, recipe = config.resolve(places.settings_of(config).urls), named_recipe(config)
    if recipe is None:
        return root | "List" >> ReadLines(path), ()
    files = files_of(path)
    whole = root | "Metadata files" >> beam.Create([f for f in files if not is_in_blocks(f)], reshuffle=False)
    blocks = root | "Metadata blocks" >> NumberedBlocks([f for f in files if is_in_blocks(f)])
    read = (
        whole | "Read files" >> beam.FlatMap(lines_of_file, recipe),
        blocks | "Read blocks" >> beam.FlatMap(block_lines, recipe),
    )
    made = read | "Metadata" >> beam.Flatten() | "Made" >> beam.Map(_made).with_outputs(DROPS, main="lines")
    lines = made.lines | "By video" >> beam.GroupByKey() | "Of video" >> beam.FlatMap(_of_video, recipe)
    return lines, (made[DROPS],)


def _made(found: NamedLine | Drop) -> NamedLine | Dropped:
    return drop(found) if isinstance(found, Drop) else found


def _of_video(element: tuple[str, Iterable[Line]], recipe: Recipe) -> list[Line]:
    found = list(element[1])
    return found if recipe.joined is None else [joined_line(found, recipe)]


def _parsed(line: Line, template: str) -> Iterator[tuple[str, Request] | Dropped]:
    found = parse_request(line, template)
    if isinstance(found, Drop):
        yield drop(found)
    elif found is not None:
        yield found.video_id, found


def _each_once(element: tuple[str, Iterable[Request]]) -> Iterator[Request | Dropped]:
    """Yield the request of an id; of several, the one whose record sorts first, whatever the order of the lines."""
    first, *others = sorted(element[1], key=lambda one: (one.record, one.url, one.where))
    PROGRESS.expect(PHASE, 1)
    yield first
    for one in others:
        detail = f"{one.where}: video id used twice; kept {first.where}"
        yield drop(Drop(one.video_id, Subject.RECORD, one.where, Stage.FETCH, Reason.DUPLICATE_ID, detail))


class FetchVideo(beam.DoFn):
    """A DoFn from Request to its line of the manifest, a Drop or a note, and a Tally."""

    def __init__(self, config: CorpusConfig, workers: int, retry: frozenset[Reason], dry_run: bool) -> None:
        self._config, self._workers, self._retry, self._dry_run = config, workers, retry, dry_run
        self._versions = installed()

    def setup(self) -> None:
        begin_work(self._versions)
        settings, memory = places.settings_of(self._config), self._config.limits.memory_bytes
        self._wanted, self._layout = wanted_of(self._config), places.fetch_layout(self._config)
        network = shared_slots(settings.concurrency, memory, (_CHILD,))
        hosts = shared_hosts(settings.per_host, settings.per_second)
        self._fetcher = Fetcher(self._config, network, shared_slots(self._workers, memory), hosts, fetch_versions())

    def process(self, request: Request) -> Iterator[Any]:
        try:
            yield from self._process(request)
        finally:
            PROGRESS.advance(PHASE)

    def _process(self, request: Request) -> Iterator[Any]:
        if not request.url:
            yield TaggedOutput(TALLY, Counter({("handed_on",): 1}))
            yield request.video_id, request.record
            return
        record = self._before(request)
        if record is not None:
            metrics.count("fetch", videos_reused=1)
            if not self._dry_run and self._lacks_captions(record):
                record = self._fetcher.add_captions(request, record)
        elif self._dry_run:
            yield self._looked(request)
            return
        else:
            with metrics.timed("fetch", "video_ms"):
                record = self._fetcher.fetch(request)
            self._tell(record)
        yield TaggedOutput(TALLY, tally_of_record(record))
        if record.reason is not None:
            yield drop(_dropped(request, record.reason, record.detail))
            return
        if self._wanted.captions and record.captions is None:
            detail = (
                record.detail
                or f"no captions in {', '.join(self._wanted.languages)} as {', '.join(self._wanted.captions)}"
            )
            note = Drop(request.video_id, Subject.NOTE, request.video_id, Stage.FETCH, Reason.NO_CAPTIONS, detail)
            yield drop(note)
        yield request.video_id, canonical_json(enriched(request.fields, record), strict=False)

    def _before(self, request: Request) -> FetchRecord | None:
        """The record of an earlier run, if it still holds: its files are there and enough, or its failure is not retried."""
        record = read_record(places.record_path(self._layout, request.video_id))
        if record is None or record.url != request.said_url:
            return None
        if record.reason is not None:
            return None if record.reason in self._retry else record
        if not record.covers(self._wanted.short_side, self._wanted.sound):
            return None
        for file in (record.video, record.captions):
            if file is not None and not _is_there(self._config.resolve(file.uri), file.bytes):
                return None
        return record

    def _lacks_captions(self, record: FetchRecord) -> bool:
        """Whether a video is here, and its captions were not asked for as they are wanted now. A link has none."""
        is_link = record.found is not None and record.found.extractor == "link"
        wanted = self._wanted.captions_for
        return record.reason is None and not is_link and bool(wanted) and record.captions_for != wanted

    def _looked(self, request: Request) -> Any:
        try:
            facts: Facts = self._fetcher.look(request)
        except FetchError as error:
            return drop(_dropped(request, error.reason, str(error)))
        return TaggedOutput(TALLY, tally_of_facts(facts))

    def _tell(self, record: FetchRecord) -> None:
        """Count and log what became of a video."""
        size = record.video.bytes if record.video else 0
        PROGRESS.add(fetched_bytes=size)
        metrics.count(
            "fetch", videos=1, attempts=record.attempts, bytes=size, captions=int(record.captions is not None)
        )
        if record.reason is not None:
            event(
                logging.WARNING,
                "fetch_failed",
                video_id=record.video_id,
                reason=record.reason.value,
                detail=record.detail,
            )
        else:
            event(logging.INFO, "fetched", video_id=record.video_id, bytes=size, attempts=record.attempts)


def fetch_versions() -> dict[str, str]:
    """The versions of what decides how a video is fetched."""
    return versions_of(("longtake", "yt-dlp", "httpx", "av"))


def _dropped(request: Request, reason: Reason, detail: str) -> Drop:
    return Drop(request.video_id, Subject.VIDEO, request.video_id, Stage.FETCH, reason, f"{request.where}: {detail}")


def _is_there(path: str, size: int) -> bool:
    try:
        return storage.size_and_tag(path)[0] == size
    except FileNotFoundError:
        return False


# -- the manifest ------------------------------------------------------------------------------------------------------


def _written(lines: Any, config: CorpusConfig) -> Any:
    """Write the lines to `source.videos`: one file, sorted, or with `*` in its name one for each part. Gives the number."""
    path = config.resolve(config.source.videos)
    batches = batches_for(lines.pipeline.options)
    per_part = _LINES_PER_PART if "*" in path.rpartition("/")[2] else 1 << 60
    return (
        lines
        | "Rows" >> beam.ParDo(Pack(_rows, batches, _ROWS))
        | "Parts" >> ByPart(per_part, batches, first=_rows([]))
        | "Write manifest" >> beam.Map(_write_lines, path)
        | "Written" >> beam.CombineGlobally(sum)
    )


def _rows(lines: Any) -> pa.Table:
    columns = list(zip(*lines, strict=True)) or [(), ()]
    table = pa.table([pa.array(column, pa.string()) for column in columns], schema=_LINES)
    return with_hash(table, table["video_id"].to_pylist())


def _write_lines(element: tuple[tuple[int, int], Iterable[Batch]], path: str) -> int:
    (number, _), rows = element
    table = without_hash(one_table(rows, _rows([]).schema)).sort_by("video_id")
    folder, slash, name = path.rpartition("/")
    data = "".join(f"{line}\n" for line in table["line"].to_pylist()).encode("utf-8", "surrogatepass")
    storage.write_bytes(f"{folder}{slash}{name.replace('*', f'{number:05d}', 1)}", data)
    return len(table)


def _finish(config: CorpusConfig, dry_run: bool, _: None, tally: Tally, ledger: Tally, written: int = 0) -> None:
    kept = tally[("fetched",)] + tally[("handed_on",)]
    if not dry_run and written != kept:
        raise AssertionError(f"{written} lines written, {kept} videos fetched")
    write_summary(places.fetch_layout(config), tally, ledger, dry_run)
