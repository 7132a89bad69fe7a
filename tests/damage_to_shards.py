"""Damage to corpus.json and to shards, and the faults that `verify` reports of it."""

import shutil
import tarfile

import corpora
from damage import (
    DELTA,
    GAMMA,
    INDEX,
    SHARD,
    Damage,
    Faults,
    both,
    content,
    data,
    flip,
    giant_header,
    header,
    leave_a_gap,
    manifest,
    members,
    raw_bytes,
    remove,
    rename,
    swap,
)

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
    "shard-names-with-a-gap": (
        leave_a_gap,
        {("corpus.json", "the names of split train are not contiguous: train-000001.tar missing")},
    ),
    "orphan-shard": (
        lambda root: shutil.copy(root / SHARD, root / "shards" / "val-000001.tar"),
        {("shards/val-000001.tar", "not listed in corpus.json")},
    ),
    "orphan-index": (
        lambda root: (root / "index" / "notes.txt").write_text("x"),
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
        raw_bytes(lambda b: flip(b, 1535)),
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
            (f"{SHARD} {DELTA}", "file 3 is .002.jpg where .001.jpg belongs"),
            (f"{SHARD} {DELTA}", f"the index says {DELTA}.001.jpg"),
            (f"{SHARD} {DELTA}", "the index lists 8 members; the tar has 7"),
            (f"{SHARD} {DELTA}", "the data does not have the sha256"),
        },
    ),
    "tar-giant": (
        raw_bytes(lambda b: giant_header() + b[512:]),
        {
            (f"{SHARD} {DELTA}.json", "a member of 1,099,511,627,776 bytes cannot belong to a sample"),
            (f"{SHARD} {DELTA}", "in the index, but not in the tar"),
            (f"{SHARD} delta-000090500-000111002", "in the index, but not in the tar"),
        },
    ),
    "sample-in-two-places": (
        members(lambda m: m.append(m.pop(7))),
        {
            (f"{SHARD} {DELTA}", "its files are not together, or it occurs twice"),
            (f"{SHARD} {DELTA}", "file 0 is .005.jpg where .json belongs"),
            (f"{SHARD} {DELTA}", f"the index says {DELTA}.json at 512"),
            (f"{SHARD} {DELTA}", "the index lists 8 members; the tar has 7"),
            (f"{SHARD} {DELTA}", "the index lists 8 members; the tar has 1"),
            (f"{SHARD} {DELTA}", "the data does not have the sha256 of the index"),
            (SHARD, "the samples are not in the order of the index"),
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
        members(lambda m: m.__setitem__(slice(None), m[8:] + m[:8])),
        {(SHARD, "the samples are not in the order of the index")},
    ),
    "sample-not-in-index": (
        members(lambda m: m.extend((name.replace("1502", "1503"), data) for name, data in m[:8])),
        {(f"{SHARD} delta-000001000-000021503", "not in the index")},
    ),
    "data-changed": (
        members(lambda m: m.__setitem__(2, (m[2][0], flip(m[2][1], 15))), index=False),
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
        {(f"{SHARD} {DELTA}", "start_ms is '1000', which is of")},
    ),
    "json-bool": (
        content(lambda j: j.update(position=False)),
        {(f"{SHARD} {DELTA}", "position is False, which is of")},
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
