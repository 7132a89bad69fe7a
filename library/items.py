"""The items of tasks in a corpus (schemas/task.py), each a place of its own: from one column of the index of each shard."""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from longtake.library.order import Places
from longtake.library.shards import LoaderError
from longtake.schemas import storage
from longtake.schemas.layout import Layout
from longtake.schemas.task import Task, task_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TaskItems:
    """All items of a split in the order of the corpus."""

    places: Places  # (n, 3): number of the shard, position in it, item
    kinds: frozenset[str]
    classes: int  # one more than the largest answer
    choices: frozenset[int]  # numbers of choices
    unanswered: int  # items of which no class is the right answer
    without: int  # samples without a readable task


def read_items(layout: Layout, shards: Sequence[str]) -> TaskItems:
    """Read what is asked about the samples of some shards. Raises LoaderError if an index cannot be read."""
    with ThreadPoolExecutor(16) as pool:
        tasks = list(pool.map(lambda shard: _tasks(layout, shard), shards))
    places = [
        (shard, position, item)
        for shard, found in enumerate(tasks)
        for position, task in enumerate(found)
        if task is not None
        for item in range(len(task.items))
    ]
    sound = [task for found in tasks for task in found if task is not None]
    items = [item for task in sound for item in task.items]
    return TaskItems(
        places=np.array(places, np.int32).reshape(-1, 3),
        kinds=frozenset(task.kind for task in sound),
        classes=1 + max((item.answer for item in items if item.answer is not None), default=-1),
        choices=frozenset(len(item.choices) for item in items),
        unanswered=sum(item.answer is None and not item.sentences for item in items),
        without=sum(task is None for found in tasks for task in found),
    )


def _tasks(layout: Layout, shard: str) -> list[Task | None]:
    path = layout.shard_index(shard)
    try:
        metas = storage.read_parquet(path, columns=["meta"]).column(0).to_pylist()
    except (OSError, ValueError, KeyError) as error:
        raise LoaderError(f"{path}: cannot read the index: {error}. Check the corpus with: longtake verify") from None
    return [_task(meta, path) for meta in metas]


def _task(meta: str | None, path: str) -> Task | None:
    try:
        parsed = json.loads(meta or "{}")
        return task_of(parsed if isinstance(parsed, dict) else {})
    except (ValueError, RecursionError) as error:
        log.debug("%s: a sample has no task: %s", path, error)
        return None
