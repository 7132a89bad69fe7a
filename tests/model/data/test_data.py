"""The loader as a whole: what batches hold, exact resume, damage, ranks."""

import logging
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import data_corpora
import fsspec
import numpy as np
import psutil
import pytest
import simplejpeg
import torch
import webdataset
from data_corpora import PER_SENTENCE, Members, sentence_text
from small_models import small

from longtake.library.clips import Clip, sample_generator
from longtake.library.shards import LoaderError
from longtake.model.data.cuts import Cut
from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.data.samples import Batch, BatchMaker, CutClip
from longtake.model.data.text import SentenceTokenizer
from longtake.model.data.transforms import evaluation_frames

SHARDS = ((4, 6, 5, 7), (4, 4, 8, 5, 4), (9, 4, 4), (4, 5, 6, 4))
SAMPLES = sum(map(len, SHARDS))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    return data_corpora.vocabulary(tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, tokenizer: str) -> LoaderSettings:
    root = tmp_path_factory.mktemp("corpora") / "sound"
    data_corpora.make(root, SHARDS)
    return LoaderSettings(str(root), tokenizer, batch_size=3, seed=7, shuffle_shards=2, height=24, width=40, tokens=6)


def damaged(settings: LoaderSettings, root: Path, edit: data_corpora.Edit, **changes: Any) -> LoaderSettings:
    data_corpora.make(root, SHARDS, edit=edit)
    return replace(settings, corpus=str(root), **changes)


def same(first: Batch, second: Batch) -> bool:
    tensors = all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("frames", "ids", "mask"))
    return tensors and replace(first, frames=0, ids=0, mask=0) == replace(second, frames=0, ids=0, mask=0)  # type: ignore[arg-type]


def take(loader: ShardLoader, count: int) -> list[Batch]:
    """The next `count` batches, through as many epochs as it takes."""

    def endless() -> Iterator[Batch]:
        while True:
            yield from loader

    found, stream = [], endless()
    for _ in range(count):
        found.append(next(stream))
    return found


def number_of(key: str) -> int:
    return int(key[1:4])


def test_evaluation_is_what_plain_webdataset_and_the_transform_give(settings: LoaderSettings) -> None:
    loader = ShardLoader(replace(settings, training=False))
    batches = list(loader)
    assert [len(batch) for batch in batches] == [3] * 5 + [1] and len(loader) == 6
    urls = settings.corpus + "/shards/train-{000000..000003}.tar"
    plain = webdataset.WebDataset(urls, shardshuffle=False)
    ours = [(key, frames) for batch in batches for key, frames in zip(batch.keys, batch.frames, strict=True)]
    for sample, (key, frames) in zip(plain, ours, strict=True):
        assert sample["__key__"] == key
        pictures = [simplejpeg.decode_jpeg(sample[f"{n:03d}.jpg"]) for n in range(4 * PER_SENTENCE)]
        whole = torch.stack([torch.from_numpy(picture) for picture in pictures])
        assert torch.equal(frames, evaluation_frames(whole, 24, 40))
    assert loader.counts == {"samples": SAMPLES, "filled": 0}


def test_windows_are_consecutive_match_their_text_and_all_are_reached(settings: LoaderSettings) -> None:
    loader = ShardLoader(replace(settings, batch_size=1))
    lengths = [length for shard in SHARDS for length in shard]
    reached = set()
    tokens = loader.dataset.maker.collate.tokenizer  # type: ignore[attr-defined]
    for batch in take(loader, 16 * 25):
        number, start = number_of(batch.keys[0]), batch.starts[0]
        reached.add((number, start))
        # The frames tell by their red which they are, the texts by their words.
        red = (batch.frames[0, ..., 0].float().mean((1, 2)) - 10) / 12
        assert red.round().int().tolist() == list(range(start * PER_SENTENCE, (start + 4) * PER_SENTENCE))
        green = (batch.frames[0, ..., 1].float().mean() - 10) / 9
        assert round(green.item()) == number
        expected = tokens([[sentence_text(number, n) for n in range(start, start + 4)]])
        assert torch.equal(batch.ids, expected[0]) and torch.equal(batch.mask, expected[1])
    assert reached == {(n, start) for n, length in enumerate(lengths) for start in range(length - 3)}


def test_the_released_window_never_reaches_the_last_sentences(settings: LoaderSettings) -> None:
    loader = ShardLoader(replace(settings, batch_size=4, released_window=True))
    lengths = [length for shard in SHARDS for length in shard]
    reached = {
        (number_of(key), start)
        for batch in take(loader, 4 * 20)
        for key, start in zip(batch.keys, batch.starts, strict=True)
    }
    assert reached == {(n, start) for n, length in enumerate(lengths) for start in range(max(1, length - 4))}
    with pytest.raises(ValueError, match="released_window was True, is None"):
        ShardLoader(replace(settings, batch_size=4)).load_state_dict(loader.state_dict())


def test_fewer_frames_of_each_sentence_can_be_taken(settings: LoaderSettings) -> None:
    whole = next(iter(ShardLoader(replace(settings, training=False))))
    half = next(iter(ShardLoader(replace(settings, training=False, frames_per_sentence=1))))
    assert torch.equal(half.frames, whole.frames[:, ::2])
    with pytest.raises(ValueError, match="frames_per_sentence is 3, but the corpus has 2"):
        ShardLoader(replace(settings, frames_per_sentence=3))


def test_only_jpegs_of_the_window_are_decoded(settings: LoaderSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, decoded = simplejpeg.decode_jpeg, []
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *a, **k: decoded.append(1) or plain(*a, **k))
    samples = sum(len(batch) for batch in ShardLoader(settings))
    assert samples == 15 and len(decoded) == samples * 4 * PER_SENTENCE


def test_crops_differ_between_samples_and_epochs(settings: LoaderSettings) -> None:
    loader = ShardLoader(settings)
    by_key: dict[str, list[torch.Tensor]] = {}
    for batch in take(loader, 20):
        for key, frames in zip(batch.keys, batch.frames, strict=True):
            by_key.setdefault(key, []).append(frames[0, :, :, 2])  # the gradient shows the crop and the mirroring
    repeated = [views for views in by_key.values() if len(views) > 1]
    assert len(repeated) > 10
    assert all(not torch.equal(views[0], views[1]) for views in repeated)


@pytest.mark.parametrize("released", [False, True])
def test_the_device_resizes_the_crops_that_workers_draw(settings: LoaderSettings, released: bool) -> None:
    """Same samples, windows, crops and mirrors; pixels within 1 of 255. Of pictures of different sizes."""
    wanted = replace(settings, released_crop=released, antialias=not released)
    here, there = ShardLoader(wanted), ShardLoader(replace(wanted, on_device=True, workers=2))
    sizes = set()
    for expected, raw in zip(take(here, 6), take(there, 6), strict=True):
        sizes |= {cut.crop for cut in raw.cuts}
        found = raw.sized("cpu")
        assert raw.frames.shape == (
            sum(3 * 4 * PER_SENTENCE * tall * wide for tall, wide in (c.crop for c in raw.cuts)),
        )
        with pytest.raises(ValueError, match="not resized yet: call sized"):
            raw.video()
        assert found.video().shape == (3, 3, 4 * PER_SENTENCE, 24, 40)
        assert len(raw.cuts) == 3 and not found.cuts and same(replace(expected, frames=found.frames), found)
        assert (found.frames.int() - expected.frames.int()).abs().max() <= 1
        assert expected.sized("cpu") is expected
    assert len(sizes) == 1 if released else len(sizes) > 5
    with pytest.raises(ValueError, match="on_device was True, is None"):
        here.load_state_dict(there.state_dict())
    evaluated = replace(wanted, training=False, on_device=True)
    assert all(not batch.cuts for batch in ShardLoader(evaluated))


def test_pictures_of_different_sizes_share_a_batch_for_the_device(settings: LoaderSettings, tmp_path: Path) -> None:
    def reshaped(key: str, members: Members) -> Members:
        number = number_of(key)
        size = (36, 64 - 4 * (number % 3))
        frames = [(name, data) for name, data in members if name.endswith("jpg")]
        others = [(name, data) for name, data in members if not name.endswith("jpg")]
        return others + [(name, data_corpora.picture(number, n, size)) for n, (name, _) in enumerate(frames)]

    wanted = damaged(settings, tmp_path / "ragged", reshaped)
    here, there = ShardLoader(wanted), ShardLoader(replace(wanted, on_device=True))
    for expected, raw in zip(here, there, strict=True):
        assert (raw.sized("cpu").frames.int() - expected.frames.int()).abs().max() <= 1


@pytest.mark.parametrize("shape", [(8, 24, 1, 3), (1, 24, 40, 3)])
def test_frames_of_other_shapes_or_numbers_are_no_batch(settings: LoaderSettings, shape: tuple[int, ...]) -> None:
    """Both would be broadcast over the other sample's."""
    clips = [
        Clip("a", 0, ("one",), torch.zeros(size, dtype=torch.uint8), torch.zeros(size[0]), {}, np.random.default_rng(0))
        for size in ((8, 24, 40, 3), shape)
    ]
    maker = BatchMaker(SentenceTokenizer(settings.tokenizer, settings.tokens))
    with pytest.raises(ValueError, match=r"frames of shapes .* cannot be one batch"):
        maker(clips)
    with pytest.raises(ValueError, match="1 of 2 samples are still to be resized"):
        maker([CutClip(**vars(clips[0]), cut=Cut((24, 40), (24, 40), False, True)), clips[0]])


def test_each_sample_has_its_own_draws_in_each_epoch_of_each_seed() -> None:
    draws = [sample_generator(*of).random() for of in [(1, 2, "a"), (1, 2, "b"), (1, 3, "a"), (2, 2, "a")]]
    assert len(set(draws)) == 4
    assert sample_generator(1, 2, "a").random() == draws[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(settings: LoaderSettings, workers: int) -> None:
    expected = take(ShardLoader(settings), 12)  # two epochs and a part of the third
    got = take(ShardLoader(replace(settings, workers=workers)), 12)
    assert all(same(a, b) for a, b in zip(expected, got, strict=True))


def test_workers_may_be_started_afresh(settings: LoaderSettings) -> None:
    loader = ShardLoader(settings)
    maker = pickle.loads(pickle.dumps(loader.dataset.maker))  # noqa: S301  as the start method "spawn" does
    assert same(maker[loader.order.ticket(0, 0)].batch, next(iter(loader)))


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 1), (1, 0), (0, 0)])
def test_resume_goes_on_with_the_very_same_batches(settings: LoaderSettings, before: int, after: int) -> None:
    whole = take(ShardLoader(settings), 11)
    for stop in (1, 3, 4, 5, 7):  # epochs have five batches
        first = ShardLoader(replace(settings, workers=before))
        take(first, stop)
        state = first.state_dict()
        assert (state["epoch"], state["batches_done"]) == divmod(stop, 5)
        second = ShardLoader(replace(settings, workers=after))
        second.load_state_dict(state)
        rest = take(second, 11 - stop)
        assert all(same(a, b) for a, b in zip(whole[stop:], rest, strict=True))
        assert second.counts["samples"] == 33


@pytest.mark.parametrize("workers", [0, 2])
def test_iteration_goes_on_where_it_was_left(settings: LoaderSettings, workers: int) -> None:
    whole = take(ShardLoader(settings), 6)
    loader = ShardLoader(replace(settings, workers=workers))
    for _ in loader:
        break
    rest = [*loader, next(iter(loader))]
    assert all(same(a, b) for a, b in zip(whole[1:], rest, strict=True))


def test_a_state_that_would_give_other_batches_is_refused(settings: LoaderSettings, tmp_path: Path) -> None:
    state = ShardLoader(settings).state_dict()
    for change in ({"seed": 8}, {"batch_size": 2}, {"sentences": 3}, {"height": 32}, {"training": False}):
        with pytest.raises(ValueError, match=next(iter(change))):
            ShardLoader(replace(settings, **change)).load_state_dict(state)
    with pytest.raises(ValueError, match="ranks was 1, is 2"):
        ShardLoader(settings, 0, 2).load_state_dict(state)
    data_corpora.make(tmp_path / "other", [*SHARDS[:3], (4, 5, 6, 5)])
    with pytest.raises(ValueError, match="shards"):
        ShardLoader(replace(settings, corpus=str(tmp_path / "other"))).load_state_dict(state)


def test_nothing_is_taken_from_the_global_generator(settings: LoaderSettings) -> None:
    before = torch.get_rng_state()
    list(ShardLoader(replace(settings, workers=1)))
    assert torch.equal(before, torch.get_rng_state())


def test_ranks_share_an_evaluation_without_loss_or_double(settings: LoaderSettings) -> None:
    for ranks in (2, 3, 5):
        loaders = [ShardLoader(replace(settings, training=False), rank, ranks) for rank in range(ranks)]
        keys = [key for loader in loaders for batch in loader for key in batch.keys]
        assert keys == sorted(keys) and len(set(keys)) == len(keys) == SAMPLES


def test_ranks_train_on_equally_many_full_batches_of_different_samples(settings: LoaderSettings) -> None:
    loaders = [ShardLoader(replace(settings, batch_size=2), rank, 3) for rank in range(3)]
    parts = [list(loader) for loader in loaders]
    assert [[len(batch) for batch in part] for part in parts] == [[2, 2]] * 3
    keys = [key for part in parts for batch in part for key in batch.keys]
    assert len(set(keys)) == 12


def break_jpeg(key: str, members: Members) -> Members:
    """Cuts the third frame of samples 2 and 9 in half."""
    bad = number_of(key) in (2, 9)
    return [(name, data[: len(data) // 2] if bad and name.endswith(".002.jpg") else data) for name, data in members]


def lose_frame(key: str, members: Members) -> Members:
    """Of sample 2 a frame behind the first window, of sample 9 one inside it."""
    lost = {2: ".009.jpg", 9: ".002.jpg"}.get(number_of(key), "none")
    return [member for member in members if not member[0].endswith(lost)]


def lose_json(key: str, members: Members) -> Members:
    return [member for member in members if not (number_of(key) in (2, 9) and member[0].endswith(".json"))]


def break_json(key: str, members: Members) -> Members:
    bad = number_of(key) in (2, 9)
    return [(name, data[:-5] if bad and name.endswith(".json") else data) for name, data in members]


def resize_frame(key: str, members: Members) -> Members:
    bad = number_of(key) in (2, 9)
    other = data_corpora.picture(0, 0, (30, 64))
    return [(name, other if bad and name.endswith(".002.jpg") else data) for name, data in members]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [(break_jpeg, "jpeg"), (lose_frame, "member"), (lose_json, "member"), (break_json, "json"), (resize_frame, "jpeg")],
)
def test_evaluation_skips_counts_and_reports_damage(
    settings: LoaderSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture, edit: data_corpora.Edit, reason: str
) -> None:
    loader = ShardLoader(damaged(settings, tmp_path / "c", edit, training=False))
    with caplog.at_level(logging.WARNING, "longtake"):
        batches = list(loader)
    assert [number_of(key) for batch in batches for key in batch.keys] == [n for n in range(SAMPLES) if n not in (2, 9)]
    expected = {"samples": SAMPLES - 2, "damaged": 2, f"damaged_{reason}": 2, "filled": 0}
    assert loader.counts == expected
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].startswith(f"train-000000: sample v002-000000000-000009000 skipped: {reason}: ")
    assert lines[1].startswith("train-000002: sample v009-")
    sound = {key: frames for batch in ShardLoader(replace(settings, training=False)) for key, frames in pairs(batch)}
    assert all(torch.equal(frames, sound[key]) for batch in batches for key, frames in pairs(batch))


def pairs(batch: Batch) -> list[tuple[str, torch.Tensor]]:
    return list(zip(batch.keys, batch.frames, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_training_fills_the_places_of_damaged_samples_and_says_so(
    settings: LoaderSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    loader = ShardLoader(damaged(settings, tmp_path / "c", break_json, workers=workers))
    with caplog.at_level(logging.WARNING, "longtake"):
        got = take(loader, 10)
    sound = take(ShardLoader(settings), 10)
    assert {len(batch) for batch in got} == {3}
    faults = 0
    for batch, other in zip(got, sound, strict=True):
        bad = {key for key in other.keys if number_of(key) in (2, 9)}
        assert len(batch.keys) == len(set(batch.keys))  # a sample is not its own negative
        assert set(batch.keys) == {*other.keys} - bad | {*batch.filled}
        assert len(batch.filled) == len(bad) and not {*batch.filled} & {*other.keys}
        assert {fault.key for fault in batch.faults} >= bad
        faults += len(batch.faults)
        assert all(f"sample {fault.key} skipped: json" in caplog.text for fault in batch.faults)
        assert all(key in caplog.text for key in batch.filled)
    assert loader.counts["damaged"] == faults >= 2
    assert loader.counts["filled"] == sum(len(batch.filled) for batch in got) >= 2
    assert loader.counts["samples"] == 30


def test_resume_is_exact_beside_damage(settings: LoaderSettings, tmp_path: Path) -> None:
    bad = damaged(settings, tmp_path / "c", break_json)
    whole, first, second = ShardLoader(bad), ShardLoader(bad), ShardLoader(replace(bad, workers=2))
    expected = take(whole, 9)
    take(first, 3)
    second.load_state_dict(first.state_dict())
    assert all(same(a, b) for a, b in zip(expected[3:], take(second, 6), strict=True))
    assert second.counts == whole.counts


def test_a_truncated_shard_and_a_missing_one(settings: LoaderSettings, tmp_path: Path) -> None:
    bad = damaged(settings, tmp_path / "c", lambda key, members: members, training=False)
    shards = tmp_path / "c" / "shards"
    half = (shards / "train-000001.tar").read_bytes()
    (shards / "train-000001.tar").write_bytes(half[: len(half) // 2])
    (shards / "train-000003.tar").unlink()
    loader = ShardLoader(bad)
    keys = [number_of(key) for batch in loader for key in batch.keys]
    assert keys[:4] == [0, 1, 2, 3] and keys[-3:] == [9, 10, 11] and loader.counts["samples"] == len(keys)
    assert loader.counts["damaged_unreadable"] == 4 and loader.counts["damaged_truncated"] == 12 - len(keys) > 0
    assert {len(batch) for batch in take(ShardLoader(replace(bad, training=True)), 10)} == {3}


@pytest.mark.parametrize("workers", [0, 1])
def test_too_much_damage_ends_the_training(settings: LoaderSettings, tmp_path: Path, workers: int) -> None:
    bad = damaged(settings, tmp_path / "c", lambda key, members: [(n, d + b"}") for n, d in members], workers=workers)
    with pytest.raises(LoaderError, match="16 damaged samples and none left to fill"):
        list(ShardLoader(bad))


def test_samples_of_too_few_sentences_are_left_out_and_counted(
    settings: LoaderSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "longtake"):
        loader = ShardLoader(replace(settings, sentences=5, training=False, batch_size=4))
    assert loader.short == 8 and "8 samples have fewer than 5 sentences" in caplog.text
    lengths = [length for shard in SHARDS for length in shard]
    keys = [number_of(key) for batch in loader for key in batch.keys]
    assert keys == [n for n, length in enumerate(lengths) if length >= 5]
    assert ShardLoader(settings).short == 0


def test_a_corpus_in_an_object_store_gives_the_same(settings: LoaderSettings) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(settings.corpus, "/loader-test", recursive=True)
    try:
        remote = ShardLoader(replace(settings, corpus="memory://loader-test"))
        assert all(same(a, b) for a, b in zip(ShardLoader(settings), remote, strict=True))
    finally:
        memory.rm("/loader-test", recursive=True)


def test_what_is_no_corpus_is_refused(settings: LoaderSettings, tmp_path: Path) -> None:
    with pytest.raises(LoaderError, match="not a finished corpus: it has no"):
        ShardLoader(replace(settings, corpus=str(tmp_path)))
    with pytest.raises(ValueError, match="no split 'val'"):
        ShardLoader(replace(settings, split="val"))
    data_corpora.make(tmp_path / "c", SHARDS)
    (tmp_path / "c" / "index" / "train-000002.parquet").write_bytes(
        (tmp_path / "c" / "index" / "train-000001.parquet").read_bytes()
    )
    with pytest.raises(LoaderError, match=r"train-000002\.parquet has 5 samples, corpus\.json says 3"):
        ShardLoader(replace(settings, corpus=str(tmp_path / "c")))


def test_the_model_takes_a_batch(settings: LoaderSettings) -> None:
    batch = next(iter(ShardLoader(replace(settings, height=64, width=96)))).to("cpu")
    losses = small()(batch.video(), batch.ids, batch.mask, generator=torch.Generator().manual_seed(0))
    assert losses["loss"].isfinite()


def test_loader_processes_end_with_a_killed_trainer(settings: LoaderSettings, tmp_path: Path) -> None:
    script = tmp_path / "trainer.py"
    script.write_text(
        textwrap.dedent(f"""
        import time
        import psutil
        from longtake.model.data.loader import LoaderSettings, ShardLoader

        settings = LoaderSettings(
            {settings.corpus!r}, {settings.tokenizer!r}, batch_size=1, height=24, width=40, tokens=6, workers=2, prefetch=8
        )
        batches = iter(ShardLoader(settings))
        next(batches)
        time.sleep(2)  # until they wait
        print(*(child.pid for child in psutil.Process().children()), flush=True)
        time.sleep(600)
        """)
    )
    trainer = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None
    children = [psutil.Process(int(pid)) for pid in trainer.stdout.readline().split()]
    trainer.kill()
    trainer.wait()
    assert len(children) >= 2
    assert psutil.wait_procs(children, timeout=15)[1] == []
