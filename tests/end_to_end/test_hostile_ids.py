"""Ids that nobody vouches for never lead out of the output, and never meet."""

import io
import json
import tarfile
from pathlib import Path

from sources import LAST_MAN, MAMMALS, Record, Video, build, ledger, rows_of, source_set, spoken, write_rows

from longtake.schemas.keys import is_sample_key

IDS = [
    "../../x",
    "a/b",
    "a_b",
    "\x00",
    "x" * 400,
    "\U0001f427 penguin",
    "..",
    ".",
    "-rf",
    "Case",
    "case",
    "%2e%2e%2f",
    "C:\\windows",
    "line\nbreak",
    "quote'\"; DROP TABLE plan",
    "[bold]markup[/bold]",
    "{video_id}",
    "*",
    "caf\u00e9",
    "cafe\u0301",
]


def record(video_id: str) -> Record:
    sentences = [
        {"clip_id": f"{video_id}/{i}", "start_ms": s, "end_ms": e, "text": t} for i, (s, e, t) in enumerate(spoken(2))
    ]
    return {"video_id": video_id, "uri": "videos/v.mp4", "sentences": sentences}


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_hostile_ids_stay_inside_and_apart(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down" / "here"
    sources = source_set(
        folder, [Video("v", (), LAST_MAN)], frames={"short_side": 16, "per_sentence": 1}, shards={"samples": 64}
    )
    write_rows(folder / "videos.jsonl", [record(i) for i in IDS])
    before = everything_below(tmp_path)
    build(sources)
    written = everything_below(tmp_path) - before
    assert all(path.startswith("deep/down/here/out") for path in written)

    rows = rows_of(sources.output, "index")
    assert sorted(row["video_id"] for row in rows) == sorted(IDS), "each is in the corpus, as it was written"
    keys = [row["key"] for row in rows]
    assert len(set(keys)) == len(IDS)
    assert all(is_sample_key(key) for key in keys)
    with tarfile.open(fileobj=io.BytesIO((sources.output / "shards" / "train-000000.tar").read_bytes())) as tar:
        names = tar.getnames()
        described = [json.load(tar.extractfile(n)) for n in names if n.endswith(".json")]  # type: ignore[arg-type]
        tar.extractall(tmp_path / "unpacked", filter="data")
    assert sorted(d["video_id"] for d in described) == sorted(IDS)
    assert sorted(p.name for p in (tmp_path / "unpacked").iterdir()) == sorted(names), "no directories, no name lost"
    assert all(len(name.encode()) <= 100 for name in names)


def test_hostile_ids_in_templates_name_no_file_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down" / "here"
    sources = source_set(folder, [Video("good", spoken(2), MAMMALS)], "vtt", max_failed=1.0)
    for name in ("x", "b"):
        (tmp_path / f"{name}.mp4").symlink_to(MAMMALS)
        (tmp_path / f"{name}.vtt").write_text((folder / "subs" / "good.vtt").read_text())
    write_rows(folder / "videos.jsonl", [{"video_id": i} for i in ("good", *IDS)])
    sources.change(source=sources.settings["source"] | {"uri": "videos/{video_id}.mp4"})
    build(sources)
    assert [row["video_id"] for row in rows_of(sources.output, "index")] == ["good"]
    lost = {row["video_id"]: row["reason"] for row in ledger(sources.output) if row["subject"] == "video"}
    assert set(lost) == set(IDS)
    assert {lost[i] for i in ("../../x", "a/b", "\x00", "..", ".", "line\nbreak", "x" * 400)} == {"unsafe_uri"}
