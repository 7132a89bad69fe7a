"""One process of `loader.py`: reads every sample of a corpus once as one contender does, and times that.

`all`: every frame as uint8, as one array for each sample. `picked`: 16 frames of each sample, spread evenly, at 224 x 224.
"""

import json
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray

import longtake
from longtake.library.resize import fitted
from longtake.torch import ClipDataset

Read = tuple[str, NDArray[np.uint8]]  # key, frames (T, H, W, 3)
CONTENDERS = {
    "all-open": "`longtake.open`: `for sample in corpus: sample.frames`",
    "all-clips": "`ClipDataset(corpus)`",
    "all-simplejpeg": "simplejpeg alone, the JPEGs in memory",
    "all-rgb8": 'webdataset, `.decode("rgb8")`',
    "all-rgb": 'webdataset, `.decode("rgb")` (floats)',
    "picked-clips": "`ClipDataset(corpus, frames=16, size=224)`",
    "picked-rgb8": 'webdataset, `.decode("rgb8")`, then picked and resized',
    "picked-thin": 'webdataset, other frames dropped first, `.decode("rgb8")`, resized',
}
FRAMES, SIZE = 16, 224


def shards(corpus: str) -> list[str]:
    return sorted(str(path) for path in Path(corpus, "shards").glob("*.tar"))


def webdataset_samples(corpus: str, how: str, thin: bool) -> Iterator[Read]:
    """As an ordinary user reads shards."""
    import webdataset as wds

    def names(sample: dict[str, Any]) -> list[str]:
        return sorted(name for name in sample if name.endswith("jpg"))

    def thinned(sample: dict[str, Any]) -> dict[str, Any]:
        kept = set(picked(names(sample)))
        return {name: value for name, value in sample.items() if not name.endswith("jpg") or name in kept}

    data = wds.WebDataset(shards(corpus), shardshuffle=False)
    for sample in (data.map(thinned) if thin else data).decode(how):
        yield sample["__key__"], np.stack([sample[name] for name in names(sample)])


def picked(found: Any) -> Any:
    return [found[k * len(found) // FRAMES] for k in range(FRAMES)]


def at_size(frames: Any) -> NDArray[np.uint8]:
    made: NDArray[np.uint8] = fitted(torch.from_numpy(np.stack(frames)), SIZE, SIZE).numpy()
    return made


def in_memory(corpus: str) -> list[tuple[str, list[bytes]]]:
    """The JPEGs of each sample: what simplejpeg gets without any reading."""
    found: dict[str, list[bytes]] = {}
    for shard in shards(corpus):
        with tarfile.open(shard) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    found.setdefault(member.name.partition(".")[0], []).append(tar.extractfile(member).read())  # type: ignore[union-attr]
    return list(found.items())


def contender(name: str, corpus: str) -> Callable[[], Iterator[Read]]:
    """An epoch of the contender, again and again."""
    if name == "all-open":
        opened = longtake.open(corpus)
        return lambda: ((sample.key, sample.frames) for sample in opened)
    if name == "all-simplejpeg":
        held = in_memory(corpus)
        return lambda: ((key, np.stack([simplejpeg.decode_jpeg(data, "RGB") for data in jpegs])) for key, jpegs in held)
    if name.endswith("clips"):
        wanted = {} if name == "all-clips" else {"frames": FRAMES, "size": SIZE}
        dataset = ClipDataset(corpus, training=False, **wanted)  # type: ignore[arg-type]
        return lambda: ((clip["key"], clip["frames"].numpy()) for clip in dataset)
    if name == "picked-rgb8":
        return lambda: ((key, at_size(picked(found))) for key, found in webdataset_samples(corpus, "rgb8", False))
    if name == "picked-thin":
        return lambda: ((key, at_size(found)) for key, found in webdataset_samples(corpus, "rgb8", True))
    return lambda: webdataset_samples(corpus, name.removeprefix("all-"), False)


def main(job_file: str, report_file: str) -> None:
    """Read the corpus once untimed, to compare, and once timed."""
    job = json.loads(Path(job_file).read_text())
    torch.set_num_threads(1)
    samples = contender(job["contender"], job["corpus"])
    means = {key: float(frames.mean()) * (255 if frames.dtype != np.uint8 else 1) for key, frames in samples()}
    spent, count = time.process_time(), 0
    for _, frames in samples():
        count += len(frames)
    spent = time.process_time() - spent
    Path(report_file).write_text(json.dumps({"cpu": spent, "frames": count, "samples": len(means), "means": means}))


if __name__ == "__main__":
    main(*sys.argv[1:])
