"""The narrated corpora: what is shown is what is said, nothing leaks into the test set, and a model learns from them."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from sources import longtake_here

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "narrated"
sys.path.insert(0, str(EXAMPLE))

import generate  # noqa: E402
import order  # noqa: E402
import scenes  # noqa: E402

Build = Callable[[str, int, int], Path]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training videos."""
    folder = tmp_path_factory.mktemp("narrated")
    generate.make_set(folder, "train", videos=3, takes=4, seed=5, workers=2)
    return folder


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Generates a set and builds it as examples/narrated says, in a folder of its own; returns the corpus."""

    def made(split: str, videos: int, takes: int) -> Path:
        generate.make_set(tmp_path / "out/narrated/source" / split, split, videos, takes, seed=0, workers=2)
        config = tmp_path / "examples/narrated" / f"{split}.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_bytes((EXAMPLE / f"{split}.yaml").read_bytes())
        _done("build", config)
        return tmp_path / "out/narrated" / split

    return made


def _done(command: str, path: Path) -> None:
    done = longtake_here(command, str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_triple_of_the_test_set_is_seen_in_training() -> None:
    train, test = scenes.triples(held_out=False), scenes.triples(held_out=True)
    assert not set(train) & set(test)
    assert len(train) + len(test) == len(scenes.COLOURS) * len(scenes.SHAPES) * len(scenes.MOTIONS)
    for first, second in combinations(range(3), 2):  # but every pair of values of the test set is
        seen = {(t[first], t[second]) for t in train}
        assert {(t[first], t[second]) for t in test} <= seen
    for split in ("train", "test"):
        shown = {scene.triple for number in range(200) for scene in generate.story(number, split, 0, 1)}
        assert shown == set(test if split == "test" else train)


def test_takes_tell_one_story_in_different_orders() -> None:
    for number in range(20):
        told = generate.story(number, "train", 0, 4)
        takes = [tuple(scene.triple for scene in told[i : i + 4]) for i in range(0, 16, 4)]
        assert len(set(takes)) == 4
        assert {frozenset(take) for take in takes} == {frozenset(takes[0])}
        assert len(set(takes[0])) == 4


def test_sentences_do_not_tell_their_place() -> None:
    """Over many stories each template comes equally often at each place: the words alone cannot give the order away."""
    counts = np.zeros((len(scenes.TEMPLATES), 4))
    first_words = [template.split("{")[0].strip() for template in scenes.TEMPLATES]
    for number in range(800):
        for place, scene in enumerate(generate.story(number, "train", 0, 1)):
            starts = [len(words) if words and scene.text.startswith(words + " ") else 0 for words in first_words]
            counts[int(np.argmax(starts)), place] += 1
    used = counts[counts.sum(1) > 0]
    assert np.abs(used / used.sum(1, keepdims=True) - 0.25).max() < 0.08


def test_the_same_arguments_give_the_same_files(source: Path, tmp_path: Path) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    generate.make_set(tmp_path / "again", "train", videos=3, takes=4, seed=5, workers=1)
    generate.make_set(tmp_path / "other", "train", videos=3, takes=4, seed=6, workers=1)
    assert files(tmp_path / "again") == files(source)
    assert not set(files(tmp_path / "other").values()) & set(files(source).values())


def test_videos_show_what_is_said_while_it_is_said(source: Path) -> None:
    texts = {row["clip_id"]: row["text"] for row in _rows(source / "clip_text.jsonl")}
    for number, record in enumerate(_rows(source / "videos.jsonl")):
        told = generate.story(number, "train", 5, 4)
        times, pictures = _decode(source / "videos" / f"{record['video_id']}.mp4")
        assert len(record["clip"]) == len(told) == 16
        for clip, scene in zip(record["clip"], told, strict=True):
            assert texts[clip["clip_id"]] == scene.text
            assert scene.triple.colour in scene.text
            assert any(way in scene.text for way in scenes.SHAPES[scene.triple.shape])
            assert any(way in scene.text for way in scenes.MOTIONS[scene.triple.motion])
            start, end = (_ms(stamp) for stamp in clip["span"])
            assert (start, end) == (scene.start_ms, scene.end_ms)
            early, middle, late = (
                pictures[int(np.searchsorted(times, start + share * (end - start), side="right")) - 1]
                for share in (0.1, 0.5, 0.9)
            )
            assert _dominant_colour(middle) == scene.triple.colour
            assert _motion(early, late, scene.triple.colour) == scene.triple.motion


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _ms(stamp: str) -> int:
    hours, minutes, seconds = stamp.split(":")
    return round(1000 * (3600 * int(hours) + 60 * int(minutes) + float(seconds)))


def _decode(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        shown = [(1000 * frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return np.array([time for time, _ in shown]), np.stack([picture for _, picture in shown])


def _near(picture: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    """Which pixels have this colour, and not another, within what jitter and compression change."""
    distance = {name: np.abs(picture.astype(int) - rgb).max(-1) for name, rgb in scenes.COLOURS.items()}
    nearest = np.minimum.reduce(list(distance.values()))
    return np.asarray((distance[colour] == nearest) & (nearest < 50))


def _dominant_colour(picture: NDArray[np.uint8]) -> str:
    return max(scenes.COLOURS, key=lambda colour: int(_near(picture, colour).sum()))


def _motion(early: NDArray[np.uint8], late: NDArray[np.uint8], colour: str) -> str:
    """What the area of a colour does between two frames: the change that is largest, as a share of what such a change can be."""
    before, after = _near(early, colour), _near(late, colour)
    (y0, x0), (y1, x1) = (np.argwhere(mask).mean(0) for mask in (before, after))
    changes = {
        "left": (x0 - x1) / 60,
        "right": (x1 - x0) / 60,
        "up": (y0 - y1) / 35,
        "down": (y1 - y0) / 35,
        "grow": np.log(after.sum() / before.sum()) / 2,
        "shrink": np.log(before.sum() / after.sum()) / 2,
    }
    return max(changes, key=lambda name: changes[name])


def test_the_pipeline_makes_a_long_clip_of_each_take(build: Build) -> None:
    corpus = build("train", 3, 4)
    _done("verify", corpus)
    counts = json.loads((corpus / "corpus.json").read_text())["counts"]
    assert counts["clips"] == {"in": 12, "kept": 12, "dropped": 0}
    assert counts["sentences"] == {"in": 48, "kept": 48, "dropped": 0}

    import webdataset as wds

    shards = [str(path) for path in sorted((corpus / "shards").glob("*.tar"))]
    said = {scene.text for number in range(3) for scene in generate.story(number, "train", 0, 4)}
    for sample in wds.WebDataset(shards, shardshuffle=False).decode():
        assert [sentence["text"] in said for sentence in sample["json"]["sentences"]] == [True] * 4
        assert len(sample["json"]["frame_times_ms"]) == 32


def test_the_order_test_counts_fairly(build: Build) -> None:
    """Against a count by hand; and a model that gives every order the same score gets exactly what chance gets."""
    from longtake.model.data.loader import LoaderSettings, ShardLoader
    from longtake.model.network.lfvila import LFVila
    from longtake.model.network.sizes import TINY

    corpus = build("test", 6, 1)
    settings = LoaderSettings(str(corpus), "uncased", "test", training=False, height=24, width=40, tokens=24)
    model = LFVila(replace(TINY, height=24, width=40))
    found = order.order_test(model, ShardLoader(settings))
    assert model.training
    first = beaten = 0
    model.eval()
    with torch.no_grad():
        for batch in ShardLoader(settings):
            video = model.encode_video(batch.video()).video
            right = (video * model.encode_text(batch.ids, batch.mask).paragraph).sum(1)
            wrong = torch.stack(
                [
                    (video * model.encode_text(batch.ids[:, list(p)], batch.mask[:, list(p)]).paragraph).sum(1)
                    for p in permutations(range(4))
                    if p != (0, 1, 2, 3)
                ]
            )
            first += int((right > wrong).all(0).sum())
            beaten += int((right > wrong).sum())
    assert found["order/samples"] == 6
    assert found["order/r1"] == pytest.approx(first / 6)
    assert found["order/pairwise"] == pytest.approx(beaten / (6 * 23))

    torch.nn.init.zeros_(model.text_global_proj.weight)  # leaves the bias: one vector for every paragraph
    found = order.order_test(model, ShardLoader(settings))
    assert found["order/r1"] == pytest.approx(1 / 24)
    assert found["order/pairwise"] == pytest.approx(1 / 2)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_model_learns_from_it(build: Build, tmp_path: Path) -> None:
    """A hundred steps on 60 stories: the loss falls, and unseen combinations are found far more often than by chance."""
    from longtake.model.data.loader import LoaderSettings, ShardLoader
    from longtake.model.retrieval.evaluation import evaluate_corpus
    from longtake.model.training.log import read_metrics
    from longtake.model.training.process import Process
    from longtake.model.training.trainer import Trainer
    from longtake.schemas.train_config import parse_train_config

    torch.set_num_threads(1)
    build("train", 60, 4)
    corpus = build("test", 64, 1)
    settings = yaml.safe_load((EXAMPLE / "tiny.yaml").read_text())
    changes = {"steps": 150, "log_every": 10, "base": str(tmp_path / "examples/narrated")}
    trainer = Trainer(parse_train_config(settings | changes), Process(0, 1, torch.device("cpu")))
    trainer.start()
    assert trainer.run()
    losses = [record["contrast"] for record in read_metrics(trainer.folder)]
    assert losses[-1] < losses[0] - 2.0

    data = trainer.config.data
    loader = LoaderSettings(
        str(corpus), data.tokenizer, "test", training=False, height=data.height, width=data.width, tokens=data.tokens
    )
    found = evaluate_corpus(trainer.model, ShardLoader(loader), "cpu")
    assert found["paragraph_to_video/r1"] >= 5 * found["paragraph_to_video/chance_r1"]
    assert found["sentence_to_clip/accuracy"] >= 0.4  # chance is 0.25
