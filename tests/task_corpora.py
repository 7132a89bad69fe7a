"""Corpora of tasks that can be learned, in the form of a finished corpus: coloured videos, and questions about their colours."""

import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from transformers import BertTokenizerFast

from longtake.schemas.task import Kind, task_json

FRAMES, SIZE = 8, (32, 64)  # of a sample; height, width
COLOURS = {"red": (210, 40, 40), "green": (40, 200, 50), "blue": (50, 60, 220), "white": (230, 230, 230)}
GREY = (110, 110, 110)
NAMES = tuple(COLOURS)
STORIES = [one for one in itertools.product(NAMES, repeat=4) if all(a != b for a, b in itertools.pairwise(one))]
_WORDS = [
    *["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    *NAMES,
    "left",
    "right",
    "what",
    "first",
    "then",
    "is",
    "it",
    "said",
]


def vocabulary(folder: Path) -> str:
    """A WordPiece tokenizer of the few words; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(_WORDS) + "\n")
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    return str(folder)


Picture = tuple[tuple[int, int, int], tuple[int, int, int]]  # the colours of its left and right half


def jpeg(picture: Picture, rng: np.random.Generator) -> bytes:
    rgb = np.empty((*SIZE, 3), np.int64)
    rgb[:, : SIZE[1] // 2], rgb[:, SIZE[1] // 2 :] = picture
    noisy = np.clip(rgb + rng.integers(-25, 26) + rng.integers(-12, 13, rgb.shape), 0, 255).astype(np.uint8)
    data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(noisy), quality=90, colorsubsampling="444")
    return data


def drawn(kind: Kind, number: int, rng: np.random.Generator) -> tuple[list[Picture], dict[str, Any]]:
    """The frames of a video, and one item about it."""
    one, other = (NAMES[n] for n in rng.choice(4, 2, replace=False))
    if kind == "classify":
        return [(COLOURS[one], COLOURS[one])] * FRAMES, {"answer": NAMES.index(one)}
    if kind == "answer":
        side = int(rng.integers(2))
        asked = {"question": f"what is {('left', 'right')[side]}", "answer": NAMES.index((one, other)[side])}
        return [(COLOURS[one], COLOURS[other])] * FRAMES, asked
    if kind == "retrieval":  # four colours after each other, in 108 orders
        shown = STORIES[number % len(STORIES)]
        return [(COLOURS[name], COLOURS[name]) for name in shown for _ in range(FRAMES // 4)], {
            "sentences": [f"then it is {name}" for name in shown]
        }
    first = 4 * int(rng.integers(2))  # half of the frames show the colour, the others nothing
    frames = [(COLOURS[one], COLOURS[one]) if first <= n < first + 4 else (GREY, GREY) for n in range(FRAMES)]
    choices = [NAMES[n] for n in rng.permutation(4)]
    item = {"question": "what is it", "choices": choices, "answer": choices.index(one), "span": [first, first + 4.0]}
    return frames, item | {"subtitles": [{"start": 0, "end": 1, "text": "said it"}]}


def make(root: Path, kind: Kind, samples: int, seed: int = 0, split: str = "train", items: int = 1) -> None:
    """Write a finished corpus of one shard. Videos last FRAMES seconds; each has `items` equal items."""
    rng = np.random.default_rng([seed, samples])
    order, found = rng.permutation(max(samples, len(STORIES))), []
    for number in range(samples):
        frames, item = drawn(kind, order[number], rng)
        found.append(([jpeg(one, rng) for one in frames], task_json(kind, [item] * items), f"v{number:04d}"))
    write(root, found, split)


def write(root: Path, samples: Sequence[tuple[Sequence[bytes], Any, str]], split: str = "train") -> None:
    """Write a finished corpus of samples: frames, task and video id."""
    (root / "shards").mkdir(parents=True)
    (root / "index").mkdir()
    name, rows, buffer = f"{split}-000000", [], io.BytesIO()
    per = len(samples[0][0])
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for position, (frames, task, video) in enumerate(samples):
            key, meta = f"{video}-000000000-{1000 * per:09d}", {"task": task}
            said = [{"clip_id": "0", "start_ms": 0, "end_ms": 1000 * per, "text": "x"}]
            record = {
                "key": key,
                "start_ms": 0,
                "end_ms": 1000 * per,
                "sentences": said,
                "frame_sentence": [0] * per,
                "meta": meta,
            }
            members = [(f"{key}.json", json.dumps(record).encode()), (f"{key}.txt", b"x")]
            for member, data in [*members, *((f"{key}.{n:03d}.jpg", one) for n, one in enumerate(frames))]:
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            rows.append({"key": key, "shard": name, "position": position, "n_sentences": 1, "meta": json.dumps(meta)})
    data = buffer.getvalue()
    (root / "shards" / f"{name}.tar").write_bytes(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        places = [{"name": m.name, "offset": m.offset_data, "size": m.size} for m in tar.getmembers()]
    for number, row in enumerate(rows):
        row["members"] = places[number * (per + 2) : (number + 1) * (per + 2)]
    member = pa.struct({"name": pa.string(), "offset": pa.int64(), "size": pa.int64()})
    types = {
        "key": pa.string(),
        "shard": pa.string(),
        "position": pa.int32(),
        "n_sentences": pa.int32(),
        "meta": pa.string(),
    }
    pq.write_table(
        pa.Table.from_pylist(rows, pa.schema({**types, "members": pa.list_(member)})),
        root / "index" / f"{name}.parquet",
    )
    count = {"in": len(rows), "kept": len(rows), "dropped": 0}
    shard = {
        "name": f"{name}.tar", "split": split, "samples": len(rows), "frames": len(rows) * per, "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    manifest = {
        "format": 1, "name": "tasks", "versions": {}, "config": {"frames": {"per_sentence": per, "uniform": per}},
        "fingerprint": "0" * 64,
        "counts": dict.fromkeys(("videos", "sentences", "clips"), count), "splits": {}, "shards": [shard],
    }  # fmt: skip
    (root / "corpus.json").write_text(json.dumps(manifest))
