"""`verify` finds each kind of damage and reports it as what it is, and nothing else."""

import json
import shutil
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpora
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import edit_json, edit_manifest, edit_shard, edit_table
from longtake.pipeline.faults import Fault, FaultList
from longtake.pipeline.verify import Report, verify
from longtake.schemas.manifest import CorpusError

TRAIN, VAL = "train-000000", "val-000000"
BETA, GAMMA, DELTA = (f"{video}-000001000-000021502" for video in ("beta", "gamma", "delta"))
EPSILON = "epsilon-000090500-000111002"
SHARD, INDEX = f"shards/{VAL}.tar", f"index/{VAL}.parquet"

Damage = Callable[[Path], None]
Faults = set[tuple[str, str]]  # where, and a part of what


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    corpora.build(root)
    shutil.rmtree(root / "staging")
    return root


@pytest.fixture
def corpus(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "corpus"))


def check(root: Path, **options: Any) -> Report:
    return verify(str(root), **{"workers": 1, **options})


def table(path: str, edit: Callable[[list[dict[str, Any]]], Any]) -> Damage:
    def change(rows: list[dict[str, Any]]) -> None:
        edit(rows)

    return lambda root: edit_table(root / path, change)


def planned(root: Path) -> list[Path]:
    return sorted((root / "plan").iterdir())


def in_plan(key: str, edit: Callable[[dict[str, Any]], Any]) -> Damage:
    def change(root: Path) -> None:
        for path in planned(root):
            edit_table(path, lambda rows: [edit(row) for row in rows if row["key"] == key] and None)

    return change


def index(**values: Any) -> Damage:
    return table(INDEX, lambda rows: rows[0].update(values))


def manifest(edit: Callable[[dict[str, Any]], Any]) -> Damage:
    def change(raw: dict[str, Any]) -> None:
        edit(raw)

    return lambda root: edit_manifest(root, change)


def content(edit: Callable[[dict[str, Any]], Any]) -> Damage:
    def change(raw: dict[str, Any]) -> None:
        edit(raw)

    return lambda root: edit_json(root, VAL, 0, change)


def members(edit: Callable[[corpora.Members], Any], **options: Any) -> Damage:
    def change(found: corpora.Members) -> None:
        edit(found)

    return lambda root: edit_shard(root, VAL, change, **options)


def header(**fields: Any) -> Damage:
    def change(info: tarfile.TarInfo) -> None:
        if info.name == f"{DELTA}.txt":
            for name, value in fields.items():
                setattr(info, name, value)

    return lambda root: edit_shard(root, VAL, header=change)


def data(extension: str, value: bytes) -> Damage:
    def change(found: corpora.Members) -> None:
        at = [name for name, _ in found].index(f"{DELTA}.{extension}")
        found[at] = found[at][0], value

    return lambda root: edit_shard(root, VAL, change)


def raw_bytes(edit: Callable[[bytes], bytes], path: str = SHARD, seal: bool = True) -> Damage:
    def change(root: Path) -> None:
        (root / path).write_bytes(edit((root / path).read_bytes()))
        if seal:
            corpora.reseal(root, VAL)

    return change


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def both(*damages: Damage) -> Damage:
    return lambda root: [damage(root) for damage in damages] and None  # type: ignore[func-returns-value]


def remove(path: str) -> Damage:
    return lambda root: (root / path).unlink()


def rename(old: str, new: str) -> Callable[[corpora.Members], None]:
    def change(found: corpora.Members) -> None:
        found[:] = [(name.replace(old, new), data) for name, data in found]

    return change


def swap(found: list[Any], a: int, b: int) -> None:
    found[a], found[b] = found[b], found[a]


def clip_row(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return next(row for row in rows if row["subject_id"] == key)


BUILD, PLAN = "ledger/part-build-00000.parquet", "ledger/part-plan-00000.parquet"

MANIFEST_DAMAGE: dict[str, tuple[Damage, Faults]] = {
    "manifest-cut": (
        raw_bytes(lambda b: b[:200], "corpus.json", seal=False),
        {("corpus.json", "not a readable corpus.json")},
    ),
    "manifest-not-text": (
        raw_bytes(lambda b: b"\xff\x00", "corpus.json", seal=False),
        {("corpus.json", "not a readable")},
    ),
    "manifest-format": (manifest(lambda m: m.update(format=99)), {("corpus.json", "format 99")}),
    "manifest-field-missing": (manifest(lambda m: m.pop("fingerprint")), {("corpus.json", "fingerprint")}),
    "manifest-frames": (manifest(lambda m: m["config"].pop("frames")), {("corpus.json", "config.frames is missing")}),
    "manifest-splits": (
        manifest(lambda m: m["splits"]["val"].update(frames=13)),
        {("corpus.json", "splits.val: says")},
    ),
    "manifest-balance": (
        manifest(lambda m: m["counts"]["sentences"].update({"in": 1})),
        {("corpus.json", "counts.sentences: 1 in, but 27 kept and 10 dropped")},
    ),
    "manifest-count-missing": (
        manifest(lambda m: m["counts"].pop("videos")),
        {("corpus.json", "counts.videos is missing")},
    ),
    "manifest-clips-kept": (
        manifest(lambda m: m["counts"]["clips"].update({"in": 13, "kept": 10})),
        {("corpus.json", "counts.clips.kept is 10; the shards list 9 samples")},
    ),
    "manifest-sentences-kept": (
        manifest(lambda m: m["counts"]["sentences"].update({"in": 38, "kept": 28})),
        {("corpus.json", "counts.sentences.kept is 28; 27 are in the samples")},
    ),
    "manifest-videos-kept": (
        manifest(lambda m: m["counts"]["videos"].update({"in": 8, "kept": 6})),
        {("corpus.json", "counts.videos.kept is 6; 5 videos")},
    ),
    "manifest-videos-dropped": (
        manifest(lambda m: m["counts"]["videos"].update({"in": 8, "dropped": 3})),
        {("corpus.json", "counts.videos.dropped is 3; the ledger has 2 video rows")},
    ),
    "manifest-shard-name": (
        manifest(lambda m: m["shards"][2].update(name="../val-000000.tar")),
        {
            ("corpus.json", "'../val-000000.tar' is not the name of a shard"),
            (SHARD, "not listed"),
            (INDEX, "not listed"),
            (f"plan {DELTA}", "in no shard"),
            ("plan delta-000090500-000111002", "in no shard"),
            ("ledger video 'delta'", "planned and without a sample"),
            ("corpus.json", "counts.videos.kept is 5; 4 videos"),
            ("corpus.json", "counts.sentences.kept is 27; 21 are"),
        },
    ),
    "manifest-shard-split": (
        manifest(lambda m: m["shards"].append(dict(m["shards"][2], name="test-000000.tar", samples=0, frames=0))),
        {("corpus.json", "listed under split 'val'"), ("corpus.json", "splits.val: says")},
    ),
    "manifest-shard-twice": (
        manifest(lambda m: m["shards"].append(dict(m["shards"][2], samples=0, frames=0))),
        {("corpus.json", "val-000000.tar is listed twice"), ("corpus.json", "splits.val: says")},
    ),
    "orphan-shard": (
        lambda root: shutil.copy(root / SHARD, root / "shards" / "val-000001.tar") and None,
        {("shards/val-000001.tar", "not listed in corpus.json")},
    ),
    "orphan-index": (
        lambda root: (root / "index" / "notes.txt").write_text("x") and None,
        {("index/notes.txt", "not listed in corpus.json")},
    ),
}

SHARD_DAMAGE: dict[str, tuple[Damage, Faults]] = {
    "shard-missing": (remove(SHARD), {(SHARD, "missing")}),
    "shard-hash": (
        manifest(lambda m: m["shards"][2].update(sha256="0" * 64)),
        {(SHARD, "the sha256 is not that of corpus.json")},
    ),
    "shard-size": (manifest(lambda m: m["shards"][2].update(bytes=1)), {(SHARD, "bytes; corpus.json says 1")}),
    "shard-is-folder": (
        both(remove(SHARD), lambda root: (root / SHARD).mkdir()),
        {(SHARD, "unreadable: Is a directory")},
    ),
    "tar-no-end": (raw_bytes(lambda b: b[:-1024]), {(SHARD, "without an end of archive")}),
    "tar-half-end": (raw_bytes(lambda b: b[:-512]), {(SHARD, "the end of the archive is not two empty blocks")}),
    "tar-tail": (raw_bytes(lambda b: b + b"\0" * 512), {(SHARD, "512 bytes follow the end")}),
    "tar-truncated": (
        raw_bytes(lambda b: b[:1100], seal=False),
        {
            (f"{SHARD} {DELTA}.json", "truncated: ends at byte 1,100 inside this member"),
            (SHARD, "1,100 bytes; corpus.json says"),
            (f"{SHARD} {DELTA}", "in the index, but not in the tar"),
            (f"{SHARD} delta-000090500-000111002", "in the index, but not in the tar"),
        },
    ),
    "tar-header": (
        raw_bytes(lambda b: flip(b, 3)),
        {
            (SHARD, "byte 0: not a tar header"),
            (f"{SHARD} {DELTA}", "in the index, but not in the tar"),
            (f"{SHARD} delta-000090500-000111002", "in the index, but not in the tar"),
        },
    ),
    "tar-padding": (
        raw_bytes(lambda b: flip(b, b.index(b"{") // 512 * 512 + 1535)),
        {(f"{SHARD} {DELTA}.json", "padding")},
    ),
    "tar-mtime": (header(mtime=1_700_000_000), {(f"{SHARD} {DELTA}.txt", "the header tells mtime 1700000000")}),
    "tar-user": (header(uname="ana", uid=1000), {(f"{SHARD} {DELTA}.txt", "the header tells uid 1000, uname 'ana'")}),
    "tar-group": (header(gname="staff", gid=20), {(f"{SHARD} {DELTA}.txt", "the header tells gid 20, gname 'staff'")}),
    "tar-mode": (header(mode=0o755), {(f"{SHARD} {DELTA}.txt", "the header is not a plain one")}),
    "tar-link": (header(type=tarfile.SYMTYPE, linkname="/etc"), {(f"{SHARD} {DELTA}.txt", "not a regular file")}),
    "tar-name": (
        members(rename(f"{DELTA}.001.jpg", "../../escape.jpg"), index=False),
        {
            (f"{SHARD} ../../escape.jpg", "not a name that a sample's file can have"),
            (f"{SHARD} {DELTA}", "the index lists 8 members; the tar has 3"),
            (f"{SHARD} {DELTA}", "the data does not have the sha256"),
            (f"{SHARD} {DELTA}", "its files are not together"),
            (f"{SHARD} {DELTA}", "the index says"),
            (f"{SHARD} ", "not in the index"),
            (f"{SHARD} ", "file 0 is ./../escape.jpg where .json belongs"),
            (f"{SHARD} {DELTA}", "file 0 is .002.jpg where .json belongs"),
            (f"{SHARD} {DELTA}", "the index lists 8 members; the tar has 4"),
        },
    ),
    "member-missing": (
        members(lambda m: m.pop(1)),
        {
            (f"{SHARD} {DELTA}", "file 1 is .000.jpg where .txt belongs"),
            (f"{INDEX} {DELTA}", "members are not its .json"),
        },
    ),
    "frame-missing": (
        members(lambda m: m.pop(7)),
        {(f"{INDEX} {DELTA}", "members are not its .json, its .txt and 6 frames")},
    ),
    "members-out-of-order": (
        members(lambda m: swap(m, 3, 4)),
        {(f"{SHARD} {DELTA}", "file 3 is .002.jpg where .001.jpg"), (f"{INDEX} {DELTA}", "members are not its .json")},
    ),
    "samples-out-of-order": (
        members(lambda m: m.extend(m[:8]) or m.__delitem__(slice(8))),
        {(SHARD, "the samples are not in the order of the index")},
    ),
    "sample-not-in-index": (
        members(lambda m: m.extend((name.replace("1502", "1503"), data) for name, data in m[:8])),
        {(f"{SHARD} delta-000001000-000021503", "not in the index")},
    ),
    "data-changed": (
        members(lambda m: m.__setitem__(2, (m[2][0], m[3][1].ljust(len(m[2][1]), b"\0")[: len(m[2][1])])), index=False),
        {(f"{SHARD} {DELTA}", "the data does not have the sha256 of the index")},
    ),
    "jpeg-cut": (data("002.jpg", corpora.jpeg(5)[:-300]), {(f"{SHARD} {DELTA}", ".002.jpg does not decode")}),
    "jpeg-not": (data("002.jpg", b"GIF89a"), {(f"{SHARD} {DELTA}", ".002.jpg does not decode")}),
    "jpeg-empty": (data("002.jpg", b""), {(f"{SHARD} {DELTA}", ".002.jpg does not decode")}),
    "jpeg-size": (
        data("002.jpg", corpora.jpeg(5, (48, 66))),
        {(f"{SHARD} {DELTA}", ".002.jpg is 66x48; frame_size is 64x48")},
    ),
    "text": (data("txt", b"something else"), {(f"{SHARD} {DELTA}", ".txt is not the sentences joined")}),
    "json-not": (data("json", b"{"), {(f"{SHARD} {DELTA}", ".json is not readable")}),
    "json-deep": (data("json", b"[" * 100_000), {(f"{SHARD} {DELTA}", ".json is not readable")}),
    "json-list": (data("json", b"[]"), {(f"{SHARD} {DELTA}", ".json is not readable: not an object")}),
    "json-field-missing": (content(lambda j: j.pop("license")), {(f"{SHARD} {DELTA}", ".json: license is missing")}),
    "json-field-extra": (content(lambda j: j.update(note=1)), {(f"{SHARD} {DELTA}", "'note' is not a field")}),
    "json-type": (
        content(lambda j: j.update(start_ms="1000")),
        {(f"{SHARD} {DELTA}", "start_ms is '1000', which is of the wrong")},
    ),
    "json-bool": (
        content(lambda j: j.update(position=False)),
        {(f"{SHARD} {DELTA}", "position is False, which is of the wrong")},
    ),
    "json-key": (
        content(lambda j: j.update(key=GAMMA)),
        {(f"{SHARD} {DELTA}", f".json: key is '{GAMMA}'; the index makes it")},
    ),
    "json-sentence": (
        content(lambda j: j["sentences"][0].update(text="?")),
        {(f"{SHARD} {DELTA}", ".json: sentences is")},
    ),
    "json-frame-sentence": (
        content(lambda j: j["frame_sentence"].reverse()),
        {(f"{SHARD} {DELTA}", ".json: frame_sentence is [2, 2, 1, 1, 0, 0]; the index makes it [0, 0, 1, 1, 2, 2]")},
    ),
    "json-times": (content(lambda j: j["frame_times_ms"].pop()), {(f"{SHARD} {DELTA}", ".json: frame_times_ms is")}),
    "json-source": (content(lambda j: j["source"].pop("fps")), {(f"{SHARD} {DELTA}", ".json: source is")}),
    "json-meta": (content(lambda j: j.update(meta={"a": "b"})), {(f"{SHARD} {DELTA}", ".json: meta is")}),
}

INDEX_DAMAGE: dict[str, tuple[Damage, Faults]] = {
    "index-missing": (remove(INDEX), {(INDEX, "missing")}),
    "index-cut": (raw_bytes(lambda b: b[:-9], INDEX, seal=False), {(INDEX, "unreadable")}),
    "index-empty-file": (raw_bytes(lambda b: b"", INDEX, seal=False), {(INDEX, "unreadable")}),
    "index-column": (
        lambda root: pq.write_table(pq.read_table(root / INDEX).drop_columns(["sha256"]), root / INDEX),
        {(INDEX, "column sha256 is missing")},
    ),
    "index-type": (
        lambda root: pq.write_table(_cast(pq.read_table(root / INDEX), "position", pa.string()), root / INDEX),
        {(INDEX, "column position is string, not int32")},
    ),
    "index-null": (index(paragraph=None), {(INDEX, "empty values in column paragraph")}),
    "index-null-inside": (index(frame_pts_ms=[None] * 6), {(INDEX, "empty values in column frame_pts_ms")}),
    "index-row-missing": (
        table(INDEX, lambda rows: rows.pop(1)),
        {
            (INDEX, "1 rows; corpus.json says 2 samples"),
            (f"{SHARD} delta-000090500-000111002", "not in the index"),
            ("plan delta-000090500-000111002", "in no shard"),
            ("corpus.json", "counts.sentences.kept is 27; 24 are"),
        },
    ),
    "index-frames": (
        both(
            manifest(lambda m: m["shards"][2].update(frames=11)),
            manifest(lambda m: m["splits"]["val"].update(frames=11)),
        ),
        {(INDEX, "12 frames; corpus.json says 11")},
    ),
    "index-offset": (
        table(INDEX, lambda rows: rows[0]["members"][2].update(offset=512)),
        {(f"{SHARD} {DELTA}", f"the index says {DELTA}.000.jpg at 512")},
    ),
    "index-hash": (index(sha256="0" * 64), {(f"{SHARD} {DELTA}", "the data does not have the sha256 of the index")}),
    "index-position": (
        index(position=7),
        {
            (f"{INDEX} {DELTA}", "position is 7; it is row 0"),
            (f"{SHARD} {DELTA}", ".json: position is 0; the index makes it 7"),
        },
    ),
    "index-shard": (
        index(shard="val-000007"),
        {(f"{INDEX} {DELTA}", "shard is 'val-000007'"), (f"{SHARD} {DELTA}", ".json: shard is 'val-000000'")},
    ),
    "index-url": (
        index(url="https://example.org/other"),
        {
            (f"{SHARD} {DELTA}", ".json: url is"),
            (f"index {DELTA}", "url is 'https://example.org/other'; the plan says"),
        },
    ),
    "index-words": (
        index(n_words=3),
        {(f"{INDEX} {DELTA}", "n_words is 3; it has 15"), (f"index {DELTA}", "n_words is 3; the plan says 15")},
    ),
    "index-meta": (
        index(meta="{"),
        {
            (f"{INDEX} {DELTA}", "meta is not a JSON object"),
            (f"index {DELTA}", "meta is '{'; the plan says"),
            (f"{SHARD} {DELTA}", ".json: meta is"),
        },
    ),
}


def everywhere(
    edit: Callable[[dict[str, Any]], Any], edit_content: Callable[[dict[str, Any]], Any] | None = None
) -> Damage:
    """The same change in plan, index and sample, so that nothing disagrees and only the rule itself is broken."""
    return both(in_plan(DELTA, edit), table(INDEX, lambda rows: edit(rows[0])), content(edit_content or edit))


RULE_DAMAGE: dict[str, tuple[Damage, Faults]] = {
    "times-off-the-rule": (
        everywhere(lambda row: row["frame_times_ms"].__setitem__(1, 4251)),
        {(f"{INDEX} {DELTA}", "frame_times_ms are not 2 per sentence by the rule: number 1 is 4251, not 4250")},
    ),
    "pts-fall": (
        both(
            *(
                f(lambda row: row["frame_pts_ms"].__setitem__(1, 999))
                for f in (lambda e: table(INDEX, lambda r: e(r[0])), content)
            )
        ),
        {(f"{INDEX} {DELTA}", "frame_pts_ms fall")},
    ),
    "pts-missing": (
        both(*(f(lambda row: row["frame_pts_ms"].pop()) for f in (lambda e: table(INDEX, lambda r: e(r[0])), content))),
        {(f"{INDEX} {DELTA}", "5 frame_pts_ms for 6 frame_times_ms"), (INDEX, "11 frames; corpus.json says 12")},
    ),
    "video-id": (
        everywhere(lambda row: row.update(video_id="omega")),
        {
            (f"{INDEX} {DELTA}", "the key does not match video_id 'omega'"),
            ("corpus.json", "counts.videos.kept is 5; 6 videos have samples"),
        },
    ),
    "start": (
        everywhere(lambda row: row.update(start_ms=999)),
        {(f"{INDEX} {DELTA}", "start_ms 999 and end_ms 21502 are not those of its first and last sentence")},
    ),
    "sentences-overlap": (
        everywhere(lambda row: row["sentences"][1].update(end_ms=15_003)),
        {
            (f"{INDEX} {DELTA}", "sentences overlap"),
            (f"{INDEX} {DELTA}", "frame_times_ms are not 2 per sentence"),
        },
    ),
    "paragraph": (
        both(
            in_plan(DELTA, lambda row: row.update(paragraph="so")),
            index(paragraph="so"),
            data("txt", b"so"),
        ),
        {(f"{INDEX} {DELTA}", "the paragraph is not its sentences")},
    ),
    "frame-size": (
        both(
            index(frame_height=40),
            content(lambda j: j.update(frame_size=[40, 64])),
            members(lambda m: m.__setitem__(slice(2, 8), [(n, corpora.jpeg(1, (40, 64))) for n, _ in m[2:8]])),
        ),
        {(f"{INDEX} {DELTA}", "frames of 64x40; the short side is set to 48")},
    ),
}


def _drop(rows: list[dict[str, Any]], **fields: str) -> None:
    rows.append(dict.fromkeys(rows[0], "") | fields)


def count(subject: str, dropped: int) -> Damage:
    def change(raw: dict[str, Any]) -> None:
        raw["counts"][subject]["dropped"] += dropped
        raw["counts"][subject]["in"] += dropped

    return lambda root: edit_manifest(root, change)


def drop(counted: str, **fields: str) -> Damage:
    return both(table(BUILD, lambda rows: _drop(rows, **fields)), count(counted, 1))


ACCOUNT_DAMAGE: dict[str, tuple[Damage, Faults]] = {
    "plan-missing": (lambda root: shutil.rmtree(root / "plan"), {("plan", "missing")}),
    "plan-cut": (
        lambda root: planned(root)[0].write_bytes(b"PAR1") and None,
        {("plan/part-00000.parquet", "unreadable")},
    ),
    "plan-row-missing": (
        lambda root: (
            [edit_table(p, lambda rows: rows.remove(r) if (r := _row(rows, GAMMA)) else None) for p in planned(root)]
            and None
        ),
        {(f"index {GAMMA}", "not in the plan"), ("plan", "the positions of shard 1 of split train are not 0, 1, 2")},
    ),
    "plan-row-twice": (
        lambda root: (
            [
                edit_table(p, lambda rows: rows.append(dict(r, position=99)) if (r := _row(rows, GAMMA)) else None)
                for p in planned(root)
            ]
            and None
        ),
        {(f"plan {GAMMA}", "planned twice"), ("plan", "the positions of shard 1 of split train are not 0, 1, 2")},
    ),
    "plan-license": (
        in_plan(GAMMA, lambda row: row.update(license="none")),
        {(f"index {GAMMA}", "license is 'CC BY 4.0'; the plan says 'none'")},
    ),
    "plan-order": (
        lambda root: _swap_positions(root, GAMMA, "gamma-000090500-000111002"),
        {("index train-000001", "the samples are not in the order of the plan")},
    ),
    "plan-two-shards": (
        both(
            in_plan(GAMMA, lambda row: row.update(shard=2, position=0)),
            in_plan("gamma-000090500-000111002", lambda row: row.update(shard=2, position=1)),
        ),
        {("index train-000001", "samples of 2 planned shards are in one")},
    ),
    "video-in-two-splits": (
        in_plan(EPSILON, lambda row: row.update(split="val", shard=1, position=0)),
        {("plan video 'epsilon'", "is in several splits: train, val"), ("plan", "the positions of shard")},
    ),
    "key-twice-in-corpus": (
        lambda root: _copy_sample(root),
        {
            (f"index {DELTA}", "in the corpus twice"),
            (f"{SHARD} {DELTA}", "its files are not together, or it occurs twice"),
        },
    ),
    "clip-row-missing": (
        both(table(BUILD, lambda rows: rows.remove(clip_row(rows, EPSILON))), count("clips", -1)),
        {
            (f"plan {EPSILON}", "in no shard, and no ledger row of stage decode says why"),
            ("ledger video 'epsilon'", "6 sentence rows of stage decode; its dropped long clips have 3"),
        },
    ),
    "clip-row-of-kept": (
        drop("clips", video_id="gamma", subject="clip", subject_id=GAMMA, stage="decode", reason="frames_damaged"),
        {
            (f"ledger {GAMMA}", "dropped, but it is in the corpus"),
            ("ledger video 'gamma'", "0 sentence rows of stage decode; its dropped long clips have 3"),
        },
    ),
    "clip-row-unplanned": (
        drop(
            "clips", video_id="x", subject="clip", subject_id="x-000000000-000000001", stage="decode", reason="timeout"
        ),
        {("ledger x-000000000-000000001", "dropped in stage decode, but not planned")},
    ),
    "clip-row-twice": (
        drop("clips", video_id="epsilon", subject="clip", subject_id=EPSILON, stage="decode", reason="timeout"),
        {(f"ledger {EPSILON}", "dropped twice in stage decode")},
    ),
    "clip-row-uncounted": (
        count("clips", 1),
        {("corpus.json", "counts.clips.dropped is 4; the ledger has 3 clip rows")},
    ),
    "video-row-of-kept": (
        drop("videos", video_id="gamma", subject="video", subject_id="gamma", stage="decode", reason="timeout"),
        {("ledger video 'gamma'", "dropped, but it has samples")},
    ),
    "video-row-missing": (
        both(table(BUILD, lambda rows: rows.remove(clip_row(rows, "epsilon"))), count("videos", -1)),
        {("ledger video 'epsilon'", "planned and without a sample, but has no video row")},
    ),
    "video-row-twice": (
        drop("videos", video_id="zeta", subject="video", subject_id="zeta", stage="read", reason="timeout"),
        {("ledger video 'zeta'", "dropped twice")},
    ),
    "sentence-row-missing": (
        both(table(BUILD, lambda rows: rows.remove(clip_row(rows, "epsilon.1000"))), count("sentences", -1)),
        {("ledger video 'epsilon'", "5 sentence rows of stage decode; its dropped long clips have 6 sentences")},
    ),
    "sentence-row-early": (
        table(PLAN, lambda rows: rows.remove(clip_row(rows, "alpha.alone"))),
        {("corpus.json", "counts.sentences.dropped is 10; the ledger has 9 sentence rows")},
    ),
    "ledger-reason": (
        table(PLAN, lambda rows: rows[0].update(reason="bad\x1b[31m")),
        {("ledger/part-plan-00000.parquet", r"reason 'bad\x1b[31m' does not exist")},
    ),
    "ledger-stage": (
        table(PLAN, lambda rows: rows[0].update(stage="later")),
        {("ledger/part-plan-00000.parquet", "stage 'later' does not exist")},
    ),
    "ledger-subject": (
        table(PLAN, lambda rows: rows[0].update(subject="frame")),
        {("ledger/part-plan-00000.parquet", "subject 'frame' does not exist")},
    ),
    "ledger-cut": (
        raw_bytes(lambda b: b[:-20], BUILD, seal=False),
        {("ledger/part-build-00000.parquet", "unreadable")},
    ),
}


def _cast(found: pa.Table, column: str, to: pa.DataType) -> pa.Table:
    return found.set_column(found.schema.get_field_index(column), column, found[column].cast(to))


def _row(rows: list[dict[str, Any]], key: str) -> dict[str, Any] | None:
    return next((row for row in rows if row["key"] == key), None)


def _swap_positions(root: Path, a: str, b: str) -> None:
    rows = {r["key"]: r for path in planned(root) for r in pq.read_table(path).to_pylist()}
    for key, other in ((a, b), (b, a)):
        in_plan(key, lambda row, at=rows[other]["position"]: row.update(position=at))(root)  # type: ignore[misc]


def _copy_sample(root: Path) -> None:
    """The first validation sample once more at the end of its shard, with every table telling so."""

    def again(found: corpora.Members) -> None:
        copied = json.loads(found[0][1]) | {"position": 2}
        found.append((found[0][0], json.dumps(copied, ensure_ascii=False).encode()))
        found.extend(found[1:8])

    edit_shard(root, VAL, again, index=False)


DAMAGE = MANIFEST_DAMAGE | SHARD_DAMAGE | INDEX_DAMAGE | RULE_DAMAGE | ACCOUNT_DAMAGE


@pytest.mark.parametrize("name", DAMAGE)
def test_reports_exactly_the_damage(corpus: Path, name: str) -> None:
    damage, expected = DAMAGE[name]
    damage(corpus)
    report = check(corpus)
    found = [(fault.where, fault.what) for fault in report.faults]
    unexpected = [f for f in found if not any(f[0] == where and what in f[1] for where, what in expected)]
    unseen = [e for e in expected if not any(where == e[0] and e[1] in what for where, what in found)]
    assert (unexpected, unseen) == ([], [])
    assert report.number >= len(expected)
    for fault in report.faults:
        assert str(fault).isprintable()


def test_a_sound_corpus_has_no_fault(sound: Path) -> None:
    report = check(sound)
    assert report == Report("small", 3, 9, 54, (), 0, True, None)


def test_processes_change_nothing(corpus: Path) -> None:
    SHARD_DAMAGE["jpeg-cut"][0](corpus)
    INDEX_DAMAGE["index-words"][0](corpus)
    assert check(corpus, workers=2) == check(corpus, workers=1)


def test_an_unfinished_corpus_is_no_corpus(corpus: Path) -> None:
    (corpus / "corpus.json").unlink()
    with pytest.raises(CorpusError, match=r"unfinished: no corpus\.json; run longtake build"):
        check(corpus)


def test_emptied_shards_move_the_later_ones_up(tmp_path: Path) -> None:
    """A planned shard that decoding emptied leaves no gap, and that is no fault."""
    corpora.build(tmp_path, ("delta", "epsilon"))
    assert check(tmp_path).faults == ()


def test_a_corpus_in_an_object_store(sound: Path) -> None:
    store, root = fsspec.filesystem("memory"), f"memory://{uuid.uuid4().hex}"
    for path in sound.rglob("*"):
        if path.is_file():
            store.pipe_file(f"{root}/{path.relative_to(sound)}", path.read_bytes())
    assert verify(root, workers=1).faults == ()
    store.rm_file(f"{root}/{SHARD}")
    assert [str(fault) for fault in verify(root, workers=1).faults] == [f"{SHARD}: missing"]
    store.rm(root, recursive=True)


class TestSample:
    def test_says_how_many_were_read(self, sound: Path) -> None:
        assert check(sound, sample=4).drawn == 4
        assert check(sound, sample=100).drawn == 9
        assert check(sound, sample=0).drawn == 0

    def test_reads_only_the_drawn(self, corpus: Path) -> None:
        """With every sample damaged, as many are reported as were drawn; the same ones for the same seed."""
        for name in ("train-000000", "train-000001", VAL):
            edit_shard(corpus, name, lambda m: m.__setitem__(slice(0, None), [_spoilt(*x) for x in m]), index=False)
        chosen = {seed: {f.where for f in check(corpus, sample=3, seed=seed).faults} for seed in range(4)}
        assert {len(where) for where in chosen.values()} == {3}
        assert chosen[1] == {f.where for f in check(corpus, sample=3, seed=1, workers=2).faults}
        assert len(set(map(frozenset, chosen.values()))) > 1

    @pytest.mark.parametrize(
        "name", ["jpeg-cut", "text", "json-key", "tar-mtime", "tar-link", "data-changed", "tar-padding"]
    )
    def test_finds_what_the_whole_check_finds(self, corpus: Path, name: str) -> None:
        damage, expected = SHARD_DAMAGE[name]
        damage(corpus)
        found = [(fault.where, fault.what) for fault in check(corpus, sample=9).faults]
        assert [e for e in expected if not any(w == e[0] and e[1] in what for w, what in found)] == []

    @pytest.mark.parametrize(
        "name", [*ACCOUNT_DAMAGE.keys() - {"key-twice-in-corpus"}, *RULE_DAMAGE, "index-row-missing"]
    )
    def test_checks_all_tables(self, corpus: Path, name: str) -> None:
        damage, expected = DAMAGE[name]
        damage(corpus)
        found = [(fault.where, fault.what) for fault in check(corpus, sample=0).faults]
        of_tables = [e for e in expected if not e[0].startswith("shards/")]
        assert [e for e in of_tables if not any(w == e[0] and e[1] in what for w, what in found)] == []

    def test_members_must_fill_the_tar(self, corpus: Path) -> None:
        INDEX_DAMAGE["index-offset"][0](corpus)
        assert [f.where for f in check(corpus, sample=0).faults] == [f"{INDEX} {DELTA}"]
        assert {f.where for f in check(corpus, sample=9).faults} == {f"{INDEX} {DELTA}", f"{SHARD} {DELTA}"}

    def test_a_missing_or_short_shard(self, corpus: Path) -> None:
        (corpus / SHARD).write_bytes((corpus / SHARD).read_bytes()[:-700])
        assert {f.where for f in check(corpus, sample=0).faults} == {SHARD}
        (corpus / SHARD).unlink()
        assert ("missing" in str(check(corpus, sample=0).faults[0])) is True


def _spoilt(name: str, data: bytes) -> tuple[str, bytes]:
    return (name, b"\xff" + data[1:]) if name.endswith("txt") else (name, data)


def test_many_faults_of_a_file_are_counted_not_listed() -> None:
    faults = FaultList("plan")
    faults.add_each(range(50), "wrong", str)
    assert faults.number == 50
    assert len(faults.lines()) == 21
    assert faults.lines()[-1] == Fault("plan", "and 30 more faults in this file")


def test_what_a_fault_says_is_safe_for_a_terminal() -> None:
    assert str(Fault("shards/a\n.tar", "\x1b]0;x\x07\u202e é 日")) == r"shards/a\n.tar: \x1b]0;x\x07\u202e é 日"
