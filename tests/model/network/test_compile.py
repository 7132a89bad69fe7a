"""torch.compile: no graph break, no recompilation from step to step, the same numbers."""

import torch
from small_models import batch, small
from torch._dynamo.utils import counters

from longtake.model.network.temporal_contrast import draw
from longtake.model.network.window_geometry import _tensors


def test_the_video_encoder_compiles_once_for_each_size() -> None:
    torch._dynamo.reset()
    counters.clear()
    encoder = small(video={"depths": (2, 1, 1, 1, 1, 1)}).video_encoder
    compiled = torch.compile(encoder, backend="aot_eager", fullgraph=True)
    video, _, _ = batch(2)
    compiled(video, 4).video.sum().backward()
    built = _tensors.cache_info().misses
    with torch.compiler.set_stance("fail_on_recompile"):
        for _ in range(2):
            video = torch.randn_like(video)
            torch.testing.assert_close(compiled(video, 4).clip, encoder(video, 4).clip)
    assert _tensors.cache_info().misses == built
    other = torch.randn(2, 3, 12, 72, 104)
    torch.testing.assert_close(compiled(other, 3).clip, encoder(other, 3).clip)
    assert counters["stats"]["unique_graphs"] == 2 and not counters["graph_break"]


def test_stage_one_is_one_graph_when_the_draw_is_given() -> None:
    """A generator cannot enter a graph: draw outside."""
    torch._dynamo.reset()
    model = small(video={"depths": (2, 1, 1, 1, 1, 1)})
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    generator = torch.Generator().manual_seed(0)
    for step in range(3):
        inputs, drawn = batch(2), draw(torch.ones(2, 4, dtype=torch.bool), 2, 2, generator)
        with torch.compiler.set_stance("fail_on_recompile" if step else "default"):
            losses = compiled(*inputs, drawn=drawn)
        torch.testing.assert_close(losses["loss"], model(*inputs, drawn=drawn)["loss"])
