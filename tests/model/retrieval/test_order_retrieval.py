"""Which temporal windows let the vector of a video tell in what order its clips came."""

from dataclasses import replace

import torch
from torch import Tensor

from longtake.model.network.lfvila import LFVila
from longtake.model.network.sizes import TINY, VideoSize


def _moved_by_reordering(video: VideoSize) -> float:
    """The largest change of a video's vector when its clips change places."""
    model = LFVila(replace(TINY, video=video, height=24, width=40)).eval()
    frames = torch.randn(2, 3, 32, 24, 40)
    clips: Tensor = frames.unflatten(2, (4, 8))
    with torch.no_grad():
        told = model.encode_video(frames).video
        retold = model.encode_video(clips[:, :, [2, 0, 3, 1]].flatten(2, 3)).video
    return float((told - retold).abs().max())


def test_windows_within_clips_cannot_tell_the_order() -> None:
    assert _moved_by_reordering(replace(TINY.video, windows=((2, 3, 5),) * 6)) < 1e-5
    assert _moved_by_reordering(replace(TINY.video, windows=((8, 3, 5),) * 6)) < 1e-5


def test_windows_across_clips_can() -> None:
    assert _moved_by_reordering(TINY.video) > 1e-3
    assert _moved_by_reordering(replace(TINY.video, windows=((32, 3, 5),) * 6, local_window=32)) > 1e-3
