"""staging/sources/: size and tag of each source when the plan looked at it, so that the build can tell which ones have changed.

They are not in the plan itself: the tag of a local file is its modification time, and a plan must be the same on all machines.
"""

from collections.abc import Iterable
from contextlib import suppress

import pyarrow as pa

from longtake.pipeline.run.sources import Version
from longtake.schemas import storage
from longtake.schemas.keys import hash64
from longtake.schemas.layout import Layout

_COLUMNS = pa.schema([("video_id", pa.string()), ("size", pa.int64()), ("tag", pa.string())])


def seen_folder(layout: Layout) -> str:
    """The folder with sizes and tags."""
    return storage.join(layout.staging, "sources")


def version_of(uri: str) -> Version | None:
    """Size and tag of a source; None if its storage does not answer."""
    with suppress(OSError):
        return storage.size_and_tag(uri)
    return None


def part_path(layout: Layout, number: int, parts: int) -> str:
    """The file of one part of the table."""
    return storage.join(seen_folder(layout), f"{number:05d}-of-{parts:05d}.parquet")


def seen_rows(seen: Iterable[tuple[str, Version]]) -> pa.Table:
    """The rows of (video_id, version) of some sources."""
    rows = [{"video_id": video_id, "size": size, "tag": tag} for video_id, (size, tag) in seen]
    return pa.Table.from_pylist(rows, schema=_COLUMNS)


def write_rows(path: str, rows: pa.Table) -> None:
    """Write rows of `seen_rows`, in order."""
    in_order = rows.sort_by([(name, "ascending") for name in _COLUMNS.names])
    storage.write_parquet(path, in_order.combine_chunks(), row_group_size=65_536)


class SourceVersions:
    """Size and tag of the sources that the plan of a corpus looked at. One part of the table is in memory at a time."""

    def __init__(self, layout: Layout, seed: int) -> None:
        self._seed = seed
        self._names = {path.rsplit("/", 1)[-1] for path in storage.list_files(seen_folder(layout), ".parquet")}
        self._layout, self._parts = layout, max((int(name[9:14]) for name in self._names), default=0)
        self._loaded, self._rows = "", dict[str, Version]()

    def of(self, video_id: str) -> Version | None:
        """Size and tag of a video's source at the time of the plan; None if unknown."""
        if not self._parts:
            return None
        number = hash64(video_id, self._seed) * self._parts >> 64
        path = part_path(self._layout, number, self._parts)
        if path != self._loaded:
            self._loaded, self._rows = path, self._read(path)
        return self._rows.get(video_id)

    def _read(self, path: str) -> dict[str, Version]:
        if path.rsplit("/", 1)[-1] not in self._names:
            return {}
        rows = storage.read_parquet(path, columns=_COLUMNS.names).to_pylist()
        return {row["video_id"]: (row["size"], row["tag"]) for row in rows}


def difference(seen: Version | None, now: Version) -> str:
    """The change of a source since the plan, for people; "" if it has not changed, or if that is unknown."""
    if seen is None or seen == now:
        return ""
    return f"the plan looked at {seen[0]} bytes (tag {seen[1]}); there are {now[0]} bytes (tag {now[1]}) now"
