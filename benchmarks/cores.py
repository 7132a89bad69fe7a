"""What a small job costs on a machine of many cores: CPU seconds of `longtake build` for five short videos, by decode slots.

    python benchmarks/cores.py                              1, 2, 8, 16, 32 and 64 slots
    python benchmarks/cores.py --before LINKS --up-to 32    beside an earlier state: a folder whose `longtake/` has its packages

Slots beyond the cores of this machine cost the same CPU time here as on one that has them; wall time is not compared.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from material import real_videos
from measure import RESULTS, Failed, machine, machine_line, markdown, write_results
from rich.console import Console

SLOTS = (1, 2, 8, 16, 32, 64)
_VIDEOS = 5


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, metavar="LINKS")
    parser.add_argument("--up-to", type=int, default=16, help="slots of the earlier state: its cost grows with them")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one slot")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def configuration(folder: Path) -> Path:
    """Five videos of ten sentences each, all the same small file."""
    video = min((v.path for v in real_videos() if v.codec == "h264"), key=lambda path: path.stat().st_size)
    sentences = [{"start": n, "end": n + 0.9, "text": f"This is sentence number {n}."} for n in range(9)]
    rows = [{"video_id": f"v{n}", "uri": str(video), "sentences": sentences} for n in range(_VIDEOS)]
    (folder / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "corpus.yaml"
    path.write_text("name: cores\noutput: out\nsource:\n  videos: videos.jsonl\nmerge: {min_sentences: 2}\n")
    return path


def cost(slots: int, links: Path | None) -> float:
    """CPU seconds of one build, children included. Raises Failed."""
    environment = {**os.environ, **({"PYTHONPATH": str(links)} if links else {})}
    with tempfile.TemporaryDirectory(prefix="longtake-cores-") as folder:
        config = configuration(Path(folder))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "longtake.jobs.cli", "build", str(config), f"--workers={slots}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise Failed(f"{slots} slots: {done.stderr.strip()[-500:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(), machine()
    rows: list[dict[str, Any]] = []
    for slots in SLOTS[:1] if options.quick else SLOTS:
        row: dict[str, Any] = {"slots": slots, "now": round(cost(slots, None), 2)}
        if options.before and slots <= options.up_to:
            row["before"] = round(cost(slots, options.before), 2)
        rows.append(row)
        console.print(row, highlight=False)
    headings = ["decode slots", "before, CPU-s", "now, CPU-s"]
    table = markdown(headings, [[str(r["slots"]), f"{r.get('before', '-')}", f"{r['now']}"] for r in rows])
    path = write_results("cores", options.results, facts, {"videos": _VIDEOS, "runs": rows})
    path.with_suffix(".md").write_text(table)
    console.print(table, markup=False)
    console.print(machine_line(facts), style="dim")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
