"""Published groups: each is a long clip, or has exactly one row in the ledger, whatever became of its video."""

import hashlib
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sources import LAST_MAN, Video, build, ledger, rows_of, source_set, spoken, write_rows

from longtake.pipeline.verify.corpus import verify

GROUPS = [
    ["here.1", "here.2", "here.3"],  # a long clip
    ["here.4", "here.5"],  # and another
    ["here.5", "here.6"],  # shares a clip
    ["missing.1", "missing.2"],  # their video is not there
    ["missing.3", "missing.4"],
    ["here.6", "missing.5"],  # of two videos
    ["nobody.1", "nobody.2", "nobody.3"],  # of none
    ["late.1", "late.2"],  # after the end of their video
    ["late.1", "late.2"],  # listed twice: one group
]


def group_id(clip_ids: list[str]) -> str:
    """As documented: a digest of the sorted ids, whatever their order in the file."""
    text = json.dumps(sorted(clip_ids), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_lines_in_are_used_or_rejected_once(tmp_path: Path) -> None:
    late = tuple((a + 60_000, b + 60_000, text) for a, b, text in spoken(2))
    videos = [Video("here", spoken(6), LAST_MAN), Video("missing", spoken(5), LAST_MAN), Video("late", late, LAST_MAN)]
    sources = source_set(tmp_path, videos, "vtt", frames={"short_side": 32, "per_sentence": 1}, max_failed=1)
    write_rows(tmp_path / "groups.jsonl", GROUPS)  # type: ignore[arg-type]
    sources.change(source=sources.settings["source"] | {"groups": "groups.jsonl"})
    (tmp_path / "videos" / "missing.mp4").unlink()
    printed = build(sources, workers=1, probe="header")
    used = [[s["clip_id"] for s in row["sentences"]] for row in rows_of(sources.output, "plan")]
    assert sorted(used) == [["here.1", "here.2", "here.3"], ["here.4", "here.5"]]
    records = [row for row in ledger(sources.output) if row["subject"] == "record"]
    rejected = [row["subject_id"] for row in records if row["reason"].startswith("group_")]
    wanted = {group_id(group) for group in GROUPS}
    assert sorted([*map(group_id, used), *rejected]) == sorted(wanted), "each once"
    assert "no such file: videos/missing.mp4" in {row["detail"] for row in ledger(sources.output)}
    details = {row["subject_id"]: row["detail"] for row in records}
    assert details[group_id(GROUPS[3])].endswith("its video cannot be used: missing")

    row = next(line for line in printed.splitlines() if "published groups" in line)
    assert re.findall(r"\d+", row) == ["8", "2", "6"]
    assert verify(str(sources.output)).faults == ()
    part = next(sources.output.glob("ledger/part-plan-*.parquet"))
    table = pq.read_table(part)
    at = table.column("subject_id").to_pylist().index(group_id(GROUPS[3]))
    pq.write_table(pa.concat_tables([table, table.slice(at, 1)]), part)
    assert [str(fault) for fault in verify(str(sources.output)).faults] == [
        f"ledger group {group_id(GROUPS[3])!r}: has several rows"
    ]
    pq.write_table(pa.concat_tables([table.slice(0, at), table.slice(at + 1)]), part)
    assert [str(fault) for fault in verify(str(sources.output)).faults] == [
        "ledger: 8 published groups; 2 became long clips and 5 have a row of their own"
    ]
