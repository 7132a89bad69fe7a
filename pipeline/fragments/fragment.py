"""Fragments: the decoded frames of one source video, or of a range of a long one, kept in staging until they are packed.

A payload holds the JPEG members of the samples as tar entries without an end of archive, under a name that no other attempt
uses. A marker, written after it, gives the name of the payload, and the hash and position of each sample in it. The marker's
name is a digest of everything that decides the bytes. Readers follow the marker and check the samples against it.

A fragment has no splits, shards or text: if a plan changes only these, no video is decoded again.
"""

import hashlib
import io
import json
import tarfile
import uuid
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from longtake.pipeline.decode import Decoded, FrameFault, SourceNote
from longtake.pipeline.filters.still import frame_scores
from longtake.schemas import storage
from longtake.schemas.config import Frames
from longtake.schemas.layout import Layout, frame_member
from longtake.schemas.reasons import Reason
from longtake.schemas.records import SourceInfo
from longtake.schemas.scores import FRAME_SCORES, Scores

FRAGMENT_FORMAT = 3
MARKER_SUFFIX = ".json"
BLOCK = 512


@dataclass(frozen=True, slots=True)
class WantedClip:
    """One sample to decode: its key and the times of its frames."""

    key: str
    frame_times_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FragmentSample:
    """One sample of a fragment. `offset` and `size` locate its frames' tar entries in the payload, in bytes."""

    key: str
    offset: int
    size: int
    sha256: str  # of these tar entries
    frame_sizes: tuple[int, ...]
    frame_pts_ms: tuple[int, ...]
    scores: Scores = ()  # of INDEX_SCORES; in a marker only FRAME_SCORES, if asked for


@dataclass(frozen=True, slots=True)
class FragmentFault:
    """One sample that could not be decoded, and why."""

    key: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Marker:
    """The content of a fragment. If no sample could be decoded, there is no payload. `notes` are about the source."""

    payload: str  # file name in the marker's folder
    size: int
    source: SourceInfo
    frame_size: tuple[int, int]
    samples: tuple[FragmentSample, ...]
    faults: tuple[FragmentFault, ...]
    notes: tuple[SourceNote, ...] = ()


def fragment_digest(
    uri: str,
    source: tuple[int, str],
    wanted: Sequence[WantedClip],
    frames: Frames,
    versions: dict[str, str],
    scored: bool = False,
) -> str:
    """The name of a fragment: a digest of everything that decides its bytes. `source` is the size and tag of the file; `scored`
    says whether the frames have scores.
    """
    decides: dict[str, Any] = {
        "format": FRAGMENT_FORMAT,
        "uri": uri,
        "source": source,
        "wanted": [(w.key, w.frame_times_ms) for w in wanted],
        "frames": frames.model_dump(mode="json", exclude_none=True),
        "versions": versions,
    }
    if scored:
        decides["scores"] = FRAME_SCORES
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def marker_path(layout: Layout, digest: str) -> str:
    """The path of a fragment's marker. Markers are in folders by digest, so that no folder grows too large to list."""
    return storage.join(layout.staging, digest[:2], f"{digest}{MARKER_SUFFIX}")


def tar_entry(name: str, data: bytes) -> bytes:
    """One tar entry: header, data, padding. The header holds no time, user or host."""
    return tar_header(name, len(data)) + data + b"\0" * (-len(data) % BLOCK)


def tar_header(name: str, size: int) -> bytes:
    """The header of a tar entry of `size` bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.PAX_FORMAT)


def write_fragment(
    layout: Layout, digest: str, wanted: Sequence[WantedClip], decoded: Decoded, scored: bool = False
) -> Marker:
    """Write payload, then marker. A sample with a fault in any frame is not in the payload, and the marker says why."""
    payload = io.BytesIO()
    samples: list[FragmentSample] = []
    faults: list[FragmentFault] = []
    at = 0
    for want in wanted:
        taken = decoded.frames[at : at + len(want.frame_times_ms)]
        at += len(want.frame_times_ms)
        fault = next((f for f in taken if isinstance(f, FrameFault)), None)
        if fault is not None:
            faults.append(FragmentFault(want.key, fault.reason, fault.detail))
            continue
        frames = [f for f in taken if not isinstance(f, FrameFault)]
        entries = b"".join(
            tar_entry(f"{want.key}.{frame_member(i, len(frames))}", frame.jpeg) for i, frame in enumerate(frames)
        )
        samples.append(
            FragmentSample(
                key=want.key,
                offset=payload.tell(),
                size=len(entries),
                sha256=hashlib.sha256(entries).hexdigest(),
                frame_sizes=tuple(len(f.jpeg) for f in frames),
                frame_pts_ms=tuple(f.pts_ms for f in frames),
                scores=frame_scores([f.jpeg for f in frames]) if scored else (),
            )
        )
        payload.write(entries)
    data = payload.getvalue()
    name = f"{digest}.{uuid.uuid4().hex}.frag"
    path = marker_path(layout, digest)
    if samples:
        storage.write_bytes(storage.join(storage.parent(path), name), data)
    marker = Marker(
        payload=name if samples else "",
        size=len(data),
        source=decoded.source,
        frame_size=decoded.size,
        samples=tuple(samples),
        faults=tuple(faults),
        notes=decoded.notes,
    )
    described = _to_json(marker)
    storage.write_bytes(path, json.dumps({"marker": described, "sha256": _sha256(described)}).encode())
    return marker


def read_marker(path: str) -> Marker | None:
    """The marker at `path`; None if it is missing or damaged."""
    try:
        raw = json.loads(storage.read_bytes(path))
        return _from_json(raw["marker"]) if raw["sha256"] == _sha256(raw["marker"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sha256(described: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def read_entries(marker_at: str, marker: Marker, sample: FragmentSample) -> bytes:
    """The tar entries of one sample. Raises OSError if they are missing or do not match the marker."""
    payload = storage.join(storage.parent(marker_at), marker.payload)
    data = storage.read_range(payload, sample.offset, sample.size)
    if hashlib.sha256(data).hexdigest() != sample.sha256:
        raise OSError(f"{payload}: sample {sample.key} is damaged. Run the build again: it decodes this video again.")
    return data


def entry_data(entries: bytes, sample: FragmentSample) -> list[bytes]:
    """The frames in the tar entries of a sample: JPEGs in time order."""
    frames, at = [], 0
    for number, size in enumerate(sample.frame_sizes):
        at += len(tar_header(f"{sample.key}.{frame_member(number, len(sample.frame_sizes))}", size))
        frames.append(entries[at : at + size])
        at += size + -size % BLOCK
    return frames


def is_sound(marker_at: str, marker: Marker) -> bool:
    """Whether all samples of the marker at `marker_at` are present and match it."""
    try:
        for sample in marker.samples:
            read_entries(marker_at, marker, sample)
    except OSError:
        return False
    return True


def _to_json(marker: Marker) -> dict[str, Any]:
    source = marker.source
    return {
        "payload": marker.payload,
        "size": marker.size,
        "source": astuple(source),
        "frame_size": marker.frame_size,
        "samples": [
            [s.key, s.offset, s.size, s.sha256, s.frame_sizes, s.frame_pts_ms, s.scores] for s in marker.samples
        ],
        "faults": [[f.key, f.reason.value, f.detail] for f in marker.faults],
        "notes": [[n.reason.value, n.detail] for n in marker.notes],
    }


def _from_json(raw: dict[str, Any]) -> Marker:
    return Marker(
        payload=raw["payload"].rpartition("/")[2],
        size=raw["size"],
        source=SourceInfo(*raw["source"]),
        frame_size=(raw["frame_size"][0], raw["frame_size"][1]),
        samples=tuple(
            FragmentSample(
                k, o, n, h, tuple(z), tuple(p), tuple((name, value) for more in scores for name, value in more)
            )
            for k, o, n, h, z, p, *scores in raw["samples"]
        ),
        faults=tuple(FragmentFault(k, Reason(r), d) for k, r, d in raw["faults"]),
        notes=tuple(SourceNote(Reason(r), d) for r, d in raw.get("notes", ())),
    )
