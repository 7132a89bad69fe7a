"""A punctuation model: a tiny one with weights by hand, saved and loaded as any other."""

import sys
from pathlib import Path

import pytest
from sources import Video, longtake_here, source_set

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.text.sentences.punctuation_model import PunctuationModel, mark_of
from longtake.pipeline.text.sentences.split import split_sentences
from longtake.schemas.errors import ConfigError, MissingExtraError
from longtake.schemas.text_config import Sentences

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "so", "we", "go", "on", "stop", "##ped", "why"]


def save_model(folder: Path, labels: dict[int, str]) -> str:
    """A model of one layer that says of each token what its number says: "go" ends a sentence, "why" is a question."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=512, num_labels=len(labels), id2label=labels,
    )  # fmt: skip
    model = transformers.BertForTokenClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        table = model.bert.embeddings.word_embeddings.weight
        table[:, 0], table[:, 1] = 1.0, -1.0
        table[VOCABULARY.index("go"), :3] = torch.tensor([-1.0, 1.0, 0.0])
        table[VOCABULARY.index("why"), :3] = torch.tensor([-1.0, 0.0, 1.0])
        model.bert.embeddings.LayerNorm.weight.fill_(1.0)
        layer = model.bert.encoder.layer[0]
        layer.attention.output.LayerNorm.weight.fill_(1.0)
        layer.output.LayerNorm.weight.fill_(1.0)
        for label in range(min(3, len(labels))):
            model.classifier.weight[label, label] = 10.0
    model.save_pretrained(folder, safe_serialization=True)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("models") / "tiny", {0: "0", 1: ".", 2: "?"})


def test_marks_follow_their_words(model: str) -> None:
    assert PunctuationModel(model).punctuate("so we go on stopped why so") == {8: ".", 23: "?"}
    assert PunctuationModel(model).punctuate("") == {}


def test_windows_give_each_word_one_answer(model: str) -> None:
    text = " ".join(["so we go on"] * 150)
    ends = [i + 2 for i in range(len(text)) if text.startswith("go", i)]
    assert sorted(PunctuationModel(model).punctuate(text)) == ends


def test_sentences_from_a_model(model: str) -> None:
    cues = [Cue("v.1", 0, 1000, "so we go on"), Cue("v.2", 1000, 2000, "why stop")]
    found = split_sentences(cues, Sentences(), PunctuationModel(model).punctuate)
    assert [s.text for s in found] == ["so we go.", "on why?", "stop"]


def test_a_model_of_no_use_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be loaded"):
        PunctuationModel(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no label marks the end of a sentence"):
        PunctuationModel(save_model(tmp_path / "tags", {0: "O", 1: "PER", 2: "LOC"}))


def test_without_torch_the_message_names_what_to_install(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"needs torch\. Install it with: pip install 'longtake\[text\]'"):
        PunctuationModel(model)


@pytest.mark.parametrize("fault", ["none", pytest.param("tags", marks=pytest.mark.exhaustive)])
def test_a_model_of_no_use_ends_the_plan_before_it_works(tmp_path: Path, fault: str) -> None:
    videos = [Video("a", tuple((1000 * i, 1000 * i + 900, "So we go on.") for i in range(4)))]
    sources = source_set(tmp_path, videos, sentences={"split": "sentences"})
    assert longtake_here("plan", str(sources.config), "--probe", "none").returncode == 0
    kept = {path: path.read_bytes() for path in (sources.output / "plan").iterdir()}
    if fault == "tags":
        save_model(tmp_path / fault, {0: "O", 1: "PER", 2: "LOC"})
    sources = source_set(tmp_path, videos, sentences={"split": "sentences", "model": fault})
    ended = longtake_here("plan", str(sources.config), "--probe", "none")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
    assert ended.stderr.startswith("longtake: sentences.model")
    assert {path: path.read_bytes() for path in (sources.output / "plan").iterdir()} == kept


@pytest.mark.parametrize(
    ("label", "mark"),
    [
        (".", "."), ("?", "?"), (",", ","), ("0", ""), ("O", ""), ("OU", ""), (".U", "."), ("!O", "!"), (":", ":"),
        ("PERIOD", "."), ("QUESTION", "?"), ("B-COMMA", ","), ("I-PER", ""), ("LABEL_0", ""), ("QUESTION_MARK", "?"),
    ],
)  # fmt: skip
def test_labels(label: str, mark: str) -> None:
    assert mark_of(label) == mark
