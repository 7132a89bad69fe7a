"""staging/tasks/: the decode tasks of a build by digest, so that `longtake status` can tell from files alone what is done. A file
beside the markers says why a task failed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from longtake.pipeline.fragments.fragment import MARKER_SUFFIX, marker_path
from longtake.pipeline.fragments.plan_table import Task, tasks_of
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason

FAILURE_SUFFIX = ".failed"
_TASKS = pa.schema([("digest", pa.string()), ("video_id", pa.string()), ("clips", pa.int32())])


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One decode task: its digest, which names its marker, its video, and its number of long clips."""

    digest: str
    video_id: str
    clips: int


def tasks_folder(layout: Layout) -> str:
    """The folder with the task lists of a build, one file for each part of the plan."""
    return storage.join(layout.staging, "tasks")


def listed_tasks(part: str, layout: Layout, config: CorpusConfig, versions: dict[str, str]) -> Iterator[Task]:
    """Yield the decode tasks of one part of the plan. Writes the list of all before it yields the first."""
    tasks = list(tasks_of(part, config, versions))
    rows = {
        "digest": [t.digest for t in tasks],
        "video_id": [t.video_id for t in tasks],
        "clips": [t.rows for t in tasks],
    }
    path = storage.join(tasks_folder(layout), part.rsplit("/", 1)[-1])
    storage.write_parquet(path, pa.table(rows, schema=_TASKS), row_group_size=65_536)
    yield from tasks


def read_tasks(path: str) -> list[ListedTask]:
    """The tasks of one file. Raises OSError or pyarrow.ArrowInvalid."""
    table = storage.read_parquet(path, columns=_TASKS.names)
    return [ListedTask(row["digest"], row["video_id"], row["clips"]) for row in table.to_pylist()]


def failure_path(layout: Layout, digest: str) -> str:
    """The path of the file about a failed task."""
    return marker_path(layout, digest).removesuffix(MARKER_SUFFIX) + FAILURE_SUFFIX


def note_failure(layout: Layout, task: Task, reason: Reason) -> None:
    """Write a file that says why a whole task failed. It decides nothing: the next build tries the task again."""
    noted = json.dumps({"video_id": task.video_id, "reason": reason.value})
    storage.write_bytes(failure_path(layout, task.digest), noted.encode())


def read_failure(path: str) -> Reason | None:
    """Why a task failed; None if the file is missing or unreadable."""
    try:
        return Reason(json.loads(storage.read_bytes(path))["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
