"""Small finished corpora, written as docs/format.md says with nothing but tarfile, and a small vocabulary."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from transformers import BertTokenizerFast

SIZE = (36, 64)  # height, width of frames
PER_SENTENCE = 2
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "bear", "ice", "sea", "swim", "##s", "##ming"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

Members = list[tuple[str, bytes]]
Edit = Callable[[str, Members], Members]


def vocabulary(folder: Path) -> str:
    """A WordPiece tokenizer of a few words; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *WORDS]) + "\n")
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    return str(folder)


def picture(sample: int, frame: int, size: tuple[int, int] = SIZE) -> bytes:
    """A plain picture that tells by its colour which sample (green) and frame (red) it is, with a gradient in blue."""
    rgb = np.zeros((*size, 3), np.uint8)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = 12 * frame + 10, 9 * sample + 10, np.linspace(0, 200, size[1])
    data: bytes = simplejpeg.encode_jpeg(rgb, quality=95, colorsubsampling="444")
    return data


def sentence_text(sample: int, number: int) -> str:
    return f"{WORDS[number]} bears {WORDS[sample % 8]}"


def make(
    root: Path,
    shards: Sequence[Sequence[int]],
    split: str = "train",
    edit: Edit | None = None,
    key_of: Callable[[int], str] = lambda n: f"v{n:03d}-000000000-000009000",
) -> list[str]:
    """Write a corpus at `root` with a shard for each item, of samples with so many sentences. Returns the keys.

    `edit` changes the members of a sample before they are written. Samples are numbered through all shards.
    """
    (root / "shards").mkdir(parents=True)
    (root / "index").mkdir()
    records, keys = [], []
    for shard, lengths in enumerate(shards):
        name, rows, buffer = f"{split}-{shard:06d}", [], io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for position, sentences in enumerate(lengths):
                number = len(keys)
                key = key_of(number)
                keys.append(key)
                members = _members(key, number, sentences)
                members = edit(key, members) if edit else members
                for member, data in members:
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                rows.append({"key": key, "shard": name, "position": position, "n_sentences": sentences})
        data = buffer.getvalue()
        (root / "shards" / f"{name}.tar").write_bytes(data)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            found = [{"name": m.name, "offset": m.offset_data, "size": m.size} for m in tar.getmembers()]
        for row in rows:
            row["members"] = [m for m in found if m["name"].startswith(f"{row['key']}.")]
        types = {"key": pa.string(), "shard": pa.string(), "position": pa.int32(), "n_sentences": pa.int32()}
        member_type = pa.struct({"name": pa.string(), "offset": pa.int64(), "size": pa.int64()})
        schema = pa.schema({**types, "members": pa.list_(member_type)})
        pq.write_table(pa.Table.from_pylist(rows, schema), root / "index" / f"{name}.parquet")
        digest = hashlib.sha256(data).hexdigest()
        frames = sum(lengths) * PER_SENTENCE
        records.append(
            {
                "name": f"{name}.tar",
                "split": split,
                "samples": len(lengths),
                "frames": frames,
                "bytes": len(data),
                "sha256": digest,
            }
        )
    count = {"in": len(keys), "kept": len(keys), "dropped": 0}
    manifest = {
        "format": 1,
        "name": "small",
        "versions": {},
        "config": {"frames": {"per_sentence": PER_SENTENCE}},
        "fingerprint": "0" * 64,
        "counts": {"videos": count, "sentences": count, "clips": count},
        "splits": {},
        "shards": records,
    }
    (root / "corpus.json").write_text(json.dumps(manifest))
    return keys


def _members(key: str, number: int, sentences: int) -> Members:
    texts = [sentence_text(number, n) for n in range(sentences)]
    record = {
        "key": key,
        "sentences": [{"clip_id": str(n), "start_ms": n, "end_ms": n + 1, "text": t} for n, t in enumerate(texts)],
        "frame_sentence": [n for n in range(sentences) for _ in range(PER_SENTENCE)],
        "frame_size": list(SIZE),
    }
    members = [(f"{key}.json", json.dumps(record).encode()), (f"{key}.txt", " ".join(texts).encode())]
    frames = [(f"{key}.{n:03d}.jpg", picture(number, n)) for n in range(sentences * PER_SENTENCE)]
    return members + frames
