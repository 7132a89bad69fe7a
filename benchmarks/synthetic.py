"""Inputs made up for the benchmarks: sentences by the million, and corpora of many copies of real videos. Deterministic."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

WORDS = """
    the of and to a in that it is was for on you with this we are so have what do like just can about know if they
    one here see really make now then when going little because right look want water thing people time add some
    okay take put good first over back side after before through turn start oil cut piece small large today video
"""


def write_hdvila(folder: Path, videos: int, clips: int, seed: int = 0) -> Path:
    """HD-VILA metadata and text of `videos` videos with `clips` sentences each, and a corpus.yaml, whose path is returned.

    One gap in twelve is longer than max_gap_ms, the others 0 to 2 s; sentences last 4 to 20 s. The text file is in
    another order than the metadata, as two independent files are.
    """
    config = folder / "corpus.yaml"
    if config.exists():
        return config
    folder.mkdir(parents=True, exist_ok=True)
    rng, words = random.Random(seed), WORDS.split()
    ids: list[str] = []
    with open(folder / "metadata.jsonl", "w") as stream:
        for number in range(videos):
            video_id = f"v{number:010d}"
            stream.write(json.dumps(_video(video_id, clips, rng)) + "\n")
            ids += [f"{video_id}.{n}.mp4" for n in range(clips)]
    rng.shuffle(ids)
    with open(folder / "text.jsonl", "w") as stream:
        for clip_id in ids:
            text = " ".join(rng.choices(words, k=rng.randint(8, 40)))
            stream.write(json.dumps({"clip_id": clip_id, "text": text}) + "\n")
    _write_config(config, {
        "name": "synthetic",
        "output": "out",
        "source": {
            "videos": "metadata.jsonl", "uri": "videos/{video_id}.mp4",
            "text": {"format": "hdvila", "path": "text.jsonl"},
        },
        "split": {"train": 0.98, "val": 0.02},
    })  # fmt: skip
    return config


def _video(video_id: str, clips: int, rng: random.Random) -> dict[str, Any]:
    at, listed = 0, []
    for n in range(clips):
        at += rng.randint(2_500, 30_000) if rng.random() < 1 / 12 else rng.randint(0, 2_000)
        end = at + rng.randint(4_000, 20_000)
        listed.append({"clip_id": f"{video_id}.{n}.mp4", "span": [_timecode(at), _timecode(end)]})
        at = end
    return {"video_id": video_id, "url": f"https://www.youtube.com/watch?v={video_id}", "clip": listed}


def _timecode(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def write_transcripts(folder: Path, format: str, files: Iterable[bytes]) -> Path:
    """A corpus of videos with a transcript file each, and a corpus.yaml, whose path is returned."""
    config = folder / "corpus.yaml"
    if config.exists():
        return config
    (folder / "transcripts").mkdir(parents=True, exist_ok=True)
    with open(folder / "videos.jsonl", "w") as stream:
        for number, data in enumerate(files):
            video_id = f"v{number:010d}"
            stream.write(json.dumps({"video_id": video_id}) + "\n")
            (folder / "transcripts" / f"{video_id}.{format}").write_bytes(data)
    _write_config(config, {
        "name": "synthetic",
        "output": "out",
        "source": {
            "videos": "videos.jsonl", "uri": "videos/{video_id}.mp4",
            "text": {"format": format, "path": f"transcripts/{{video_id}}.{format}"},
        },
    })  # fmt: skip
    return config


def write_copies(
    folder: Path, sources: list[tuple[Path, int]], copies: int, sentence_ms: int, settings: dict[str, Any]
) -> Path:
    """A corpus of `copies` videos: symbolic links to the `sources` (path and duration in ms) in turn, each with sentences
    of `sentence_ms` back to back. `settings` go into the corpus.yaml, whose path is returned.
    """
    (folder / "videos").mkdir(parents=True)
    with open(folder / "videos.jsonl", "w") as stream:
        for number in range(copies):
            path, duration_ms = sources[number % len(sources)]
            name = f"{path.stem}-{number:05d}"
            link = folder / "videos" / f"{name}{path.suffix}"
            link.symlink_to(path.resolve())
            sentences = [
                {
                    "start_ms": at,
                    "end_ms": at + sentence_ms,
                    "text": "what is said while this is on screen, more or less",
                }
                for at in range(0, duration_ms - sentence_ms + 1, sentence_ms)
            ]
            record = {"video_id": name, "uri": f"videos/{link.name}", "sentences": sentences}
            stream.write(json.dumps(record) + "\n")
    config = folder / "corpus.yaml"
    _write_config(config, {"name": "copies", "output": "out", "source": {"videos": "videos.jsonl"}} | settings)
    return config


def _write_config(path: Path, settings: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
