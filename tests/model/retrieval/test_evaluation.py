"""Features of a corpus over ranks: nothing lost, nothing doubled, nothing changed in the model."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import data_corpora
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from data_corpora import Members
from small_models import HEIGHT, LENGTH, WIDTH, small

from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.network.lfvila import LFVila
from longtake.model.retrieval.evaluation import encode_corpus, evaluate_corpus, gather_rows
from longtake.model.retrieval.metrics import alignment, retrieval_metrics

WORLD = 2
SHARDS = ((4, 6, 5), (4, 3, 8), (9,))  # one sample of seven has too few sentences
DAMAGED = "v003"


def model(**settings: Any) -> LFVila:
    torch.manual_seed(0)
    return small(**settings)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> LoaderSettings:
    folder = tmp_path_factory.mktemp("evaluation")
    data_corpora.make(folder / "corpus", SHARDS)
    tokenizer = data_corpora.vocabulary(folder / "vocabulary")
    return LoaderSettings(
        str(folder / "corpus"),
        tokenizer,
        training=False,
        batch_size=2,
        height=HEIGHT,
        width=WIDTH,
        tokens=LENGTH,
    )


@pytest.fixture(scope="module")
def damaged(settings: LoaderSettings, tmp_path_factory: pytest.TempPathFactory) -> LoaderSettings:
    root = tmp_path_factory.mktemp("damaged") / "corpus"

    def spoil(key: str, members: Members) -> Members:
        return [(n, b"x" * len(d) if n.endswith(".jpg") else d) for n, d in members] if key[:4] == DAMAGED else members

    data_corpora.make(root, SHARDS, edit=spoil)
    return replace(settings, corpus=str(root))


def test_metrics_are_those_of_all_samples_in_one_batch(settings: LoaderSettings) -> None:
    net = model().eval()
    (whole,) = ShardLoader(replace(settings, batch_size=100))
    with torch.inference_mode():
        video, text = net.encode_video(whole.video()), net.encode_text(whole.ids, whole.mask)
    expected = retrieval_metrics(text.paragraph, video.video)
    expected |= alignment(video.clips, text.sentences, text.present).metrics()
    found = evaluate_corpus(net, ShardLoader(settings), "cpu")
    assert found == pytest.approx(expected | {"samples": 6, "damaged": 0, "short": 1})
    assert found["aligned_sentences"] == 24 and found["clip_to_sentence/chance"] == 0.25


def test_the_same_whatever_the_batches_and_every_time(settings: LoaderSettings) -> None:
    net, loader = model(), ShardLoader(settings)
    first = encode_corpus(net, loader, "cpu")
    again = encode_corpus(net, loader, "cpu")
    other = encode_corpus(net, ShardLoader(replace(settings, batch_size=5, workers=1)), "cpu")
    assert torch.equal(first.videos, again.videos) and first.metrics() == again.metrics()
    torch.testing.assert_close(first.videos, other.videos)
    torch.testing.assert_close(first.paragraphs, other.paragraphs)
    assert first.videos.norm(dim=1).tolist() == pytest.approx([1] * 6)


@pytest.mark.parametrize("stage", [1, 2])
def test_the_model_and_the_generators_are_left_as_they_were(settings: LoaderSettings, stage: int) -> None:
    net = model(stage=stage).train()
    net.text_encoder.bert.pooler.eval()
    modes = [module.training for module in net.modules()]
    assert True in modes and False in modes
    state = torch.get_rng_state()
    evaluate_corpus(net, ShardLoader(settings), "cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_failure_restores_the_modes_too(settings: LoaderSettings) -> None:
    net = model().train()
    loader = ShardLoader(settings)
    net.encode_text = None  # type: ignore[assignment, method-assign]
    with pytest.raises(TypeError):
        evaluate_corpus(net, loader, "cpu")
    assert net.video_encoder.training


def test_dropout_is_off(settings: LoaderSettings) -> None:
    net, (batch,) = model().train(), ShardLoader(replace(settings, batch_size=100))
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.9
    noisy = net.encode_text(batch.ids, batch.mask).paragraph
    found = encode_corpus(net, ShardLoader(settings), "cpu").paragraphs
    expected = net.eval().encode_text(batch.ids, batch.mask).paragraph
    torch.testing.assert_close(found, expected.detach())
    assert not torch.allclose(noisy, expected, atol=0.1)


def test_mixed_precision_is_near(settings: LoaderSettings) -> None:
    net, loader = model(), ShardLoader(settings)
    exact = encode_corpus(net, loader, "cpu")
    mixed = encode_corpus(net, loader, "cpu", torch.bfloat16)
    assert mixed.videos.dtype == torch.float32
    assert not torch.equal(exact.videos, mixed.videos)
    assert bool(((exact.videos * mixed.videos).sum(1) > 0.98).all())


def test_damage_is_left_out_and_counted(damaged: LoaderSettings) -> None:
    net, loader = model(), ShardLoader(damaged)
    for _ in range(2):  # the counts of the loader go on from one evaluation to the next
        assert loader.batches_done == 0
        found = evaluate_corpus(net, loader, "cpu")
        assert (found["samples"], found["damaged"], found["short"]) == (5, 1, 1)


def test_nothing_to_evaluate_is_no_number(settings: LoaderSettings, tmp_path: Path) -> None:
    data_corpora.make(tmp_path / "corpus", ((2, 3),))
    found = evaluate_corpus(model(), ShardLoader(replace(settings, corpus=str(tmp_path / "corpus"))), "cpu")
    assert found["samples"] == 0 and found["short"] == 2
    assert math.isnan(found["paragraph_to_video/r1"]) and math.isnan(found["clip_to_sentence/accuracy"])


def test_a_loader_that_trains_or_stands_inside_an_epoch_is_refused(settings: LoaderSettings) -> None:
    with pytest.raises(ValueError, match="training=False"):
        evaluate_corpus(model(), ShardLoader(replace(settings, training=True)), "cpu")
    loader = ShardLoader(settings)
    next(iter(loader))
    with pytest.raises(ValueError, match="start of an epoch"):
        evaluate_corpus(model(), loader, "cpu")


# -- two processes -----------------------------------------------------------------------------------------------------


def worker(rank: int, folder: str, corpora: list[LoaderSettings]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    net, found = model(), []
    for settings in corpora:
        loader = ShardLoader(settings, rank, WORLD)
        features = encode_corpus(net, loader, "cpu")
        found.append((features.videos, features.paragraphs, features.metrics(), len(loader)))
    rows = gather_rows(torch.full((3 * rank, 2), float(rank)), torch.device("cpu"))
    torch.save((found, rows), os.path.join(folder, f"rank{rank}.pt"))
    dist.destroy_process_group()


def test_two_processes_equal_one(settings: LoaderSettings, damaged: LoaderSettings, tmp_path: Path) -> None:
    """Uneven shares, uneven numbers of batches, a damaged sample, a rank without any sample."""
    data_corpora.make(tmp_path / "one", ((4,),))
    data_corpora.make(tmp_path / "five", ((4, 5, 4), (6, 4)))
    corpora = [
        settings,
        damaged,
        replace(settings, corpus=str(tmp_path / "one")),
        replace(settings, corpus=str(tmp_path / "five")),
    ]
    mp.start_processes(worker, (str(tmp_path), corpora), nprocs=WORLD, start_method="spawn")
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(WORLD)]
    lengths = [[found[number][3] for found, _ in ranks] for number in range(len(corpora))]
    assert lengths[2] == [0, 1] and lengths[3] == [1, 2]
    for number, one in enumerate(corpora):
        alone = encode_corpus(model(), ShardLoader(one), "cpu")
        for found, _ in ranks:
            videos, paragraphs, metrics, _ = found[number]
            torch.testing.assert_close(videos, alone.videos, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(paragraphs, alone.paragraphs, atol=1e-5, rtol=1e-5)
            assert metrics == pytest.approx(alone.metrics())
        assert ranks[0][0][number][2] == ranks[1][0][number][2]
    for _, rows in ranks:
        assert rows.tolist() == [[1.0, 1.0]] * 3
