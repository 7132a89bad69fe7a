"""A preset: the settings of a training, and what it takes of a GPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Footprint:
    """The memory of a training on each GPU, in bytes, in bfloat16 with weights and AdamW in float32.

    Counted, not measured on a GPU: docs/training.md says how.
    """

    fixed: float  # weights, gradients, means of AdamW
    sample: float  # activations of a sample that wait for the backward pass
    sample_checkpointed: float  # the same with `checkpointing: true`
    frames: float  # of a sample, as the loader delivers them


@dataclass(frozen=True)
class Preset:
    """The settings of a training, most of them published ones. `fit` (fitting.py) adds those that depend on GPUs and corpus."""

    name: str  # as on the command line
    title: str  # what it trains, in one line
    settings: Mapping[
        str, Any
    ]  # of train.yaml, section by section; without batch_size, accumulate, checkpointing, workers
    batch: int  # samples of a step, on all GPUs together
    gpus: str = ""  # those of the publication
    footprint: Footprint | None = None  # None: for a computer without a GPU
    workers: int = 0  # loader processes that feed one H200 (docs/training.md); without a GPU the cores decide
    contrasts: bool = True  # a loss compares all samples of a step; else batches may be summed up
    differs: tuple[str, ...] = ()  # what differs from the publication in any case, or is to be known; a sentence each
