"""What the engines cost beside the local runner: CPU-seconds of everything that a plan and a build start, launcher to workers.

From the root of the repository. Prism, Flink and Spark are fetched by tests/cluster/artifacts.py, and left out where they are
refused. Flink and Spark run inside their job servers:

    python benchmarks/engines.py                three sizes, twice each
    python benchmarks/engines.py --quick        a smoke run

Each run is in a process of its own, which takes in the orphans of its servers, so that no CPU-second is lost. Runs of the
engines alternate, and the least of the repetitions counts. The sizes give the fixed costs, and those of one more video or
sentence.
"""

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "cluster")]

import artifacts  # noqa: E402
from sources import LAST_MAN, SourceSet, Video, command, source_set, spoken  # noqa: E402
from worker_pools import free_port, java_job_server, worker_pool  # noqa: E402

_ENGINES = ("local", "pool", "prism", "flink", "spark")
_MASTERS = {"flink": "--flink-master=[local]", "spark": "--spark-master-url=local[1]"}
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_SETTINGS = {"frames": {"short_side": 32, "per_sentence": 1}, "merge": {"min_sentences": 2, "max_sentences": 10}}


def material(folder: Path, videos: int, sentences: int) -> SourceSet:
    """So many sources (one real video of 14 s under many ids), each with so many sentences."""
    length = 12_000 // sentences
    spans = spoken(sentences, 0, length - length // 10, length // 10)
    return source_set(folder, [Video(f"v{i:04}", spans, LAST_MAN) for i in range(videos)], "hdvila", **_SETTINGS)


def program(engine: str) -> Path | None:
    """What an engine is started from; None for those of Beam's Python. Raises artifacts.RefusedError."""
    if engine == "prism":
        return Path(artifacts.program(artifacts.PRISM))
    return artifacts.job_server(engine) if engine in _MASTERS else None


def run_one(engine: str, folder: Path) -> None:
    """Plan and build with one engine, and print the CPU-seconds and seconds of both."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    found, servers = {}, []
    with ExitStack() as stack:
        beam: list[str] = []
        if engine != "local":
            pool = stack.enter_context(worker_pool(folder / "pool.log"))
            beam = ["--environment_type=EXTERNAL", f"--environment_config={pool}"]
        if engine == "prism":
            port = free_port()
            prism = [str(program(engine)), f"-job_port={port}", "-serve_http=false", "-log_level=error"]
            servers.append(subprocess.Popen(prism, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            beam += ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}"]
            time.sleep(3)
        elif (jar := program(engine)) is not None:
            server = stack.enter_context(java_job_server(jar, folder / "server.log", _MASTERS[engine]))
            beam += ["--runner=PortableRunner", f"--job_endpoint={server}", "--parallelism=1"]
        for step in (("plan", "--probe=none"), ("build",)):
            start = time.monotonic()
            config = str(folder / "corpus.yaml")
            subprocess.run(
                command(step[0], config, "--workers=1", *step[1:], "--", *beam), check=True, stdout=subprocess.DEVNULL
            )
            found[f"{step[0]}_s"] = time.monotonic() - start
        for process in servers:
            process.kill()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps(found | {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}))


def measure(engine: str, videos: int, sentences: int) -> dict[str, float]:
    """One run, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        material(Path(folder), videos, sentences)
        own = [sys.executable, __file__, "--one", engine, "--folder", folder]
        return dict(json.loads(subprocess.run(own, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        run_one(asked.one, asked.folder)
        return
    sizes = ((2, 4), (12, 4), (12, 40)) if asked.quick else ((10, 4), (70, 4), (70, 100))
    engines = []
    for engine in _ENGINES:
        try:
            program(engine)
            engines.append(engine)
        except artifacts.RefusedError as refused:
            print(f"{engine} is left out: {refused}", file=sys.stderr)
    least: dict[tuple[str, tuple[int, int]], dict[str, float]] = {}
    for _ in range(asked.repeat):
        for size in sizes:
            for engine in engines:
                found = measure(engine, *size)
                before = least.get((engine, size))
                least[engine, size] = min(before or found, found, key=lambda one: one["cpu_s"])
                print(engine, size, {name: round(value, 1) for name, value in found.items()}, file=sys.stderr)
    small, large, long = sizes
    print("| engine | CPU-s at start | CPU-ms for each video | CPU-ms for each sentence | peak MB of one process |")
    print("|---|---|---|---|---|")
    for engine in engines:
        a, b, c = (least[engine, size]["cpu_s"] for size in sizes)
        video = (b - a) / (large[0] - small[0])
        sentence = (c - b) / (long[0] * (long[1] - large[1]))
        peak = max(least[engine, size]["peak_mb"] for size in sizes)
        print(f"| {engine} | {a - video * small[0]:.1f} | {1000 * video:.0f} | {1000 * sentence:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
