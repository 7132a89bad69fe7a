"""Memory does not grow with the corpus."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sources import LAST_MAN, Video, source_set, spoken

MEASURE = """
import io, json, resource, sys
from longtake.jobs.build.build import build_corpus
from longtake.jobs.build.request import BuildRequest, ProbeMode
from longtake.schemas.children import end_forks
from longtake.schemas.config import load_config
from rich.console import Console

if __name__ == "__main__":
    build_corpus(BuildRequest(load_config(sys.argv[1]), ProbeMode.NONE, 2), Console(file=io.StringIO()))
    end_forks()
    print(json.dumps([resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]))
"""


def peaks(folder: Path, copies: int) -> list[int]:
    """Peak resident memory, in KiB, of the main process and of the largest child."""
    videos = [Video(f"v{i}", spoken(2, length=1500), LAST_MAN) for i in range(copies)]
    sources = source_set(folder, videos, frames={"short_side": 128, "per_sentence": 4}, shards={"samples": 8})
    (folder / "measure.py").write_text(MEASURE)
    done = subprocess.run(
        [sys.executable, folder / "measure.py", sources.config], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.slow
def test_ten_times_the_videos_take_the_same_memory(tmp_path: Path) -> None:
    few, many = peaks(tmp_path / "few", 4), peaks(tmp_path / "many", 40)
    for small, large in zip(few, many, strict=True):
        assert large < 1.25 * small, f"{few} KiB for 4 videos, {many} KiB for 40 (main process, largest child)"
