"""The corpus of clean_up.py: videos that move and are narrated, as those of examples/narrated, and faults that are known."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from measure import HERE

sys.path.insert(0, str(HERE.parent / "examples" / "narrated"))
from generate import Scene, film, make_video, story

KINDS = ("black", "frozen", "captions", "copy", "french", "licence")
FRENCH = (
    "Ici, vous pouvez voir une forme qui se déplace lentement vers la gauche.",
    "Maintenant, elle monte vers le haut de l'image, et puis elle disparaît.",
    "Regardez bien comment le cercle devient de plus en plus petit.",
    "C'est la dernière figure que nous allons montrer aujourd'hui.",
)


def make_sources(folder: Path, good: int, bad: int, review: int) -> tuple[dict[str, str], dict[str, str]]:
    """Write the videos, records and texts of `good` clips and of `bad` of each kind, a configuration and a policy that asks for
    `review` reviewed samples. Returns the kind of each bad video, and the original of each copy."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "videos").mkdir(parents=True)
    records, texts, planted, original = [], [], {}, {}
    numbers = iter(range(good + bad * len(KINDS)))
    for _ in range(good):
        record, lines = make_video(folder, "test", next(numbers), 0, 1)
        records.append(json.loads(record))
        texts += [json.loads(line) for line in lines.splitlines()]
    for kind in KINDS:
        for count in range(bad):
            number = next(numbers)
            record_text, lines = make_video(folder, "test", number, 0, 1)
            record, said = json.loads(record_text), [json.loads(line) for line in lines.splitlines()]
            name, scenes = record["video_id"], story(number, "test", 0, 1)
            place = folder / "videos" / f"{name}.mp4"
            if kind in ("black", "frozen"):
                place.write_bytes(_still(folder, scenes, kind == "black"))
            elif kind == "captions":
                for line, other in zip(said, _another(scenes, 100_000 + 1000 * count), strict=True):
                    line["text"] = other.text
            elif kind == "copy":
                original[name] = records[count]["video_id"]
                record, said = _copy(folder, records[count], texts, name)
            elif kind == "french":
                for line, sentence in zip(said, FRENCH, strict=True):
                    line["text"] = sentence
            planted[name] = kind
            records.append(record)
            texts += said
    for record in records:
        record["license"] = "cc-by-nc-4.0" if planted.get(record["video_id"]) == "licence" else "cc-by-4.0"
    for name, rows in (("videos.jsonl", records), ("clip_text.jsonl", texts)):
        (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    config = {
        "name": "clean-up",
        "output": "corpus",
        "source": {
            "videos": "videos.jsonl",
            "uri": "videos/{video_id}.mp4",
            "text": {"format": "hdvila", "path": "clip_text.jsonl"},
        },
        "merge": {"min_sentences": 4, "max_sentences": 4, "max_gap_ms": 2000},
        "frames": {"per_sentence": 4, "short_side": 96},
        "filters": {"scores": True},
        "duplicates": {"videos": "flag"},
        "split": {"train": 1.0},
        "publication": {"contact": "https://example.org/contact"},
    }
    (folder / "corpus.yaml").write_text(yaml.safe_dump(config))
    policy = {
        "name": "research",
        "licences": {"allowed": ["cc-by-4.0"]},
        "thresholds": {"black": {"max": 0.5}, "frozen": {"max": 0.8}},
        "review": {"samples": review, "accept": 3 / review},
        "agreement": {"subjects": review, "alpha": -0.2},  # few clips are bad by then, so the interval is wide
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    return planted, original


def _another(scenes: list[Scene], number: int) -> list[Scene]:
    """What is said in a video that is not here, and shows no shape in a colour that `scenes` show."""
    shown = {scene.triple[:2] for scene in scenes}
    while True:
        number += 1
        found = story(number, "test", 0, 1)
        if shown.isdisjoint(scene.triple[:2] for scene in found):
            return found


def _still(folder: Path, scenes: list[Scene], black: bool) -> bytes:
    """A video of one picture, as long as its scenes."""
    import generate

    whole = generate.frames
    first = next(iter(whole(scenes, np.random.default_rng(5))))[:1]
    picture = np.zeros_like(first) if black else first

    def still(scenes: list[Scene], rng: np.random.Generator) -> Iterator[Any]:
        return (np.repeat(picture, len(pictures), 0) for pictures in whole(scenes, rng))

    generate.frames = still
    try:
        film(folder / "still.mp4", scenes, np.random.default_rng(5))
    finally:
        generate.frames = whole
    return (folder / "still.mp4").read_bytes()


def _copy(folder: Path, record: dict[str, Any], texts: list[dict[str, str]], name: str) -> tuple[Any, Any]:
    """The same video and sentences under another id."""
    old = record["video_id"]
    shutil.copy(folder / "videos" / f"{old}.mp4", folder / "videos" / f"{name}.mp4")
    clips = [clip | {"clip_id": clip["clip_id"].replace(old, name)} for clip in record["clip"]]
    said = [
        {"clip_id": one["clip_id"].replace(old, name), "text": one["text"]} for one in texts if old in one["clip_id"]
    ]
    return record | {"video_id": name, "url": f"https://example.org/{name}", "clip": clips}, said
