"""ClipDataset: the right windows and frames, exact resume, ranks that never wait for each other."""

import io
import itertools
import logging
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import data_corpora
import numpy as np
import pytest
import torch
from data_corpora import PER_SENTENCE, Members, sentence_text
from PIL import Image
from torch.utils.data import DataLoader

from longtake.library.resize import fitted
from longtake.torch import Clip, ClipDataset, LoaderError

SHARDS = ((4, 6, 5), (4, 8))
LENGTHS = [length for shard in SHARDS for length in shard]
SAMPLES = len(LENGTHS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("clips") / "c"
    data_corpora.make(folder, SHARDS)
    return str(folder)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def number_of(key: str) -> int:
    return int(key[1:4])


def shown(frames: torch.Tensor) -> list[int]:
    """Which frames of a sample these are: their red tells."""
    numbers: list[int] = ((frames[..., 0].float().mean((1, 2)) - 10) / 12).round().int().tolist()
    return numbers


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    return bool(a == b)


def test_all_of_a_split_is_what_tarfile_and_pillow_find(root: str) -> None:
    clips = list(ClipDataset(Path(root), training=False))
    found = []
    for shard in sorted(Path(root, "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                if member.name.endswith("jpg"):
                    picture = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB")  # type: ignore[union-attr]
                    found.append((member.name.split(".")[0], np.array(picture)))
    for clip, (key, pictures) in zip(clips, itertools.groupby(found, key=lambda one: one[0]), strict=True):
        whole = np.stack([picture for _, picture in pictures])
        assert clip["key"] == key and np.abs(clip["frames"].numpy().astype(int) - whole).mean() < 0.1
        length, number = LENGTHS[number_of(key)], number_of(key)
        assert clip["text"] == " ".join(sentence_text(number, n) for n in range(length))
        assert clip["frame_sentence"].tolist() == [n for n in range(length) for _ in range(PER_SENTENCE)]


@pytest.mark.parametrize(
    ("chosen", "of_four", "of_eight"),
    [
        ({}, [*range(8)], [*range(16)]),
        ({"frames_per_sentence": 1}, [0, 2, 4, 6], [0, 2, 4, 6, 8, 10, 12, 14]),
        ({"frames": 4}, [0, 2, 4, 6], [0, 4, 8, 12]),
        ({"frames": 3}, [0, 2, 5], [0, 5, 10]),
        ({"frames": 16}, [n // 2 for n in range(16)], [*range(16)]),
    ],
)
def test_frames_are_chosen_per_sentence_or_in_all(
    root: str, chosen: dict[str, int], of_four: list[int], of_eight: list[int]
) -> None:
    clips = list(ClipDataset(root, training=False, **chosen))  # type: ignore[arg-type]
    for at, expected in ((0, of_four), (4, of_eight)):
        assert shown(clips[at]["frames"]) == expected
        assert clips[at]["frame_sentence"].tolist() == [n // PER_SENTENCE for n in expected]


def test_windows_are_drawn_anew_in_each_epoch_and_carry_their_text(root: str) -> None:
    dataset, starts = ClipDataset(root, sentences=4, frames=4), set()
    for _ in range(20):
        for clip in dataset:
            number, start = number_of(clip["key"]), clip["start"]
            starts.add((number, start))
            assert clip["text"] == " ".join(sentence_text(number, n) for n in range(start, start + 4))
            assert shown(clip["frames"]) == [2 * start + n for n in (0, 2, 4, 6)]
    assert starts == {(n, start) for n, length in enumerate(LENGTHS) for start in range(length - 3)}


def test_short_samples_are_left_out_and_counted(root: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "longtake"):
        dataset = ClipDataset(root, sentences=6, training=False)
    assert dataset.short == 3 and [number_of(clip["key"]) for clip in dataset] == [1, 4]
    assert "3 samples have fewer than 6 sentences" in caplog.text


def test_size_cuts_out_the_middle_and_decodes_no_more_than_it_needs(root: str, tmp_path: Path) -> None:
    y, x = np.mgrid[0:240, 0:426]
    picture = np.stack([128 + 60 * np.sin(x / 20), 128 + 60 * np.cos(y / 15), (x + y) / 3], -1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)

    def edit(key: str, members: Members) -> Members:
        return [(name, buffer.getvalue() if name.endswith("jpg") else data) for name, data in members]

    data_corpora.make(tmp_path / "c", [[4]], edit=edit)
    for height, width in ((224, 224), (112, 112), (60, 80), (24, 100), (500, 500)):
        (clip,) = ClipDataset(str(tmp_path / "c"), training=False, size=(height, width), frames=2)
        scale = min(240 / height, 426 / width)
        tall, wide = round(height * scale), round(width * scale)
        top, left = (240 - tall) // 2, (426 - wide) // 2
        whole = Image.open(buffer).convert("RGB").crop((left, top, left + wide, top + tall))
        expected = np.asarray(whole.resize((width, height), Image.Resampling.BILINEAR)).astype(int)
        assert clip["frames"].shape == (2, height, width, 3)
        assert np.abs(clip["frames"][0].numpy() - expected).mean() < 2, (height, width)
    assert fitted(torch.zeros(1, 3, 900, 3, dtype=torch.uint8), 64, 64).shape == (1, 64, 64, 3)


def test_ranks_train_on_equally_many_full_batches_even_with_more_ranks_than_shards(root: str) -> None:
    for ranks, size in ((2, 1), (5, 1), (2, 2), (3, None)):
        parts = [ClipDataset(root, frames=2, batch_size=size, rank=rank, ranks=ranks) for rank in range(ranks)]
        for epoch in range(2):
            found = [list(part) for part in parts]
            assert {len(part) for part in found} == {len(parts[0])} and len(parts[0]) >= 1
            keys = [key for part in found for one in part for key in (one["key"] if size else [one["key"]])]
            assert len(keys) == len(set(keys)) == ranks * len(parts[0]) * (size or 1)
            assert {part.epoch for part in parts} == {epoch + 1}
    with pytest.raises(ValueError, match="too few for a batch on every rank: 6 needed"):
        ClipDataset(root, batch_size=2, rank=0, ranks=3)


def test_ranks_evaluate_every_sample_once_in_equally_many_batches(root: str) -> None:
    for ranks, size in ((2, 1), (2, 2), (3, 1), (4, 1), (7, 3)):
        parts = [
            list(ClipDataset(root, training=False, frames=2, batch_size=size, rank=rank, ranks=ranks))
            for rank in range(ranks)
        ]
        assert len({len(part) for part in parts}) == 1
        keys = [number_of(key) for part in parts for batch in part for key in batch.get("key", [])]
        assert keys == list(range(SAMPLES))


def test_ranks_come_from_the_launcher(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    order = ClipDataset(root).order
    assert (order.rank, order.ranks) == (1, 2)
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        order = ClipDataset(root).order
        assert (order.rank, order.ranks) == (0, 1)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("size", [None, 2])
def test_resume_gives_the_very_same_items(root: str, size: int | None) -> None:
    def made() -> ClipDataset:
        return ClipDataset(root, sentences=3, frames=3, batch_size=size, seed=4, shuffle_shards=1)

    def endless(dataset: ClipDataset) -> Iterator[Any]:
        while True:
            yield from dataset

    expected = list(itertools.islice(endless(made()), 12))
    for stop in range(1, 8):
        first = made()
        list(itertools.islice(endless(first), stop))
        second = made()
        second.load_state_dict(first.state_dict())
        assert (second.epoch, second.batches_done) == divmod(stop, len(second))
        assert all(map(same, expected[stop:], itertools.islice(endless(second), 12 - stop)))


@pytest.mark.parametrize(("before", "after"), [(2, 0), (1, 2)])
def test_resume_is_exact_with_workers_that_make_batches_ahead(root: str, before: int, after: int) -> None:
    def made() -> ClipDataset:
        return ClipDataset(root, sentences=3, frames=3, batch_size=1, seed=4)

    whole = made()
    expected = [*whole, *whole]
    first = made()
    loader = first.loader(before)
    assert len(loader) == SAMPLES
    got = list(itertools.islice(loader, 3))
    second = made()
    rest = second.loader(after)
    rest.load_state_dict(first.state_dict())
    got += [*rest, *rest]
    assert all(map(same, expected, got)) and len(got) == len(expected)
    assert second.counts["samples"] == 2 * SAMPLES


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_dataloader_of_your_own_gives_the_same_in_the_same_order(root: str, workers: int) -> None:
    expected = ClipDataset(root, frames=2, batch_size=1, seed=1)
    dataset = ClipDataset(root, frames=2, batch_size=1, seed=1)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        loader = DataLoader(dataset, batch_size=None, num_workers=workers)
        assert all(map(same, list(expected), list(loader)))
    batches = list(DataLoader(ClipDataset(root, frames=2), batch_size=2, num_workers=workers))
    assert sum(len(batch["key"]) for batch in batches) == SAMPLES and batches[0]["frames"].shape == (2, 2, 36, 64, 3)


def test_each_worker_goes_on_from_its_own_state(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchdata's StatefulDataLoader does it: the state is taken and given back in the worker."""
    from types import SimpleNamespace

    def share(worker: int, state: dict[str, Any] | None, count: int) -> tuple[list[str], dict[str, Any]]:
        monkeypatch.setattr(
            "longtake.library.dataset.get_worker_info", lambda: SimpleNamespace(id=worker, num_workers=2)
        )
        dataset = ClipDataset(root, frames=2)
        if state:
            dataset.load_state_dict(state)
        keys = [clip["key"] for clip in itertools.islice(dataset, count)]
        return keys, dataset.state_dict()

    expected = [clip["key"] for clip in ClipDataset(root, frames=2)]
    for worker in (0, 1):
        before, state = share(worker, None, 1)
        assert before + share(worker, state, 9)[0] == expected[worker::2]


def test_a_state_of_other_batches_is_refused(root: str) -> None:
    state = ClipDataset(root, frames=2, batch_size=2).state_dict()
    for change in ({"frames": 3}, {"batch_size": 1}, {"seed": 1}, {"sentences": 2}, {"training": False}, {"size": 32}):
        with pytest.raises(ValueError, match=next(iter(change))):
            ClipDataset(root, **{"frames": 2, "batch_size": 2, **change}).load_state_dict(state)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ranks was 1, is 2"):
        ClipDataset(root, frames=2, batch_size=2, rank=0, ranks=2).load_state_dict(state)


def halved(clip: Clip) -> dict[str, Any]:
    pixels = clip.frames[:, ::2, ::2].float() / 255
    return {"pixels": pixels, "draw": clip.rng.random(), "sentences": clip.sentences, "record": clip.record}


def test_transforms_get_a_generator_that_resuming_does_not_change(root: str) -> None:
    first = list(ClipDataset(root, transform=halved))
    dataset = ClipDataset(root, transform=halved)
    again = list(dataset.loader(1))
    assert [one["draw"] for one in first] == [one["draw"] for one in again]
    assert first[0]["pixels"].shape[1:] == (18, 32, 3)
    assert list(first[0]["sentences"]) == [one["text"] for one in first[0]["record"]["sentences"]]
    assert [one["draw"] for one in dataset] != [one["draw"] for one in first]


def test_damage_is_filled_in_training_skipped_in_evaluation_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def cut(key: str, members: Members) -> Members:
        bad = number_of(key) == 1
        return [(name, data[:100] if bad and name.endswith(".003.jpg") else data) for name, data in members]

    data_corpora.make(tmp_path / "c", SHARDS, edit=cut)
    corpus = str(tmp_path / "c")
    with caplog.at_level(logging.WARNING, "longtake"):
        evaluated = ClipDataset(corpus, training=False)
        assert [number_of(clip["key"]) for clip in evaluated] == [0, 2, 3, 4]
    assert evaluated.counts == {"samples": 4, "filled": 0, "damaged": 1, "damaged_jpeg": 1}
    assert "train-000000: sample v001-000000000-000009000 skipped: jpeg: " in caplog.text
    assert [len(batch.get("key", [])) for batch in ClipDataset(corpus, training=False, frames=2, batch_size=1)] == [
        1
    ] * 5
    batches = list(ClipDataset(corpus, training=False, frames=8, batch_size=1))
    assert [len(batch.get("key", [])) for batch in batches] == [1, 0, 1, 1, 1] and batches[1] == {}
    trained = ClipDataset(corpus, frames=8, batch_size=5, shuffle_shards=1)
    with pytest.raises(LoaderError, match="1 damaged samples and none left to fill their places"):
        list(trained)
    trained = ClipDataset(corpus, frames=8, batch_size=1)
    assert len(list(trained)) == SAMPLES and trained.counts["filled"] == 1


def test_what_does_not_fit_is_refused_at_once(root: str, tmp_path: Path) -> None:
    for arguments, told in (
        ({"frames": 2, "frames_per_sentence": 1}, "exclude each other"),
        ({"frames_per_sentence": 3}, "frames_per_sentence is 3, but the corpus has 2"),
        ({"frames": 0}, "frames must be at least 1"),
        ({"sentences": 0}, "sentences must be at least 1"),
        ({"size": (0, 5)}, "height and width must be at least 1"),
        ({"split": "test"}, "no split 'test'; it has train"),
    ):
        with pytest.raises(ValueError, match=told):
            ClipDataset(root, **arguments)  # type: ignore[arg-type]
    with pytest.raises(LoaderError, match="not a finished corpus"):
        ClipDataset(str(tmp_path))
    with pytest.raises(
        ValueError, match=r"frames of shapes .* cannot be one batch: pass size, and frames or sentences"
    ):
        list(ClipDataset(root, batch_size=2))
