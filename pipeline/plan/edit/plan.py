"""Takes over a plan that a person edited with SQL: `longtake build --plan DIR`.

A wrong edit does not change the plan: the new plan is made and checked in a folder of staging first. Then it replaces the old
one, with a journal. If the replacement is interrupted, the next attempt finishes it.
"""

import json
import logging
import os
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from longtake.pipeline.ledger.counts import TAKEDOWN_PREFIX
from longtake.pipeline.parse.lines import base_name
from longtake.pipeline.plan import graph as plan_graph
from longtake.pipeline.plan.edit.graph import LEDGER_PREFIX, PROBLEMS_FILE, Origin, add_edited_plan
from longtake.pipeline.plan.edit.row import RowGroup, RowProblem, inspect_file
from longtake.pipeline.plan.summary import PlanSummary, read_summary
from longtake.pipeline.run.batches import clear_batches
from longtake.pipeline.run.memory import give_back_large_blocks
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout

_STAGED = "edit-"
_JOURNAL = "adopting.json"
_PARTS = ".parquet"
_SHOWN = 20
_COPIES_AT_ONCE = 2  # a part of a plan is some 20 MB, and memory holds it
_KEPT = (plan_graph.LEDGER_PREFIX, TAKEDOWN_PREFIX)  # of the ledger


def adopt_plan(config: CorpusConfig, layout: Layout, folder: str, options: PipelineOptions) -> PlanSummary:
    """Make the edited plan in `folder` the plan of the corpus, with its ledger rows and figures.

    Raises CorpusError that names each problem and its place, before it replaces any part of the old plan.
    """
    groups = edited_groups(layout, folder)
    _finish_interrupted(layout)
    origin = find_origin(layout)
    staged = Layout(storage.join(layout.staging, f"{_STAGED}{uuid.uuid4().hex}"))
    try:
        _run(config, staged, groups, origin, folder, options)
        _check_outcome(staged, folder)
        _replace(layout, staged, _kept_ledger(layout) if origin else [])
    finally:
        if not storage.exists(_journal(layout)):  # with a journal, the next attempt needs the staged plan
            storage.delete_folder(staged.root)
    summary = read_summary(layout.plan)
    if summary is None:
        raise CorpusError(f"{layout.plan}: no longer exists. Run the same command again.")
    return summary


def edited_groups(layout: Layout, folder: str) -> list[RowGroup]:
    """The row groups of the edited plan. Raises CorpusError if files or columns are missing."""
    if _same(folder, layout.plan):
        raise CorpusError(
            f"{folder} is the corpus's own plan. Write the edited rows to another folder, so that removed rows can be "
            "found: COPY (SELECT ...) TO 'edited/plan.parquet'"
        )
    if folder.endswith(_PARTS) and not storage.list_files(folder):
        files = [folder] if storage.exists(folder) else []
    else:
        files = storage.list_files(folder, _PARTS)
    if not files:
        raise CorpusError(
            f"{folder}: no edited plan: no .parquet file is directly in this folder. "
            "(COPY with PARTITION_BY writes folders, which are not read.)"
        )
    groups: list[RowGroup] = []
    problems: list[RowProblem] = []
    for path in files:
        found, faults = inspect_file(path)
        groups += found
        problems += faults
    if problems:
        raise _refused(folder, len(problems), map(str, problems[:_SHOWN]))
    if not groups:
        raise CorpusError(f"{folder}: the edited plan has no row: nothing would be left to build")
    return groups


def find_origin(layout: Layout) -> Origin | None:
    """The plan in the corpus, from which the edited plan was made; None if there is none. Raises CorpusError."""
    parts = storage.list_files(layout.plan, _PARTS)
    summary = read_summary(layout.plan)
    if summary is None:
        if not parts:
            return None
        raise CorpusError(
            f"{layout.plan} is not complete: it has no _plan.json. Make it again with `longtake plan`, "
            "or delete the folder to count from the edited plan alone."
        )
    rows = 0
    for part in parts:
        with storage.open_table(part) as stream:
            rows += pq.ParquetFile(stream).metadata.num_rows
    planned = summary.counts["clips"].kept
    if rows != planned:
        raise CorpusError(
            f"{layout.plan} was changed in place: it has {rows:,} rows, but {planned:,} long clips were planned. "
            "Make it again with `longtake plan`, and write edits to another folder."
        )
    earlier = [path for path in storage.list_files(layout.ledger, _PARTS) if _is_part(path, LEDGER_PREFIX)]
    return Origin(tuple(parts), summary, tuple(earlier))


def _run(
    config: CorpusConfig,
    staged: Layout,
    groups: list[RowGroup],
    origin: Origin | None,
    folder: str,
    options: PipelineOptions,
) -> None:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    give_back_large_blocks()  # the pages of a row group that DuckDB wrote are as large as the row group
    try:
        pipeline = beam.Pipeline(options=options)
        add_edited_plan(pipeline, config, staged, groups, origin)
        pipeline.run().wait_until_finish()
    except OSError:
        raise
    except CorpusError as error:  # a step's own, to which the runner adds where it was
        raise CorpusError(str(error).partition(" [while running")[0]) from error
    except Exception as error:  # runners raise errors of any type
        raise CorpusError(f"{folder}: the edited plan could not be read: {type(error).__name__}: {error}") from error
    finally:
        clear_batches()


def _check_outcome(staged: Layout, folder: str) -> None:
    path = staged.path(PROBLEMS_FILE)
    if storage.exists(path):
        found = json.loads(storage.read_bytes(path))
        raise _refused(folder, found["number"], found["first"])
    if read_summary(staged.plan) is None:
        raise CorpusError(f"{folder}: the runner ended without a plan; see its log")


def _refused(folder: str, number: int, first: Iterable[str]) -> CorpusError:
    lines = list(first)
    more = [f"... and {number - len(lines):,} more"] if number > len(lines) else []
    count = "1 problem" if number == 1 else f"{number:,} problems"
    return CorpusError("\n  ".join([f"{folder}: {count} in the edited plan; nothing was changed.", *lines, *more]))


# -- replacing the plan ------------------------------------------------------------------------------------------------


def _replace(layout: Layout, staged: Layout, kept_ledger: list[str]) -> None:
    """Replace the old plan by the staged plan. After an interruption, this can start again from the beginning."""
    journal = {"folder": base_name(staged.root), "ledger": kept_ledger}
    storage.write_bytes(_journal(layout), json.dumps(journal).encode())
    storage.delete(storage.join(layout.plan, "_plan.json"))
    for path in storage.list_files(layout.plan, _PARTS):
        storage.delete(path)
    for path in storage.list_files(layout.ledger, _PARTS):
        if base_name(path) not in kept_ledger:
            storage.delete(path)
    copies = [
        (path, storage.join(layout.ledger, base_name(path))) for path in storage.list_files(staged.ledger, _PARTS)
    ]
    copies += [(path, storage.join(layout.plan, base_name(path))) for path in storage.list_files(staged.plan, _PARTS)]
    with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
        for _ in pool.map(lambda pair: _copy(*pair), copies):
            pass
    _copy(storage.join(staged.plan, "_plan.json"), storage.join(layout.plan, "_plan.json"))
    storage.delete(_journal(layout))


def _finish_interrupted(layout: Layout) -> None:
    """Finish an interrupted replacement, and remove the remains of earlier attempts."""
    journal = _journal(layout)
    if storage.exists(journal):
        entry = json.loads(storage.read_bytes(journal))
        staged = Layout(storage.join(layout.staging, entry["folder"]))
        ledger = {base_name(path) for path in storage.list_files(layout.ledger, _PARTS)}
        # A complete plan was finished, or made again, since then. Without the ledger it was made with, a plan would not balance.
        if (
            read_summary(layout.plan) is None
            and read_summary(staged.plan) is not None
            and ledger >= set(entry["ledger"])
        ):
            _replace(layout, staged, entry["ledger"])
        storage.delete(journal)
    for folder in storage.list_folders(layout.staging):
        if base_name(folder).startswith(_STAGED):
            storage.delete_folder(folder)


def _kept_ledger(layout: Layout) -> list[str]:
    paths = storage.list_files(layout.ledger, _PARTS)
    return [base_name(path) for path in paths if any(_is_part(path, prefix) for prefix in _KEPT)]


def _is_part(path: str, prefix: str) -> bool:
    return base_name(path).startswith(f"{prefix}-")


def _journal(layout: Layout) -> str:
    return storage.join(layout.staging, _JOURNAL)


def _copy(source: str, target: str) -> None:
    storage.write_bytes(target, storage.read_bytes(source))


def _same(one: str, other: str) -> bool:
    if storage.is_remote(one) or storage.is_remote(other):
        return one.rstrip("/") == other.rstrip("/")
    return os.path.realpath(storage.local_path(one)) == os.path.realpath(storage.local_path(other))
