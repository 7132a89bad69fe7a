"""The corpus that `loader.py` reads, and the files that the official recipe would read instead."""

import json
import shutil
from pathlib import Path

from material import DATA, duration_ms, encoded, ffmpeg
from measure import CACHE, Failed, child
from synthetic import write_copies

SENTENCE_MS = 13_400
#: Camera and animated material and a slide show at 720p, made from the real videos, and two real ones as they are.
_SECONDS = 230
_REAL = ("Free_Body_Diagrams.webm", "one-by-one-person-detection.mp4")


def sources() -> list[Path]:
    """The source videos."""
    made = [encoded("h264", _SECONDS, name).path for name in ("mix", "talk")]
    return [*made, *(DATA / "videos" / name for name in _REAL)]


def corpus(copies: int) -> dict[str, str]:
    """Build it, once: the folder of the corpus, of the source videos, and of the clips. Raises Failed."""
    folder = CACHE / f"loader-{copies}"
    made = {"corpus": str(folder / "out"), "videos": str(folder / "videos"), "clips": str(CACHE / "clips-3fps")}
    if not (folder / "out" / "corpus.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        found = [(path, duration_ms(path)) for path in sources()]
        settings = {"shards": {"samples": 8}, "split": {"train": 1.0}}
        config = write_copies(folder, found, copies * len(found), SENTENCE_MS, settings)
        run = child("job_child.py", {"command": "build", "config": str(config), "probe": "header", "workers": 1})
        if run.report["counts"]["videos"][2]:
            raise Failed(f"videos were dropped: {run.report['counts']}")
    clips(Path(made["clips"]))
    return made


def clips(folder: Path) -> None:
    """Each sentence of each source as a file of 3 frames per second and 240 lines, as the official loader reads them."""
    if (folder / "done.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path in sources():
        for start in range(0, duration_ms(path) - SENTENCE_MS + 1, SENTENCE_MS):
            wanted = ["-ss", f"{start / 1000:.3f}", "-t", f"{SENTENCE_MS / 1000}", "-i", str(path), "-an"]
            form = ["-vf", "fps=3,scale=-2:240", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
            ffmpeg([*wanted, *form, str(folder / f"{path.stem}.{start}.mp4")])
    (folder / "done.json").write_text(json.dumps([path.name for path in sources()]))
