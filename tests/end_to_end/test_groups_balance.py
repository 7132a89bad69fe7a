"""Published groups: each is a long clip, or has exactly one row in the ledger, whatever became of its video."""

import hashlib
import json
from pathlib import Path

from sources import LAST_MAN, Video, build, ledger, rows_of, source_set, spoken, write_rows

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
    build(sources, workers=1, probe="header")
    used = [[s["clip_id"] for s in row["sentences"]] for row in rows_of(sources.output, "plan")]
    assert sorted(used) == [["here.1", "here.2", "here.3"], ["here.4", "here.5"]]
    records = [row for row in ledger(sources.output) if row["subject"] == "record"]
    rejected = [row["subject_id"] for row in records if row["reason"].startswith("group_")]
    wanted = {group_id(group) for group in GROUPS}
    assert sorted([*map(group_id, used), *rejected]) == sorted(wanted), "each once"
    details = {row["subject_id"]: row["detail"] for row in records}
    assert details[group_id(GROUPS[3])].endswith("its video cannot be used: missing")
