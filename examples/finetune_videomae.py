"""Train a small VideoMAE, from random weights, to tell the source videos of a corpus apart.

python examples/finetune_videomae.py out/demo
"""

import sys

import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

import longtake
from longtake.torch import Clip, ClipDataset


def train(path: str, steps: int = 60) -> list[float]:
    """Train on the corpus at `path`, and return the loss of each step."""
    videos = sorted(set(longtake.open(path).index(["video_id"], "train").column(0).to_pylist()))

    def example(clip: Clip) -> dict[str, torch.Tensor]:
        pixels = clip.frames.permute(0, 3, 1, 2) / 127.5 - 1  # (T, 3, height, width)
        return {"pixel_values": pixels, "labels": torch.tensor(videos.index(clip.record["video_id"]))}

    loader = ClipDataset(path, sentences=2, frames=8, size=64, batch_size=2, transform=example).loader(workers=1)
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    config = VideoMAEConfig(image_size=64, num_frames=8, num_labels=len(videos), **size)
    model = VideoMAEForVideoClassification(config)
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-3), list[float]()
    while len(losses) < steps:
        for batch in loader:  # an epoch
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return losses


if __name__ == "__main__":
    losses = train(sys.argv[1])
    print(f"loss of the first step {losses[0]:.2f}, of the last {losses[-1]:.2f}")
