"""Two processes, each with half a batch, against one process with the whole of it."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from small_models import batch, small
from torch.nn.parallel import DistributedDataParallel

from longtake.model.network.gather import gather, mean_over_ranks

WORLD = 2


def results(settings: dict[str, Any], rank: int, world: int) -> dict[str, torch.Tensor]:
    """Losses and gradients of this rank's share of a batch of four."""
    torch.manual_seed(0)
    model = small(**settings).double()
    video, ids, mask = batch(2 * WORLD)
    mask[0, 1] = 0
    share = slice(rank * len(ids) // world, (rank + 1) * len(ids) // world)
    wrapped = DistributedDataParallel(model) if world > 1 else model
    generator = torch.Generator().manual_seed(7)
    losses = wrapped(video[share].double(), ids[share], mask[share], generator=generator)
    losses["loss"].backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: value.detach() for name, value in (losses | gradients).items()}


def worker(rank: int, folder: str, settings: list[dict[str, Any]]) -> None:
    """What each process does."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    found = [results(one, rank, WORLD) for one in settings]
    local = torch.arange(4.0).view(2, 2) + 10 * rank
    mean = mean_over_ranks(torch.tensor([6.0, 4.0][rank]), torch.tensor([3.0, 1.0][rank]))
    torch.save((found, gather(local), gather(local > 5), mean), os.path.join(folder, f"rank{rank}.pt"))
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    settings = [{}, {"compat": "corrected", "contrast": "sigmoid", "mtc_keys": 4}]
    mp.start_processes(worker, (str(tmp_path), settings), nprocs=WORLD, start_method="spawn")
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(WORLD)]
    for number, one in enumerate(settings):
        alone = results(one, 0, 1)
        assert len(alone) > 100
        for found, *_ in ranks:
            assert found[number].keys() == alone.keys()
            for name, value in alone.items():
                torch.testing.assert_close(found[number][name], value, atol=1e-10, rtol=1e-8, msg=name)
    expected = torch.tensor([[0.0, 1], [2, 3], [10, 11], [12, 13]])
    for _, gathered, flags, _ in ranks:
        assert torch.equal(gathered, expected) and torch.equal(flags, expected > 5)
    assert sum(float(mean) for *_, mean in ranks) / WORLD == pytest.approx(10 / 4)


def test_one_process_gathers_nothing() -> None:
    x = torch.randn(2, 3)
    assert gather(x) is x
    assert mean_over_ranks(torch.tensor(0.0), torch.tensor(0.0)) == 0
