"""Known copies of what is taken down: the same frames or words under another id, as the search for duplicates found them.

The plan names flagged copies, the ledger names copies that were dropped as duplicates. Copies of copies count. Only planned
copies matter: the corpus holds nothing of the others.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from longtake.pipeline.fragments.plan_table import plan_parts
from longtake.pipeline.revise.select import batches_of, ledger_batches
from longtake.schemas.keys import safe_name
from longtake.schemas.layout import Layout
from longtake.schemas.reasons import Reason, Subject

_CLIPS = frozenset({Reason.EXACT_DUPLICATE.value, Reason.NEAR_DUPLICATE.value})
_OF_CLIP = re.compile(r"like (\S+)(?:, which stays|; (\S+) stays)$")
_OF_VIDEO = re.compile(r"are those of (.+?)(?:, which stays|; (.+) stays)$", re.S)
_LINK = ["key", "video_id", "duplicate_of", "duplicate_video_of"]

Node = tuple[str, str]  # "video" or "clip", and its id


@dataclass(frozen=True, slots=True)
class CopiedVideos:
    """Copies that are in the plan: whole source videos, and long clips of other source videos, by key."""

    videos: frozenset[str] = frozenset()
    clips: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.videos) + len(self.clips)

    @property
    def names(self) -> list[str]:
        return [*sorted(self.videos), *sorted(self.clips)]


def known_copies(layout: Layout, videos: Collection[str], clips: Collection[str]) -> CopiedVideos:
    """The planned copies of `videos` and `clips` that would stay after these are taken down."""
    gone = {("video", name) for name in videos} | {("clip", key) for key in clips}
    reached = reachable([*_flagged(layout), *_left_out(layout)], gone)
    found_videos = {name for kind, name in reached if kind == "video"} - set(videos)
    found_clips = {name for kind, name in reached if kind == "clip"} - set(clips)
    if not (found_videos or found_clips):
        return CopiedVideos()
    planned_videos, planned_clips = set[str](), set[str]()
    names, keys = pa.array(sorted(found_videos), pa.string()), pa.array(sorted(found_clips), pa.string())
    for part in plan_parts(layout):
        for batch in batches_of(part, ["key", "video_id"]):
            of_video = pc.is_in(batch.column("video_id"), names)
            planned_videos.update(batch.filter(of_video).column("video_id").to_pylist())
            others = batch.filter(pc.and_(pc.is_in(batch.column("key"), keys), pc.invert(of_video)))
            planned_clips.update(row["key"] for row in others.to_pylist() if row["video_id"] not in videos)
    return CopiedVideos(frozenset(planned_videos), frozenset(planned_clips))


def reachable(links: Iterable[tuple[Node, Node]], start: Iterable[Node]) -> set[Node]:
    """The nodes linked to `start`, over any number of links. A source video reaches its long clips, but not the reverse."""
    beside: dict[Node, set[Node]] = {}
    for one, other in links:
        beside.setdefault(one, set()).add(other)
        beside.setdefault(other, set()).add(one)
    of_video: dict[str, set[Node]] = {}
    for kind, name in beside:
        if kind == "clip":
            of_video.setdefault(name.rsplit("-", 2)[0], set()).add((kind, name))
    reached, waiting = set[Node](), list(start)
    while waiting:
        node = waiting.pop()
        if node in reached:
            continue
        reached.add(node)
        waiting += beside.get(node, ())
        if node[0] == "video":
            waiting += of_video.get(safe_name(node[1]), ())
    return reached


def _flagged(layout: Layout) -> Iterator[tuple[Node, Node]]:
    for part in plan_parts(layout):
        for batch in batches_of(part, _LINK):
            is_copy = pc.or_(pc.is_valid(batch.column("duplicate_of")), pc.is_valid(batch.column("duplicate_video_of")))
            for row in batch.filter(is_copy).to_pylist():
                if row["duplicate_of"]:
                    yield ("clip", row["key"]), ("clip", row["duplicate_of"])
                if row["duplicate_video_of"]:
                    yield ("video", row["video_id"]), ("video", row["duplicate_video_of"])


def _left_out(layout: Layout) -> Iterator[tuple[Node, Node]]:
    reasons = pa.array([*sorted(_CLIPS), Reason.DUPLICATE_VIDEO.value])
    for batch in ledger_batches(layout, ["subject", "subject_id", "reason", "detail"]):
        for row in batch.filter(pc.is_in(batch.column("reason"), reasons)).to_pylist():
            if row["subject"] == Subject.CLIP and row["reason"] in _CLIPS:
                kind, found = "clip", _OF_CLIP.search(row["detail"])
            elif row["subject"] == Subject.VIDEO:
                kind, found = "video", _OF_VIDEO.search(row["detail"])
            else:
                continue
            for name in found.groups() if found else ():
                if name:
                    yield (kind, row["subject_id"]), (kind, name)
