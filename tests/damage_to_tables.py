"""Damage to index, plan and ledger, and the faults that `verify` reports of it."""

import shutil

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
from damage import (
    BETA,
    BUILD,
    DELTA,
    EPSILON,
    GAMMA,
    INDEX,
    PLAN,
    SHARD,
    Damage,
    Faults,
    both,
    cast,
    clip_row,
    content,
    copy_sample,
    count,
    data,
    drop,
    everywhere,
    in_plan,
    index,
    manifest,
    measured,
    members,
    not_utf8,
    plan_rows,
    planned,
    raw_bytes,
    remove,
    swap_positions,
    swap_shards,
    table,
)

INDEX_DAMAGE: dict[str, tuple[Damage, Faults]] = {
    "index-missing": (remove(INDEX), {(INDEX, "missing")}),
    "index-cut": (raw_bytes(lambda b: b[:-9], INDEX, seal=False), {(INDEX, "unreadable")}),
    "index-empty-file": (raw_bytes(lambda b: b"", INDEX, seal=False), {(INDEX, "unreadable")}),
    "index-column": (
        lambda root: pq.write_table(pq.read_table(root / INDEX).drop_columns(["sha256"]), root / INDEX),
        {(INDEX, "column sha256 is missing")},
    ),
    "index-type": (
        lambda root: pq.write_table(cast(pq.read_table(root / INDEX), "position", pa.string()), root / INDEX),
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
    "index-split": (
        index(split="train"),
        {
            (f"{INDEX} {DELTA}", "split is 'train'"),
            (f"index {DELTA}", "split is 'train'; the plan says 'val'"),
            (f"{SHARD} {DELTA}", ".json: split is 'val'"),
        },
    ),
    "index-not-utf8": (not_utf8, {(INDEX, "unreadable")}),
    "index-column-more": (
        lambda root: pq.write_table(
            pq.read_table(root / INDEX).append_column("note", pa.array(["", ""])), root / INDEX
        ),
        {(INDEX, "column 'note' is not part of this table")},
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
        measured(lambda times: times.pop()),
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
    "sentence-without-time": (
        everywhere(lambda row: row["sentences"][1].update(end_ms=8_001)),
        {(f"{INDEX} {DELTA}", "a sentence ends before"), (f"{INDEX} {DELTA}", "number 3 is 11251, not 8001")},
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


ACCOUNT_DAMAGE: dict[str, tuple[Damage, Faults]] = {
    "plan-missing": (lambda root: shutil.rmtree(root / "plan"), {("plan", "missing")}),
    "plan-cut": (
        lambda root: planned(root)[0].write_bytes(b"PAR1"),
        {("plan/part-00000.parquet", "unreadable")},
    ),
    "plan-row-missing": (
        plan_rows(lambda rows, row: rows.remove(row)),
        {(f"index {GAMMA}", "not in the plan"), ("plan", "the positions of shard 1 of split train are not 0, 1, 2")},
    ),
    "plan-row-twice": (
        plan_rows(lambda rows, row: rows.append(dict(row, position=99))),
        {(f"plan {GAMMA}", "planned twice"), ("plan", "the positions of shard 1 of split train are not 0, 1, 2")},
    ),
    "plan-license": (
        in_plan(GAMMA, lambda row: row.update(license="none")),
        {(f"index {GAMMA}", "license is 'CC BY 4.0'; the plan says 'none'")},
    ),
    "plan-order": (
        lambda root: swap_positions(root, GAMMA, "gamma-000090500-000111002"),
        {("index train-000001", "the samples are not in the order of the plan")},
    ),
    "plan-no-place": (
        in_plan(EPSILON, lambda row: row.update(shard=-1)),
        {
            (f"plan/part-00001.parquet {EPSILON}", "has no place in a shard"),
            ("plan", "the positions of shard"),
        },
    ),
    "plan-shards-swapped": (
        swap_shards,
        {("index train-000001", "the shards are not numbered in the order of the plan")},
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
        copy_sample,
        {(f"index {BETA}", "in the corpus twice"), ("index train-000001", "samples of 2 planned shards are in one")},
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
