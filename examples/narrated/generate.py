"""Make the narrated corpora's sources: H.264 videos of moving shapes with spoken-style sentences, in HD-VILA form.

    python examples/narrated/generate.py            # writes out/narrated/source/{train,test}

A video tells one story, four scenes, in several takes: the same four scenes, filmed anew, in another order each time. Test
videos have one take. The same arguments give the same files.
"""

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, permutations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import numpy as np
from scenes import HEIGHT, WIDTH, Triple, render, sentence, triples

SCENES = 4  # of a story
RATE = 10  # frames a second


@dataclass(frozen=True)
class Scene:
    """A scene of a video with its sentence, which is spoken from `start_ms` to `end_ms`."""

    triple: Triple
    text: str
    start_ms: int
    end_ms: int


def story(number: int, split: str, seed: int, takes: int) -> list[Scene]:
    """The scenes of a video: `takes` orders, no two the same, of four triples of the split."""
    rng = np.random.default_rng([seed, split == "test", number])
    pool = triples(held_out=split == "test")
    chosen = [pool[i] for i in rng.choice(len(pool), SCENES, replace=False)]
    orders = list(permutations(range(SCENES)))
    scenes, clock = [], int(rng.integers(100, 400))
    for take in rng.choice(len(orders), takes, replace=False):
        for place in orders[take]:
            end = clock + int(rng.integers(1800, 2600))
            scenes.append(Scene(chosen[place], sentence(chosen[place], rng), clock, end))
            clock = end + int(rng.integers(100, 400))
    return scenes


def frames(scenes: list[Scene], rng: np.random.Generator) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    """The frames of a video, scene by scene. Scenes change in the middle of the pause between two sentences."""
    cuts = [
        0,
        *((a.end_ms + b.start_ms) // 2 for a, b in pairwise(scenes)),
        scenes[-1].end_ms + 200,
    ]
    step = 1000 // RATE
    for scene, (first, last) in zip(scenes, pairwise(cuts), strict=True):
        times = np.arange(-(-first // step) * step, last, step)
        progress = np.clip((times - scene.start_ms) / (scene.end_ms - scene.start_ms), 0, 1)
        yield render(scene.triple, progress.astype(np.float32), rng)


def film(path: Path, scenes: list[Scene], rng: np.random.Generator) -> None:
    """Encode the scenes as H.264 in MP4. One thread, so that the bytes do not depend on the machine's load."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", 5 * RATE
        for pictures in frames(scenes, rng):
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _stamp(ms: int) -> str:
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def make_video(folder: Path, split: str, number: int, seed: int, takes: int) -> tuple[str, str]:
    """Write one video; return its HD-VILA record and its lines of text."""
    name = f"{split}{number:05d}"
    scenes = story(number, split, seed, takes)
    film(folder / "videos" / f"{name}.mp4", scenes, np.random.default_rng([seed, split == "test", number, 1]))
    clips = [
        {"clip_id": f"{name}.{i}.mp4", "span": [_stamp(scene.start_ms), _stamp(scene.end_ms)]}
        for i, scene in enumerate(scenes)
    ]
    record = {"video_id": name, "url": f"https://example.org/{name}", "clip": clips}
    texts = [{"clip_id": clip["clip_id"], "text": s.text} for clip, s in zip(clips, scenes, strict=True)]
    return json.dumps(record), "\n".join(map(json.dumps, texts))


def make_set(folder: Path, split: str, videos: int, takes: int, seed: int, workers: int) -> None:
    """Write videos/, videos.jsonl and clip_text.jsonl of a split."""
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        work = [pool.submit(make_video, folder, split, number, seed, takes) for number in range(videos)]
        lines = [job.result() for job in work]
    for name, part in (("videos.jsonl", 0), ("clip_text.jsonl", 1)):
        (folder / name).write_text("".join(f"{line[part]}\n" for line in lines))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/narrated"))
    parser.add_argument("--train", type=int, default=900, help="training videos (%(default)s)")
    parser.add_argument("--takes", type=int, default=4, help="takes of a training video (%(default)s)")
    parser.add_argument("--test", type=int, default=400, help="test videos (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    if set(triples(held_out=True)) & set(triples(held_out=False)):
        raise SystemExit("training and test share a triple")
    began = time.monotonic()
    make_set(args.folder / "source" / "train", "train", args.train, args.takes, args.seed, args.workers)
    make_set(args.folder / "source" / "test", "test", args.test, 1, args.seed, args.workers)
    print(f"{args.folder}: {args.train} + {args.test} videos in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
