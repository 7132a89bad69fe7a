"""Plans that are not plain: CPU and peak memory at a million sentences, each kind in a fresh process.

    python benchmarks/plan_kinds.py                       about 6 minutes of one idle core
    python benchmarks/plan_kinds.py --videos 5000 --only edited
    python benchmarks/plan_kinds.py --only coherence      with models: half an hour for the two
    python benchmarks/plan_kinds.py --videos 5000 --only captions

The input is that of plan.py. `groups` makes long clips of published groups of four sentences; `decisions` rejects every tenth
video and every tenth long clip; `quota` splits by exact quota; `edited` takes over a plan without every tenth row, from a file
with row groups of 20,000. `coherence` and `captions` have random models of one and two layers in place of real ones: what is
measured is what waits for them. Torch takes memory of its own, so it takes two sizes to tell.
It exits with code 1 if a kind without a model takes more than 650 MB at a million sentences, or if any loses a sentence.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from measure import CACHE, RESULTS, Failed, Run, child, machine, report
from synthetic import write_hdvila
from tiny_models import write_caption_model, write_sentence_model

_CLIPS = 20
_MEMORY_MB = 650  # up to a million sentences
_ROW_GROUP = 20_000
_WITH_MODELS = ("coherence", "captions")
_NOTE = "reject by Ann at 2026-11-25T18:20:05Z: blurred"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=50_000, help=f"of {_CLIPS} sentences each")
    parser.add_argument("--only", nargs="*", default=["paragraphs", "groups", "decisions", "quota", "edited"])
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def settings_of(kind: str, folder: Path, plain: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a kind, whose inputs are written if they are missing."""
    changed: dict[str, Any] = {"output": f"out-{kind}"}
    if kind == "paragraphs":
        changed["duplicates"] = {"paragraphs": "drop"}
    elif kind == "quota":
        changed["split_by"] = "quota"
    elif kind == "coherence":
        model = write_sentence_model(CACHE / "tiny-sentence-model")
        changed["coherence"] = {"enabled": True, "model": str(model), "device": "cpu", "batch_size": 256}
    elif kind == "captions":
        model = write_caption_model(CACHE / "tiny-caption-model")
        changed["captions"] = {"model": str(model), "device": "cpu", "max_new_tokens": 2}
    elif kind == "groups":
        changed["source"] = plain["source"] | {"groups": "groups.jsonl"}
        _write_groups(folder)
    return plain | changed


def _write_groups(folder: Path) -> None:
    with open(folder / "metadata.jsonl") as records, open(folder / "groups.jsonl", "w") as groups:
        for record in map(json.loads, records):
            ids = [clip["clip_id"] for clip in record["clip"]]
            groups.writelines(json.dumps({"clip_id": ids[at : at + 4]}) + "\n" for at in range(0, len(ids), 4))


def _rejects(plan: Path) -> dict[str, dict[str, str]]:
    """Every tenth long clip of a plan, and every tenth video."""
    rows = pq.read_table(plan, columns=["key", "video_id"]).to_pydict()
    videos = sorted(set(rows["video_id"]))
    return {"samples": dict.fromkeys(sorted(rows["key"])[::10], _NOTE), "videos": dict.fromkeys(videos[::10], _NOTE)}


def _write_edit(plan: Path, edited: Path) -> None:
    shutil.rmtree(edited, ignore_errors=True)
    edited.mkdir()
    files = sorted(plan.glob("*.parquet"))
    with pq.ParquetWriter(edited / "plan.parquet", pq.read_schema(files[0])) as writer:
        for file in files:
            rows = pq.read_table(file)
            writer.write_table(rows.filter([n % 10 != 3 for n in range(len(rows))]), row_group_size=_ROW_GROUP)


def measure(kind: str, config: Path) -> Run:
    """One run in a fresh process. Raises Failed where a sentence is missing."""
    folder, plain = config.parent, yaml.safe_load(config.read_text())
    path, plan = folder / f"{kind}.yaml", folder / "out" / "plan"
    path.write_text(yaml.safe_dump(settings_of(kind, folder, plain)))
    shutil.rmtree(folder / f"out-{kind}", ignore_errors=True)
    job: dict[str, Any] = {"command": "plan", "config": str(path), "probe": "none", "workers": 1}
    if kind == "decisions":
        (folder / "rejects.json").write_text(json.dumps(_rejects(plan)))
        job["rejects"] = str(folder / "rejects.json")
    if kind == "edited":
        shutil.copytree(folder / "out", folder / "out-edited")
        _write_edit(plan, folder / "edited")
        job |= {"command": "adopt", "edited": str(folder / "edited")}
    return child("job_child.py", job)


def _write(found: list[dict[str, Any]], folder: Path, facts: dict[str, Any]) -> None:
    headings = ["plan", "sentences", "kept", "CPU-s", "peak memory, MB", "scratch, MB"]
    rows = [[f["kind"], *(f"{value:,}" for value in list(f.values())[1:])] for f in found]
    report("plan_kinds", "Plans that are not plain", headings, rows, {"runs": found}, folder, facts)


def main() -> None:
    """Measure, print, write."""
    options, facts, found = arguments(), machine(), []
    config = write_hdvila(CACHE / f"hdvila-{options.videos}x{_CLIPS}", options.videos, _CLIPS)
    if not (config.parent / "out" / "plan" / "_plan.json").exists():
        child("job_child.py", {"command": "plan", "config": str(config), "probe": "none", "workers": 1})
    for kind in options.only:
        run = measure(kind, config)
        total, kept, dropped = run.report["counts"]["sentences"]
        if total != options.videos * _CLIPS or kept + dropped != total:
            raise Failed(f"{kind}: {options.videos * _CLIPS} sentences, of them {kept} kept and {dropped} dropped")
        start, end = run.report["start"], run.report["end"]
        cpu, memory, disk = end["own_cpu"] - start["own_cpu"], run.peak_rss / 1e6, run.peak_disk / 1e6
        figures = {"kind": kind, "sentences": total, "kept": kept, "cpu_seconds": round(cpu, 1)}
        found.append(figures | {"peak_rss_mb": round(memory), "peak_disk_mb": round(disk)})
        _write(found, options.results, facts)
    plain = [f for f in found if f["kind"] not in _WITH_MODELS]
    above = [f for f in plain if f["sentences"] <= 1_000_000 and f["peak_rss_mb"] > _MEMORY_MB]
    if above:
        raise Failed("; ".join(f"{f['kind']}: {f['peak_rss_mb']:,} MB are above {_MEMORY_MB}" for f in above))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        raise SystemExit(str(failure)) from None
