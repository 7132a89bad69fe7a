"""Small finished corpora for tests, made by the pipeline's own functions but without Beam or video, and tools to damage them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from assigned import placed as in_places

from longtake.pipeline.build import pack
from longtake.pipeline.decode import Decoded, Frame, FrameFault
from longtake.pipeline.fragments.fragment import Marker, WantedClip, marker_path, write_fragment
from longtake.pipeline.merge.merge import long_clip
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.layout import FORMAT, Layout
from longtake.schemas.manifest import CorpusManifest, Count
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop, LongClip, Sentence, SourceInfo, SourceVideo, drop_clip, drop_sentences

SIZE = (48, 64)  # height, width
WORDS = "sur la banquise les ours polaires mangent des phoques et nagent très longtemps"
VAL = ("delta",)
LOST_VIDEO = "epsilon"  # its file is broken: both of its long clips are lost
DAMAGED = "beta"  # its second long clip has a damaged frame
VIDEOS = ("alpha", "beta", "gamma", "delta", "epsilon", "a b/ç")


def config() -> CorpusConfig:
    return parse_config(
        {
            "name": "small",
            "output": "out",
            "source": {"videos": "videos.jsonl", "uri": "videos/{video_id}.mp4"},
            "merge": {"min_sentences": 2},
            "frames": {"per_sentence": 2, "short_side": SIZE[0]},
            "split": {"train": 0.8, "val": 0.2},
            "shards": {"samples": 4},
        }
    )


def jpeg(seed: int, size: tuple[int, int] = SIZE) -> bytes:
    """A picture that differs with `seed`."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    picture = np.stack([(x * 3 + seed * 11) % 256, (y * 4 + seed * 29) % 256, (x + y + seed * 53) % 256], axis=-1)
    data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(picture, np.uint8), quality=80)
    return data


def clips_of(video_id: str, settings: CorpusConfig) -> list[LongClip]:
    """Two long clips of three sentences each."""
    video = SourceVideo(
        video_id, f"videos/{video_id}.mp4", f"https://example.org/{video_id}", "CC BY 4.0", '{"channel":"ours"}'
    )
    words, out = WORDS.split(), []
    for start in (1_000, 90_500):
        spans = [(start + n * 7_001, start + n * 7_001 + 6_500) for n in range(3)]
        sentences = tuple(
            Sentence(f"{video_id}.{a}", a, b, " ".join(words[(a + n) % 7 :][: 4 + n])) for n, (a, b) in enumerate(spans)
        )
        clip = long_clip(video, sentences, settings.frames.per_sentence)
        out.append(replace(clip, split="val" if video_id in VAL else "train"))
    return out


def build(root: Path, videos: Sequence[str] = VIDEOS) -> Layout:
    """Make a corpus: two training shards and one for validation; of six videos one is lost, of another one long clip."""
    settings, layout = config(), Layout(str(root))
    clips = [clip for video in videos for clip in clips_of(video, settings)]
    placed = in_places(clips, settings.shards.samples, seed=settings.seed)
    half = len(placed) // 2
    for number, rows in enumerate((placed[:half], placed[half:])):
        path = storage.join(layout.plan, f"part-{number:05d}.parquet")
        storage.write_parquet(path, tables.table(map(tables.plan_row, rows), tables.PLAN))
    markers, lost = _decode(layout, placed)
    kept = {sample.key for marker in markers.values() for sample in marker.samples}
    left: dict[tuple[str, int], list[LongClip]] = {}
    for clip in placed:
        left.setdefault((clip.split, clip.shard), []).append(clip)
    numbers = pack.shard_numbers(place for place, found in left.items() if any(c.key in kept for c in found))
    shards = [
        pack.pack(layout, split, number, list(pack.samples_of(left[split, planned], markers)))
        for (split, planned), number in numbers.items()
    ]
    early = _early_drops()
    for prefix, drops in (("part-plan", early), ("part-build", lost)):
        path = storage.join(layout.ledger, f"{prefix}-00000.parquet")
        storage.write_parquet(path, tables.ledger_table(sorted(drops)))
    manifest = CorpusManifest(
        format=FORMAT,
        name=settings.name,
        versions={"longtake": "0.1.0"},
        config=settings.published(),
        fingerprint="0" * 64,
        counts=_counts(placed, kept, [*early, *lost]),
        shards=tuple(sorted(shards, key=lambda shard: shard.name)),
    )
    storage.write_bytes(layout.manifest, manifest.to_bytes())
    return layout


def _decode(layout: Layout, clips: Sequence[LongClip]) -> tuple[dict[str, Marker], list[Drop]]:
    markers: dict[str, Marker] = {}
    lost: list[Drop] = []
    source = SourceInfo(640, 480, 25.0, "h264", 200_000)
    for video in sorted({clip.video.video_id for clip in clips}):
        own = [clip for clip in clips if clip.video.video_id == video]
        if video == LOST_VIDEO:
            lost.append(Drop(video, Subject.VIDEO, video, Stage.DECODE, Reason.UNREADABLE, "moov atom not found"))
            for clip in own:
                lost += drop_clip(clip, Stage.DECODE, Reason.UNREADABLE, "moov atom not found")
            continue
        frames: list[Frame | FrameFault] = []
        for clip in own:
            is_damaged = video == DAMAGED and clip is own[-1]
            lost += drop_clip(clip, Stage.DECODE, Reason.FRAMES_DAMAGED, "at 90500 ms") if is_damaged else []
            fault = FrameFault(Reason.FRAMES_DAMAGED, "at 90500 ms")
            times = clip.frame_times_ms
            frames += [fault] * len(times) if is_damaged else [Frame(t - t % 40, jpeg(t // 40)) for t in times]
        digest = hashlib.sha256(video.encode()).hexdigest()
        decoded = Decoded(source, SIZE, tuple(frames), len(frames))
        marker = write_fragment(layout, digest, [WantedClip(c.key, c.frame_times_ms) for c in own], decoded)
        markers[marker_path(layout, digest)] = marker
    return markers, lost


def _early_drops() -> list[Drop]:
    alone = (Sentence("alpha.alone", 300_000, 302_000, "et voilà"),)
    return [
        Drop("", Subject.RECORD, "videos.jsonl:9", Stage.READ, Reason.MALFORMED, "videos.jsonl:9: not JSON"),
        Drop("zeta", Subject.VIDEO, "zeta", Stage.READ, Reason.NO_TEXT, "no usable sentence"),
        *drop_sentences("alpha", alone, Stage.MERGE, Reason.RUN_TOO_SHORT, "run of 1 sentence"),
    ]


def _counts(clips: Sequence[LongClip], kept: set[str], drops: Sequence[Drop]) -> dict[str, Count]:
    inside = [clip for clip in clips if clip.key in kept]
    numbers = {
        Subject.VIDEO: len({clip.video.video_id for clip in inside}),
        Subject.SENTENCE: sum(len(clip.sentences) for clip in inside),
        Subject.CLIP: len(inside),
    }
    out = {}
    for subject, number in numbers.items():
        gone = sum(row.subject is subject for row in drops)
        out[f"{subject.value}s"] = Count(total=number + gone, kept=number, dropped=gone)
    return out


# -- damage ------------------------------------------------------------------------------------------------------------

Members = list[tuple[str, bytes]]


def edit_manifest(root: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change corpus.json, and nothing else."""
    path = root / "corpus.json"
    raw = json.loads(path.read_bytes())
    edit(raw)
    path.write_text(json.dumps(raw))


def edit_table(path: Path, edit: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Change the rows of a table."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    edit(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def read_members(path: Path) -> Members:
    """The members of a tar."""
    with tarfile.open(path) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def edit_shard(
    root: Path,
    name: str,
    edit: Callable[[Members], Any] = lambda members: None,
    index: bool = True,
    seal: bool = True,
    header: Callable[[tarfile.TarInfo], None] = lambda info: None,
) -> None:
    """Change what is in a shard, and make `index` (offsets, sizes, hashes) and corpus.json (`seal`) fit it."""
    members = read_members(root / "shards" / f"{name}.tar")
    edit(members)
    out = io.BytesIO()
    placed: list[tuple[str, int, bytes]] = []
    for member, data in members:
        info = tarfile.TarInfo(member)
        info.size = len(data)
        header(info)
        head = info.tobuf(tarfile.PAX_FORMAT)
        out.write(head + data + b"\0" * (-len(data) % 512))
        placed.append((member, out.tell() - len(data) - -len(data) % 512, data))
    out.write(b"\0" * 1024)
    (root / "shards" / f"{name}.tar").write_bytes(out.getvalue())
    if index:
        edit_table(root / "index" / f"{name}.parquet", lambda rows: _reindex(rows, placed))
    if seal:
        reseal(root, name)


def _reindex(rows: list[dict[str, Any]], placed: list[tuple[str, int, bytes]]) -> None:
    for row in rows:
        own = [(name, offset, data) for name, offset, data in placed if name.partition(".")[0] == row["key"]]
        row["members"] = [{"name": name, "offset": offset, "size": len(data)} for name, offset, data in own]
        row["sha256"] = hashlib.sha256(b"".join(data for *_, data in own)).hexdigest()


def reseal(root: Path, name: str) -> None:
    """Make the size and hash of a shard in corpus.json those of its file."""
    data = (root / "shards" / f"{name}.tar").read_bytes()

    def edit(raw: dict[str, Any]) -> None:
        shard = next(s for s in raw["shards"] if s["name"] == f"{name}.tar")
        shard |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    edit_manifest(root, edit)


def edit_json(root: Path, name: str, number: int, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change the .json of a sample, with index and corpus.json made to fit."""

    def change(members: Members) -> None:
        at = [i for i, (member, _) in enumerate(members) if member.endswith(".json")][number]
        content = json.loads(members[at][1])
        edit(content)
        members[at] = members[at][0], json.dumps(content, ensure_ascii=False).encode()

    edit_shard(root, name, change)
