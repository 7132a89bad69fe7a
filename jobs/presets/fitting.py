"""Fit a preset to GPUs, if it is for GPUs, and to a corpus: the batch, how it fits into memory, and what then differs."""

import math
from dataclasses import dataclass
from typing import Any

from longtake.jobs.presets.preset import Footprint, Preset
from longtake.schemas.errors import ConfigError
from longtake.schemas.manifest import CorpusManifest
from longtake.schemas.task_config import TaskSettings
from longtake.schemas.wording import plural

# Of the memory of a GPU, what activations may take: the rest is for the CUDA context, kernels' scratch space and fragments.
USABLE = 0.85
LEAST_BATCH = 2  # with one sample there is nothing to contrast with, and no other video to match a text with


@dataclass(frozen=True)
class Fitted:
    """A preset as settings of train.yaml. `differs` has a sentence for each difference from the publication."""

    settings: dict[str, Any]
    differs: tuple[str, ...]


def fit(preset: Preset, manifest: CorpusManifest, gpus: int, memory_gb: float) -> Fitted:
    """Fit `preset` to `gpus` GPUs of `memory_gb` GB each and to a corpus.

    Raises ConfigError if the corpus has no such split, or a GPU cannot hold the smallest batch.
    """
    if not math.isfinite(memory_gb):
        raise ConfigError(f"--memory {memory_gb}: name the memory of a GPU in GB")
    settings: dict[str, Any] = {
        name: dict(value) if isinstance(value, dict) else value for name, value in preset.settings.items()
    }
    told: list[str] = []
    samples = _samples(manifest, settings["data"]["split"])
    wanted = _global_batch(preset, samples, gpus, told)
    if preset.footprint is None:
        _fit_cpu(preset, settings, wanted, gpus)
    else:
        _fit_memory(preset, preset.footprint, settings, wanted, gpus, memory_gb, told)
    _fit_frames(settings, manifest, told)
    _fit_evaluation(settings, manifest, told)
    step = settings["batch_size"] * settings["accumulate"] * gpus
    items = settings.get("task", {}).get("kind") in (
        "choice",
        "answer",
    )  # a sample has several; corpus.json does not tell
    if settings.get("epochs") is not None and not items:
        told.append(
            f"This corpus has {plural(samples, 'sample')}: {plural(int(settings['epochs'] * samples // step), 'step')} in "
            f"{settings['epochs']:g} epochs."
        )
    if preset.footprint is not None:
        settings["data"] |= {"workers": preset.workers, "prefetch": 2}
        ahead = preset.workers * 2 * settings["batch_size"] * preset.footprint.frames
        told.append(
            f"The batches that loader processes make ahead take up to {ahead / 1e9:.1f} GB of /dev/shm for each GPU."
        )
    return Fitted(settings, (*told, *preset.differs))


def _samples(manifest: CorpusManifest, split: str) -> int:
    splits = manifest.splits()
    if split not in splits:
        raise ConfigError(
            f"the corpus has no split {split!r} to train on; it has {', '.join(sorted(splits)) or 'none'}"
        )
    return splits[split]["samples"]


def _global_batch(preset: Preset, samples: int, gpus: int, told: list[str]) -> int:
    """Return the samples of a step: the paper's, or what the corpus can fill."""
    wanted = min(preset.batch, samples)
    if wanted // gpus < LEAST_BATCH:
        raise ConfigError(
            f"--gpus {gpus}: {plural(wanted, 'sample')} of a step are too few for a batch of {LEAST_BATCH} on each; "
            f"name at most {max(1, wanted // LEAST_BATCH)}"
        )
    if wanted < preset.batch:
        told.append(f"A step has at most {wanted} samples, all that the corpus has, instead of {preset.batch}.")
    return wanted


def most_samples(footprint: Footprint, memory_gb: float, checkpointing: bool, batch: int) -> int:
    """Return how many samples of a batch go through a GPU at once, beside the frames of the whole batch."""
    each = footprint.sample_checkpointed if checkpointing else footprint.sample
    return max(0, int((USABLE * memory_gb * 1e9 - footprint.fixed - batch * footprint.frames) // each))


def _fit_cpu(preset: Preset, settings: dict[str, Any], wanted: int, gpus: int) -> None:
    if gpus > 1:
        raise ConfigError(f"--gpus {gpus}: the preset {preset.name} is for a computer without a GPU; leave --gpus out")
    settings |= {"batch_size": wanted, "accumulate": 1}


def _fit_memory(
    preset: Preset,
    footprint: Footprint,
    settings: dict[str, Any],
    wanted: int,
    gpus: int,
    memory_gb: float,
    told: list[str],
) -> None:
    """Set batch_size, its parts and checkpointing so that a step has `wanted` samples, as nearly as GPUs divide them.

    Parts are `contrast_chunks` where a loss compares all samples, else `accumulate`.
    """
    share = wanted // gpus
    loaded = share if preset.contrasts else LEAST_BATCH
    plain, recomputed = (most_samples(footprint, memory_gb, checkpointing, loaded) for checkpointing in (False, True))
    if recomputed < LEAST_BATCH:
        needed = footprint.fixed + loaded * footprint.frames + LEAST_BATCH * footprint.sample_checkpointed
        raise ConfigError(
            f"--memory {memory_gb:g}: {preset.name} needs {needed / (USABLE * 1e9):.0f} GB on each GPU. Name more "
            "or larger GPUs, or train a smaller size: longtake init DIR --train CORPUS"
        )
    # Either way of saving memory takes about a third more time; both together two thirds.
    checkpointing = plain < share <= recomputed if preset.contrasts else False
    if plain < LEAST_BATCH:
        checkpointing = True
    least = 1 if settings.get("task", {}).get("kind") in ("choice", "answer", "classify") else LEAST_BATCH
    parts, each = division(share, recomputed if checkpointing else plain, least)
    chunks, sums = (parts, 1) if preset.contrasts else (1, parts)
    settings |= {"batch_size": each * chunks, "accumulate": sums, "checkpointing": checkpointing}
    if chunks > 1:
        settings["contrast_chunks"] = chunks
    step = each * parts * gpus
    if step != wanted:
        told.append(
            f"A step has {step} samples, not {wanted}: {plural(gpus, 'GPU')} with {parts} x {each} each come nearest."
        )
    if checkpointing:
        told.append("checkpointing: activations are computed again in the backward pass, for about a third more time.")
    if chunks > 1:
        told.append(
            f"contrast_chunks: each GPU encodes its batch in {chunks} parts, twice, for about a third more time. The contrast is "
            "over the whole batch, as in the paper."
        )
    if sums > 1:
        told.append(
            f"accumulate: a step sums up {sums} batches of {each} on each GPU; hidden words are averaged batch by batch."
        )


def division(share: int, most: int, least: int = LEAST_BATCH) -> tuple[int, int]:
    """Return into how many parts of how many samples, `least` to `most`, `share` is cut.

    The fewest samples are left out; of equal divisions, that with the fewest parts. None has more than three times the fewest.
    """
    fewest = -(-share // most)
    sizes = [each for each in range(least, min(share, most) + 1) if share // each <= 3 * fewest]
    each = max(sizes, key=lambda each: (share // each * each, each))
    return share // each, each


def _fit_frames(settings: dict[str, Any], manifest: CorpusManifest, told: list[str]) -> None:
    """Take as many frames of each sentence as the paper, or all that the corpus has. Raises ConfigError if a task has none."""
    data = settings["data"]
    if "task" in settings:
        if manifest.config["frames"].get("uniform") is None:
            raise ConfigError(
                "the corpus is of sentences, not of whole videos: build it with frames.uniform (docs/tasks.md)"
            )
        wanted, there = settings["task"].get("frames", TaskSettings().frames), int(manifest.config["frames"]["uniform"])
        if there < wanted:
            told.append(
                f"The corpus has {plural(there, 'frame')} of each video, taken several times; in the paper {wanted}."
            )
        return
    wanted, there = data["frames_per_sentence"], int(manifest.config["frames"]["per_sentence"])
    if there < wanted:
        data["frames_per_sentence"] = there
        told.append(f"The corpus has {plural(there, 'frame')} of each sentence, not {wanted}.")


def _fit_evaluation(settings: dict[str, Any], manifest: CorpusManifest, told: list[str]) -> None:
    """Evaluate only if the corpus has something to evaluate on."""
    split = settings["evaluate"]["split"]
    if split not in manifest.splits():
        settings["evaluate"] = {**settings["evaluate"], "every": None}
        settings["save"] = {name: value for name, value in settings["save"].items() if name != "best"}
        makes = (
            "`longtake merge` adds that of the published list" if "task" in settings else "`longtake reshard` makes one"
        )
        told.append(f"No evaluation while training: the corpus has no split {split}. {makes}.")
