"""How far `longtake fetch` is, from the files of its folder alone. Nothing is written."""

from dataclasses import dataclass
from typing import Any

from longtake.pipeline.fetch.summary import FetchSummary, read_summary
from longtake.pipeline.run.note import JobNote, read_note
from longtake.schemas import storage
from longtake.schemas.layout import Layout


@dataclass(frozen=True, slots=True)
class FetchStatus:
    """The state of a folder of `source.fetch`.

    Attributes:
        folder: local or a URI.
        running: None if the storage has no locks.
        note: the command that works, or worked last.
        records: videos that were fetched or failed, in all runs.
        summary: the figures of the last run that ended.
    """

    folder: str
    running: bool | None
    note: JobNote | None
    records: int
    summary: FetchSummary | None

    def to_json(self) -> dict[str, Any]:
        """The status as a dictionary, documented in docs/sources.md."""
        note = None if self.note is None else {name: getattr(self.note, name) for name in self.note.__slots__}
        summary = None if self.summary is None else self.summary.to_json()
        return {
            "folder": self.folder,
            "running": self.running,
            "job": note,
            "records": self.records,
            "last_run": summary,
        }


def read_fetch_status(folder: str) -> FetchStatus | None:
    """Return the state of a folder; None if `longtake fetch` never worked there."""
    layout = Layout(folder)
    note = read_note(layout)
    if not storage.exists(layout.path("records")) and (note is None or not note.command.startswith("fetch")):
        return None
    running = None if storage.is_remote(folder) else storage.lock_is_held(storage.join(layout.staging, "lock"))
    records = len(storage.list_files(layout.path("records"), ".json"))
    return FetchStatus(folder, running, note, records, read_summary(layout, dry_run=False))
