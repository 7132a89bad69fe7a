"""Small jobs: what `longtake build` costs besides decoding, and beside a script of 60 lines. Part of build.py."""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from material import DATA, duration_ms
from measure import CACHE, HERE, Failed, child, markdown
from synthetic import write_copies

#: Sentences of so many ms fill each of the seven videos, up to so many ms of it: 0.05 h and 0.27 h of video in all.
_HOURS = {"0.05 h": (6_430, 4 * 6_430), "0.27 h": (13_400, None)}
_DEMO = HERE.parent / "examples" / "demo"
_BESIDES = 4.5  # CPU seconds of the demo's job outside decode, scale and encode
_PR_SET_CHILD_SUBREAPER = 36
_IMPORTS = {
    "ours": "from longtake.schemas.garbage import collect_seldom as c; c(); import longtake.jobs.cli, longtake.jobs.build.build",
    "script": "import av, webdataset, PIL.Image",
    "script, no torch": "import sys; sys.modules['torch'] = None; import av, webdataset, PIL.Image",
}


def cpu_seconds(command: Sequence[str]) -> float:
    """CPU seconds of a command and of all its descendants, also of those that it does not wait for. Raises Failed."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans become ours
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONWARNINGS": "ignore"}
    )
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def small_jobs(mix: Sequence[str], workers: int, repeats: int) -> dict[str, Any]:
    """Measure the demo and the mix. Contenders take turns; each figure is the least of some repeats. Raises Failed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="small-", dir=CACHE))
    try:
        demo = folder / "demo"
        shutil.copytree(_DEMO, demo)
        settings = (demo / "corpus.yaml").read_text().replace("output: ../../out/demo", "output: out")
        (demo / "corpus.yaml").write_text(settings)
        rows = {"demo": _measured({"ours": demo / "corpus.yaml"}, workers, repeats)}
        sources = [(DATA / "videos" / name, duration_ms(DATA / "videos" / name)) for name in mix]
        for hours, (sentence_ms, most_ms) in _HOURS.items():
            cut = [(path, min(ms, most_ms or ms)) for path, ms in sources]
            config = write_copies(folder / hours.replace(" ", ""), cut, len(mix), sentence_ms, {})
            rows[hours] = _measured({"ours": config, "script": config.parent / "videos.jsonl"}, workers, repeats)
        starts = {
            name: min(cpu_seconds([sys.executable, "-c", code]) for _ in range(repeats))
            for name, code in _IMPORTS.items()
        }
    finally:
        shutil.rmtree(folder)
    return {"jobs": rows, "imports": {name: round(seconds, 2) for name, seconds in starts.items()}}


def _measured(inputs: dict[str, Path], workers: int, repeats: int) -> dict[str, float]:
    """The least CPU seconds of each contender, and how many of ours are decode, scale and encode."""
    found: dict[str, list[float]] = {name: [] for name in inputs}
    frames = set()
    for _ in range(repeats):
        for name, path in inputs.items():
            out = path.parent / "out"
            shutil.rmtree(out, ignore_errors=True)
            if name == "ours":
                command = ["-m", "longtake.jobs.cli", "build", str(path), f"--workers={workers}"]
            else:
                command = [str(HERE / "script_pyav.py"), str(path), str(out), str(workers)]
            found[name].append(cpu_seconds([sys.executable, *command]))
            frames.add(_frames(out))
    if len(frames) != 1:
        raise Failed(f"{inputs['ours'].parent}: the contenders wrote other frames: {sorted(frames)}")
    out = inputs["ours"].parent / "out"
    shutil.rmtree(out)
    job = {"command": "build", "config": str(inputs["ours"]), "probe": "header", "workers": workers}
    progress = child("job_child.py", job).report["progress"]
    useful = sum(progress[f"seconds_{kind}"] for kind in ("decode", "scale", "encode"))
    samples, pictures = frames.pop()
    least = {name: round(min(seconds), 2) for name, seconds in found.items()}
    return {**least, "useful": round(useful, 2), "samples": samples, "frames": pictures}


def _frames(out: Path) -> tuple[int, int]:
    """The numbers of samples and of frames in the shards below a folder."""
    names: list[str] = []
    for shard in out.rglob("*.tar"):
        with tarfile.open(shard) as tar:
            names += tar.getnames()
    return sum(name.endswith(".json") for name in names), sum(name.endswith(".jpg") for name in names)


def missed(found: dict[str, Any]) -> list[str]:
    """The targets that were missed, in words."""
    jobs = found["jobs"]
    besides = jobs["demo"]["ours"] - jobs["demo"]["useful"]
    out = [] if besides <= _BESIDES else [f"the demo takes {besides:.2f} CPU-s besides decoding, at most {_BESIDES}"]
    return out + [f"{name}: behind the script" for name in _HOURS if jobs[name]["ours"] >= jobs[name]["script"]]


def show(found: dict[str, Any]) -> str:
    """The table and the verdicts, as Markdown."""
    headings = ["job", "frames", "ours, CPU-s", "of it decode, scale, encode", "rest", "script, CPU-s", "ours / script"]
    rows = []
    for name, row in found["jobs"].items():
        script = [f"{row['script']:.2f}", f"{row['ours'] / row['script']:.2f}"] if "script" in row else ["-", "-"]
        figures = [f"{n:.2f}" for n in (row["ours"], row["useful"], row["ours"] - row["useful"])]
        rows.append(
            [
                "three videos of examples/demo" if name == "demo" else f"{name} of the mix",
                f"{row['frames']:,}",
                *figures,
                *script,
            ]
        )
    imports = found["imports"]
    line = (
        f"Imports alone: ours {imports['ours']:.2f} CPU-s; the script {imports['script']:.2f}, as webdataset imports torch if it "
        f"is installed, {imports['script, no torch']:.2f} without torch."
    )
    verdict = "; ".join(missed(found)) or "pass"
    limits = f"Targets: at most {_BESIDES} CPU-s besides decoding for the demo, ahead of the script from 0.05 h on"
    return f"{markdown(headings, rows)}\n{line}\n\n{limits}: {verdict}.\n"
