"""Measuring fresh child processes, and writing down what was measured and on what machine."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
#: Where made-up inputs are kept between runs.
CACHE = Path(os.environ.get("LONGTAKE_BENCH_CACHE", Path(tempfile.gettempdir()) / "longtake-benchmarks"))
_PACKAGES = (
    "longtake", "apache-beam", "av", "decord", "imageio-ffmpeg", "numpy", "pyarrow", "simplejpeg", "torch", "torchcodec",
)  # fmt: skip
_SAMPLE_SECONDS = 0.1


class Failed(Exception):
    """A measured process failed, or did other work than it was asked for. The benchmark ends with exit code 1."""


@dataclass(frozen=True)
class Run:
    """What a child process reported, its wall time, and in bytes the peaks of its process tree's memory and scratch files."""

    report: dict[str, Any]
    wall: float
    peak_rss: int
    peak_processes: dict[str, int]  # RSS of each process at the peak, by what it is
    peak_disk: int = 0


def child(script: str, job: dict[str, Any], env: dict[str, str] | None = None, timeout: float = 3600) -> Run:
    """Run `script` of this folder in a fresh process with `job`, and return what it reported. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="longtake-bench-") as folder:
        job_file, report_file = Path(folder, "job.json"), Path(folder, "report.json")
        job_file.write_text(json.dumps(job))
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        own = {"PYTHONWARNINGS": "ignore", "TMPDIR": str(scratch), "LONGTAKE_BENCH_CACHE": str(CACHE)}
        start = time.monotonic()
        with open(Path(folder, "log"), "w+b") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / script), str(job_file), str(report_file)],
                stdout=log, stderr=log, env=os.environ | own | (env or {}),
            )  # fmt: skip
            sampler = Sampler(process.pid, scratch)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                raise Failed(f"{script}: took more than {timeout:g} s") from None
            finally:
                process.kill()  # where this was interrupted, or it took too long
                sampler.stop()
            wall = time.monotonic() - start
            if code or not report_file.exists():
                log.seek(0)
                raise Failed(f"{script} ended with {code}:\n{log.read().decode(errors='replace')[-3000:]}")
        return Run(json.loads(report_file.read_text()), wall, sampler.peak, sampler.at_peak, sampler.peak_disk)


class Sampler:
    """Samples the resident memory of a process and all its descendants, and the size of its scratch folder. `peak` and
    `peak_disk` are in bytes, `at_peak` by process."""

    def __init__(self, pid: int, scratch: Path | None = None) -> None:
        self.peak, self.at_peak, self.peak_disk = 0, {}, 0
        self._pid, self._scratch, self._done = pid, scratch, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            sizes = _tree_rss(self._pid)
            if sum(sizes.values()) > self.peak:
                self.peak, self.at_peak = sum(sizes.values()), sizes
            if self._scratch is not None:
                self.peak_disk = max(self.peak_disk, _bytes_in(self._scratch))


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it has gone since it was listed
            total += path.stat().st_size
    return total


def _tree_rss(pid: int) -> dict[str, int]:
    sizes: dict[str, int] = {}
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            name = "job" if process.pid == pid else f"child {process.pid}"
            sizes[name] = process.memory_info().rss
    except psutil.Error:
        pass
    return sizes


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "ram_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine_line(facts: dict[str, Any]) -> str:
    """The machine in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items() if version)
    return (
        f"{facts['cores']} cores of {facts['cpu']}, {facts['ram_gb']} GB, Linux {facts['kernel']}, "
        f"Python {facts['python']}; {versions}; {facts['date']}, load {facts['load_average'][0]} at the start"
    )


def write_results(name: str, folder: Path, facts: dict[str, Any], results: dict[str, Any]) -> Path:
    """Write `<folder>/<name>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"machine": facts, "results": results}, indent=1) + "\n")
    return path


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    """A table for docs/benchmarks.md."""
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def report(
    name: str,
    title: str,
    headings: list[str],
    rows: list[list[str]],
    results: dict[str, Any],
    folder: Path,
    facts: dict[str, Any],
) -> None:
    """Print a table, and write it as `<folder>/<name>.md` beside the results."""
    console, table = Console(), Table(*headings, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(machine_line(facts), style="dim")
    path = write_results(name, folder, facts, results)
    path.with_suffix(".md").write_text(markdown(headings, rows))
    console.print(f"{path} and .md written")
