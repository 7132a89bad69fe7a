"""The smallest size on a computer without a GPU; no publication. Its values are those of examples/narrated, with four times the
pixels and three times the steps."""

from longtake.jobs.presets.preset import Preset

TINY = Preset(
    name="tiny",
    title="LF-VILA of size tiny from random weights, by contrast and MTC",
    settings={
        "seed": 42,
        "steps": 3000,
        "precision": "fp32",
        "model": {"size": "tiny", "stage": 1, "text": {"dropout": 0.0, "table_std": 0.5}},
        "data": {
            "split": "train",
            "sentences": 4,
            "frames_per_sentence": 8,
            "height": 48,
            "width": 80,
            "tokens": 50,
            "shuffle_shards": 4,
        },
        "optimizer": {"lr": 5e-4, "warmup": 0.1, "schedule": "cosine"},
        "save": {"every": 500, "keep": 2, "best": "paragraph_to_video/r1"},
        "evaluate": {"every": 500, "split": "val", "batch_size": 16},
        "log_every": 50,
    },
    batch=16,
    differs=(
        "No weights to start from: it learns only what this corpus shows, so compare it with chance, not with a published model.",
        "48 x 80 pixels: it can tell colours and large shapes, no faces and no small objects.",
        "data.flip: set it to 0 if the text says left and right.",
    ),
)
