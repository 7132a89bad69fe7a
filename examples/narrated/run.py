"""The whole example, from nothing to a table: sources, both corpora, training, evaluation, the order test.

    python examples/narrated/run.py             # the commands of README.md, one after the other
    python examples/narrated/run.py --quick     # a sixth of the videos, two frames of each sentence: under four minutes

Files go to out/narrated, and with --quick to out/narrated-quick. What is there already is made anew.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "out"
QUICK = {"train": 150, "test": 60}  # videos
#: Fewer steps at twice the learning rate, each on a quarter of the frames.
QUICK_TRAINING = ("steps=500", "data.frames_per_sentence=2", "optimizer.lr=1e-3", "save.every=500")


def run(*command: str) -> None:
    """Run a command of Python, and say what it is and how long it took. Ends this program where the command fails."""
    print(f"\n$ python {' '.join(command)}", flush=True)
    began = time.monotonic()
    done = subprocess.run([sys.executable, *command], check=False)
    if done.returncode:
        sys.exit(f"it ended with exit code {done.returncode}")
    print(f"{time.monotonic() - began:.0f} s", flush=True)


def moved(name: str, out: Path) -> str:
    """Copy a configuration of this folder into `out`, with `out` for the folder that it names. Return its path."""
    settings = (HERE / f"{name}.yaml").read_text().replace("../../out/narrated", str(out))
    path = out / f"{name}.yaml"
    path.write_text(settings)
    return str(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="under four minutes on two idle cores")
    args = parser.parse_args()
    out = OUT / ("narrated-quick" if args.quick else "narrated")
    began = time.monotonic()
    for name in ("source", "train", "test", "run"):
        shutil.rmtree(out / name, ignore_errors=True)
    sizes = [f"--{split}={videos}" for split, videos in QUICK.items()] if args.quick else []
    run(str(HERE / "generate.py"), str(out), *sizes)
    longtake = ("-m", "longtake.jobs.cli")
    for split in ("train", "test"):
        run(*longtake, "build", moved(split, out))
    changes = [word for change in QUICK_TRAINING for word in ("--set", change)] if args.quick else []
    run(*longtake, "train", moved("tiny", out), *changes)
    run(*longtake, "evaluate", str(out / "run"), str(out / "test"), "--split", "test")
    run(str(HERE / "order.py"), str(out / "run"), str(out / "test"), "test")
    print(f"\nAll of it took {time.monotonic() - began:.0f} s. The loss curve: {out / 'run' / 'loss.png'}")


if __name__ == "__main__":
    main()
