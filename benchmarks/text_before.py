"""How fast the text side is beside an earlier state of the code: benchmarks/text.py of both, by turns.

git worktree add ../before COMMIT
python benchmarks/text_before.py ../before
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measure import HERE, RESULTS, machine, machine_line, markdown, write_results
from rich.console import Console

_PACKAGES = ("schemas", "pipeline", "model", "jobs")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="a checkout of the earlier state")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def measured(checkout: Path) -> dict[str, int]:
    """Sentences per CPU-second of each form, by the benchmark that lies in the checkout."""
    with tempfile.TemporaryDirectory() as folder:
        links = Path(folder, "longtake")
        links.mkdir()
        for package in _PACKAGES:
            (links / package).symlink_to(checkout / package)
        environment = {**os.environ, "PYTHONPATH": folder}
        command = [sys.executable, str(checkout / "benchmarks" / "text.py"), "--results", folder]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        runs = json.loads(Path(folder, "text.json").read_text())["results"]["runs"]
    return {run["form"]: run["sentences_per_cpu_second"] for run in runs}


def main() -> None:
    """Measure, print, write."""
    options, console, facts = arguments(), Console(), machine()
    before, now = options.before.resolve(), HERE.parent
    pairs = [(measured(before), measured(now)) for _ in range(options.pairs)]
    commit = subprocess.run(
        ["git", "-C", str(before), "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    rows = []
    for form in pairs[0][1]:
        if form in pairs[0][0]:
            old, new = (median(pair[side][form] for pair in pairs) for side in (0, 1))
            rows.append({"form": form, "before": round(old), "now": round(new), "ratio": round(new / old, 2)})
    headings = ["transcripts", f"sentences per CPU-s at {commit}", "now", "ratio"]
    table = markdown(headings, [[r["form"], f"{r['before']:,}", f"{r['now']:,}", f"{r['ratio']}"] for r in rows])
    console.print(machine_line(facts), table, sep="\n", markup=False)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "text_before.md").write_text(table)
    write_results("text_before", options.results, facts, {"before": commit, "pairs": options.pairs, "rows": rows})


if __name__ == "__main__":
    main()
