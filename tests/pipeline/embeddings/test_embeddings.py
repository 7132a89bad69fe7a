"""The embedding model and its step of the plan graph, with the real all-MiniLM-L6-v2."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that

from longtake.pipeline.embeddings.embed import embed
from longtake.pipeline.embeddings.graph import EmbedTexts, SentenceEmbedder, prepare_embedding
from longtake.pipeline.embeddings.saved import look_up, part_of, saved_parts, write_embeddings
from longtake.pipeline.embeddings.sentence_model import SENTENCE_MODEL, EmbeddingModel
from longtake.pipeline.merge.coherence import Topics
from longtake.pipeline.merge.merge import merge_video
from longtake.pipeline.read.rows import VideoText
from longtake.pipeline.run import optional_models as models
from longtake.pipeline.run.model_files import model_digest
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import part_name
from longtake.schemas.records import Sentence, SourceVideo

COOKING = (
    "Chop two onions and a clove of garlic.",
    "Fry them in olive oil until they are soft.",
    "Add the tomatoes and a pinch of salt.",
    "Let the sauce simmer for twenty minutes.",
    "Boil the pasta in salted water.",
    "Serve it with grated cheese and basil.",
)
SPACE = (
    "The rocket lifts off from the launch pad.",
    "Its first stage separates after two minutes.",
    "The spacecraft reaches orbit around the Earth.",
    "Astronauts then dock with the space station.",
    "They float through the hatch in weightlessness.",
    "Six months later the capsule lands in the desert.",
)


def config(**coherence: Any) -> CorpusConfig:
    return parse_config(
        {
            "name": "t",
            "output": "out",
            "source": {"videos": "v.jsonl"},
            "coherence": {"enabled": True, "device": "cpu"} | coherence,
        }
    )


def video(video_id: str, texts: Sequence[str]) -> VideoText:
    sentences = [Sentence(f"{video_id}.{i}", i * 1000, i * 1000 + 1000, text) for i, text in enumerate(texts)]
    return VideoText(SourceVideo(video_id, f"{video_id}.mp4"), tuple((s, ()) for s in sentences))


@pytest.fixture(scope="module")
def model() -> EmbeddingModel:
    return SENTENCE_MODEL.get(config())


class Failing:
    """The real model, but texts that hold a word make it raise, or give no number."""

    def __init__(self, model: EmbeddingModel, word: str, nan: bool = False) -> None:
        self._model, self._word, self._nan = model, word, nan

    def cannot_read(self, texts: Sequence[str]) -> str:
        return self._model.cannot_read(texts)

    def encode(self, texts: Sequence[str], batch_size: int) -> Any:
        bad = [i for i, text in enumerate(texts) if self._word in text]
        if bad and not self._nan:
            raise RuntimeError("out of memory\nlong story")
        found = self._model.encode(texts, batch_size)
        found[bad] = np.nan
        return found


def test_an_embedding_is_the_same_whatever_is_beside_it(model: EmbeddingModel) -> None:
    alone = np.concatenate([model.encode([text], 64) for text in COOKING])
    together = model.encode([*SPACE, "Hm.", *COOKING, " ".join(SPACE)], 4)[7:13]
    assert alone.dtype == np.float16
    assert np.array_equal(alone, together)
    assert np.linalg.norm(alone.astype(float), axis=1) == pytest.approx(1, abs=1e-3)


def test_an_embedding_is_the_same_with_any_number_of_threads(model: EmbeddingModel) -> None:
    import torch

    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(model.encode([*COOKING, *SPACE], 64))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_it_agrees_with_sentence_transformers(model: EmbeddingModel) -> None:
    from sentence_transformers import SentenceTransformer

    bare = SentenceTransformer(SENTENCE_MODEL.folder(config()), device="cpu")
    expected = bare.encode([*COOKING, *SPACE], normalize_embeddings=True)
    assert model.encode([*COOKING, *SPACE], 8) == pytest.approx(expected, abs=1e-3)


def test_a_very_long_text_is_cut_off_and_not_refused(model: EmbeddingModel) -> None:
    long = " ".join(COOKING * 60)
    assert np.array_equal(model.encode([long], 2), model.encode([long + " And so on."], 2))


def test_the_cut_lies_at_the_true_change_of_topic(model: EmbeddingModel) -> None:
    settings = config()
    (found,) = embed([video("a", COOKING + SPACE)], model, 64)
    said = [s for s, _ in found.sentences]
    topics = Topics.of(said, found.embeddings, settings.coherence.cut_cost)
    clips = merge_video(found.video, said, settings.merge, 1, topics).clips
    assert [clip.sentences[0].text for clip in clips] == [COOKING[0], SPACE[0]]
    gaps = topics.curve(said, settings.coherence.window)
    assert min(gaps.similarity) == gaps.similarity[5]
    assert max(gaps.depth) == gaps.depth[5]


@pytest.mark.parametrize("nan", [False, True])
def test_a_video_that_the_model_fails_on_fails_alone(model: EmbeddingModel, nan: bool) -> None:
    videos = [video("a", COOKING), video("b", ["Hello.", "poison"]), video("c", SPACE)]
    a, b, c = embed(videos, Failing(model, "poison", nan), 64)
    assert b.embeddings is None
    assert b.not_embedded == (
        "ValueError: the model's embedding is not finite" if nan else "RuntimeError: out of memory"
    )
    assert np.array_equal(a.embeddings, model.encode(COOKING, 64))
    assert np.array_equal(c.embeddings, model.encode(SPACE, 64))


def test_nothing_to_embed(model: EmbeddingModel) -> None:
    assert embed([], model, 8) == []
    assert SentenceEmbedder(config()).run_inference([], None) == []  # type: ignore[arg-type]


def saved(folder: Path, model: EmbeddingModel, name: str = "digest") -> VideoText:
    (found,) = embed([video("a", COOKING)], model, 64)
    assert write_embeddings((part_of("a"), [found]), str(folder), name) == 6
    return found


def test_saved_embeddings_are_found_by_text_and_model(tmp_path: Path, model: EmbeddingModel) -> None:
    found = saved(tmp_path, model)
    table = pq.read_table(tmp_path / part_name(part_of("a")))
    assert [str(t) for t in table.schema.types[2:]] == [
        "fixed_size_binary[32]",
        "fixed_size_list<element: halffloat>[384]",
    ]
    parts = saved_parts(str(tmp_path), "digest")
    assert saved_parts(str(tmp_path), "another") == frozenset()
    again = look_up(video("a", COOKING), str(tmp_path), parts)
    assert np.array_equal(again.embeddings, found.embeddings)
    other = look_up(video("a", ("New.", *COOKING[1:])), str(tmp_path), parts)
    assert np.isnan(other.embeddings[0]).all()
    assert np.array_equal(other.embeddings[1:], found.embeddings[1:])
    (done,) = embed([other], model, 64)
    assert np.array_equal(done.embeddings, model.encode(["New.", *COOKING[1:]], 64))
    assert look_up(video("b", COOKING), str(tmp_path), parts).embeddings is None
    assert look_up(video("a", SPACE), str(tmp_path), parts).embeddings is None


def test_damaged_saved_embeddings_are_computed_anew(tmp_path: Path, model: EmbeddingModel) -> None:
    saved(tmp_path, model)
    path = tmp_path / part_name(part_of("a"))
    parts = saved_parts(str(tmp_path), "digest")
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    assert look_up(video("a", COOKING), str(tmp_path), parts).embeddings is None
    path.write_bytes(b"")
    assert saved_parts(str(tmp_path), "digest") == frozenset()


def test_the_graph_loads_one_model_for_all_threads_and_none_where_all_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    start = EmbeddingModel.__init__
    monkeypatch.setattr(models, "_LOADED", {})
    monkeypatch.setattr(
        EmbeddingModel, "__init__", lambda self, folder, device: (loaded.append(folder), start(self, folder, device))[1]
    )
    settings = config(batch_size=8)
    videos = [video(f"v{n}", (COOKING + SPACE)[n % 5 : n % 5 + 6]) for n in range(12)] + [video("empty", ())]
    digest, folder = SENTENCE_MODEL.digest(settings), str(tmp_path)

    def run(known: frozenset[str]) -> None:
        def check(found: list[VideoText]) -> None:
            assert sorted(v.video.video_id for v in found) == sorted(v.video.video_id for v in videos)
            for v in found:
                assert v.embeddings is None or v.embeddings.shape == (len(v.sentences), 384)
                assert (v.embeddings is None) == (not v.sentences)

        with beam.Pipeline(options=pipeline_options([], 2)) as root:
            assert_that(root | beam.Create(videos) | EmbedTexts(settings, digest, folder, known, True), check)

    run(frozenset())
    assert len(loaded) == 1
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    monkeypatch.setattr(models, "_LOADED", {})
    step = prepare_embedding(settings, folder, save=True)
    assert step._known == saved_parts(folder, digest) != frozenset()
    run(step._known)
    assert len(loaded) == 1, "everything was saved"
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_embeddings_of_another_model_are_thrown_away_when_new_ones_are_saved(
    tmp_path: Path, model: EmbeddingModel
) -> None:
    saved(tmp_path, model, "another")
    prepare_embedding(config(), str(tmp_path), save=False)
    assert list(tmp_path.iterdir())
    prepare_embedding(config(), str(tmp_path), save=True)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name, problem in (("nobody/no-such-model", "can be fetched"), ("a b c!", "can be fetched")):
        with pytest.raises(ConfigError, match=rf"coherence\.model.*{problem}"):
            prepare_embedding(config(model=name), str(tmp_path), save=False)
    with pytest.raises(ConfigError, match=r"no config\.json"):
        prepare_embedding(config(model=str(tmp_path)), str(tmp_path), save=False)
    for name in ("config.json", "model.safetensors", "modules.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        prepare_embedding(config(model=str(tmp_path)), str(tmp_path), save=False)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        prepare_embedding(config(device="nosuch"), str(tmp_path), save=False)


def test_a_digest_follows_the_files(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    one = model_digest(str(tmp_path))
    model_digest.cache_clear()
    (tmp_path / "README.md").write_text("no part of the model")
    assert model_digest(str(tmp_path)) == one
    model_digest.cache_clear()
    (tmp_path / "model.safetensors").write_text("weights")
    assert model_digest(str(tmp_path)) != one
    model_digest.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "วันนี้เราจะพาไปเที่ยวตลาดน้ำที่อยู่ใกล้กรุงเทพ", "今天我们去看看城外的一个老茶园。", "今日は山の中の小さな窯を訪ねました。",
        "زرنا اليوم قرية صغيرة في الجبل.", "आज हम पहाड़ के एक छोटे से गाँव में आए हैं।", "Сегодня хорошая погода, мы идём в лес.",
        "안녕하세요 여러분, 오늘은 날씨가 좋네요.", "Σήμερα ο καιρός είναι ωραίος.",
    ],
)  # fmt: skip
def test_a_model_of_another_language_gives_no_embeddings_and_says_so(model: EmbeddingModel, text: str) -> None:
    foreign, own = embed([video("a", [text] * 3), video("b", COOKING)], model, 64)
    assert foreign.embeddings is None
    assert "multilingual" in foreign.not_embedded
    assert np.array_equal(own.embeddings, model.encode(COOKING, 64))


def test_other_languages_in_latin_letters_are_read(model: EmbeddingModel) -> None:
    texts = [
        "Nous habitons une petite maison.",
        "Wir wohnen in einem gro\u00dfen Haus.",
        "Cze\u015b\u0107, jak si\u0119 masz?",
    ]
    assert all(model.cannot_read([text]) == "" for text in texts)
