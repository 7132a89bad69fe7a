"""Embeddings of loose videos and texts, and of windows of a corpus."""

from dataclasses import replace
from pathlib import Path

import data_corpora
import numpy as np
import pytest
import torch
from data_corpora import PER_SENTENCE, Members
from small_models import HEIGHT, SMALL, WIDTH, small

from longtake.library.shards import DamagedSample, LoaderError
from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.data.transforms import evaluation_frames, normalise
from longtake.model.network.compat import Compat
from longtake.model.network.lfvila import LFVila
from longtake.model.retrieval.embedding import Embedder, evenly, split_sentences
from longtake.model.retrieval.embedding_corpus import CorpusWindows, starts
from longtake.model.weights.checkpoint import CheckpointError, ModelCard, save_model

TOKENS = 8


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    return data_corpora.vocabulary(tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture
def embedder(tokenizer: str) -> Embedder:
    return Embedder(small().eval(), ModelCard(SMALL, tokenizer=tokenizer, tokens=TOKENS))


def pictures(count: int, height: int = 40, width: int = 70) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


def test_a_saved_model_embeds_as_the_one_in_memory(embedder: Embedder, tmp_path: Path) -> None:
    path = str(tmp_path / "model.safetensors")
    save_model(path, embedder.model, embedder.card)
    loaded = Embedder.load(path, "cpu")
    frames = pictures(32)
    torch.testing.assert_close(loaded.frames(frames), embedder.frames(frames))
    torch.testing.assert_close(loaded.text(["one two", "three"]), embedder.text(["one two", "three"]))
    assert loaded.frame_count == 32 and loaded.width == 32
    with pytest.raises(CheckpointError):
        Embedder.load(str(tmp_path / "gone"))


def test_frames_are_those_of_the_evaluation_transform(embedder: Embedder) -> None:
    frames = pictures(32)
    cut = evaluation_frames(torch.from_numpy(frames), HEIGHT, WIDTH)
    with torch.inference_mode():
        expected = embedder.model.encode_video(normalise(cut[None]))
    assert torch.equal(embedder.frames(frames), expected.video[0])
    assert float(embedder.frames(frames).norm()) == pytest.approx(1)
    both = embedder.videos([embedder.prepare(frames), embedder.prepare(pictures(32, 90, 50))])
    torch.testing.assert_close(both.clips[0], expected.clips[0])
    assert both.clips.shape == (2, 4, 32) and not torch.allclose(both.video[0], both.video[1])


@pytest.mark.parametrize("count", [1, 5, 31, 100])
def test_any_number_of_frames(embedder: Embedder, count: int) -> None:
    frames = pictures(count)
    chosen = np.floor(np.linspace(0, count - 1, 32)).astype(int)
    assert torch.equal(embedder.frames(frames), embedder.frames(frames[chosen]))
    assert evenly(count, 32).tolist() == chosen.tolist()


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((4, 8, 8, 3)),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((4, 3, 8, 8), np.uint8),
    ],
)
def test_what_are_no_frames_is_refused(embedder: Embedder, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="frames must be uint8"):
        embedder.frames(frames)


def test_text_is_that_of_the_model(embedder: Embedder) -> None:
    sentences = ["one two", "bear swim", "ice"]
    ids, mask = embedder.tokenizer([sentences])
    with torch.inference_mode():
        expected = embedder.model.encode_text(ids, mask)
    found = embedder.texts([sentences, ["sea"]])
    torch.testing.assert_close(found.paragraph[0], expected.paragraph[0])
    torch.testing.assert_close(found.sentences[0, :3], expected.sentences[0])
    assert found.counts == (3, 1) and not found.sentences[1, 1:].any()
    assert torch.allclose(embedder.text("One two. Bear swim! Ice"), embedder.text(["One two.", "Bear swim!", "Ice"]))


def test_a_paragraph_is_the_same_beside_any_other(embedder: Embedder) -> None:
    alone = embedder.text(["one two"])
    torch.testing.assert_close(embedder.texts([["one two"], ["one", "two", "three", "four"]]).paragraph[0], alone)


def test_padding_has_the_released_size_whatever_the_batch(tokenizer: str) -> None:
    """With compat="official" rows of padding change the result, so their number must not depend on the batch."""
    compat = Compat(padding_in_start_token=True, padding_in_positions=True)
    official = Embedder(
        small(compat=compat).eval(), ModelCard(SMALL, compat=compat, tokenizer=tokenizer, tokens=TOKENS)
    )
    alone = official.texts([["one two"]]).paragraph[0]
    torch.testing.assert_close(official.texts([["one two"], ["one", "two", "three", "four"]]).paragraph[0], alone)
    assert not torch.allclose(official.texts([["one two"]], sentences=1).paragraph[0], alone, atol=1e-4)


def test_too_many_sentences_are_merged(embedder: Embedder) -> None:
    merged = embedder.text(["one two", "three bear", "four five six", "seven", "eight"])
    torch.testing.assert_close(merged, embedder.text(["one two", "three bear", "four five six", "seven eight"]))
    assert embedder.texts([["one", "two", "three"]], sentences=1).counts == (1,)


def test_no_sentence_is_refused(embedder: Embedder) -> None:
    with pytest.raises(ValueError, match="without a sentence"):
        embedder.text(" ")
    with pytest.raises(ValueError, match="without a sentence"):
        embedder.texts([["one"], []])


def test_sentences_end_at_their_marks() -> None:
    assert split_sentences(" One two. Three? 3.5 is no end!\nYes ") == ["One two.", "Three?", "3.5 is no end!", "Yes"]
    assert split_sentences(" \n") == []


def test_the_mode_of_the_model_is_left_alone(embedder: Embedder) -> None:
    embedder.model.train()
    first, second = (embedder.text(["one two"]) for _ in range(2))
    assert torch.equal(first, second) and embedder.model.training


# -- windows of a corpus -----------------------------------------------------------------------------------------------

SIZE = replace(SMALL, frames_per_clip=PER_SENTENCE)
LENGTHS = ((4, 2), (9,))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus") / "sound"
    data_corpora.make(root, LENGTHS)
    return root


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [(1, [0]), (4, [0]), (5, [0, 1]), (8, [0, 4]), (9, [0, 4, 5]), (12, [0, 4, 8]), (16, [0, 4, 8, 12])],
)
def test_windows_cover_every_sentence(sentences: int, expected: list[int]) -> None:
    assert starts(sentences, 4) == expected
    assert {n for first in expected for n in range(first, min(first + 4, sentences))} == set(range(sentences))


def test_every_sentence_of_a_corpus_is_in_a_window(corpus: Path, tokenizer: str) -> None:
    windows = CorpusWindows(str(corpus), SIZE)
    places = [place for shard in windows.shards for place in windows.places(shard)]
    assert [(p.key[:4], p.first, p.last) for p in places] == [
        ("v000", 0, 4), ("v001", 0, 2), ("v002", 0, 4), ("v002", 4, 8), ("v002", 5, 9)
    ]  # fmt: skip
    read = [windows.read(place) for place in places]
    assert [len(window.frames) for window in read] == [8, 4, 8, 8, 8]
    assert read[3].sentences == [data_corpora.sentence_text(2, n) for n in range(4, 8)]
    assert (read[3].start_ms, read[3].end_ms) == (4, 8)
    settings = LoaderSettings(str(corpus), tokenizer, training=False, height=HEIGHT, width=WIDTH, tokens=TOKENS)
    (batch,) = ShardLoader(settings)  # the loader takes the first window of each sample that is long enough
    assert torch.equal(batch.frames[0], read[0].frames) and torch.equal(batch.frames[1], read[2].frames)


def test_a_short_window_has_fewer_clips(corpus: Path, tokenizer: str) -> None:
    windows = CorpusWindows(str(corpus), SIZE)
    window = windows.read(list(windows.places(windows.shards[0]))[1])
    embedder = Embedder(LFVila(SIZE).eval(), ModelCard(SIZE, tokenizer=tokenizer, tokens=TOKENS))
    assert embedder.videos([window.frames], clips=2).clips.shape == (1, 2, 32)


def test_a_damaged_sample_and_what_cannot_be_opened(corpus: Path, tmp_path: Path) -> None:
    def spoil(key: str, members: Members) -> Members:
        return [(n, b"{}" if n.endswith(".json") and key[:4] == "v001" else d) for n, d in members]

    data_corpora.make(tmp_path / "damaged", LENGTHS, edit=spoil)
    windows = CorpusWindows(str(tmp_path / "damaged"), SIZE)
    places = list(windows.places(windows.shards[0]))
    assert windows.read(places[0]).key == places[0].key
    with pytest.raises(DamagedSample, match="json"):
        windows.read(places[1])
    (tmp_path / "damaged" / "index" / "train-000001.parquet").unlink()
    with pytest.raises(LoaderError, match="cannot read the index"):
        list(windows.places(windows.shards[1]))
    with pytest.raises(LoaderError, match="not a finished corpus"):
        CorpusWindows(str(tmp_path), SIZE)
    with pytest.raises(LoaderError, match="no split 'val'; it has train"):
        CorpusWindows(str(corpus), SIZE, "val")
    with pytest.raises(LoaderError, match="2 frames for each sentence, but the model takes 8"):
        CorpusWindows(str(corpus), SMALL)
