"""Caption and speech side by side: what checks, compares, edits and shows a corpus knows of both."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import edit_table

from longtake.jobs.curate.show import describe
from longtake.pipeline.corpus.find_sample import find_sample, read_entry, read_files
from longtake.pipeline.plan.diff import diff_plans
from longtake.pipeline.plan.edit.row import check_row
from longtake.pipeline.publish.contact_sheet import contact_sheet
from longtake.pipeline.verify.corpus import verify
from longtake.schemas import tables
from longtake.schemas.config import parse_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip, Sentence

SENTENCE = Sentence("a.1", 0, 1000, "A bear swims.", "cue", "so um the bear swims")
EARLIER = pa.struct([("clip_id", pa.string()), ("start_ms", pa.int64()), ("end_ms", pa.int64()), ("text", pa.string())])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    corpora.build(tmp_path / "corpus")
    return tmp_path / "corpus"


def texts(corpus: Path) -> list[str]:
    return [str(fault) for fault in verify(str(corpus)).faults]


def test_both_texts_survive_tables_and_json() -> None:
    row = tables.sentence_row(SENTENCE)
    assert tables.sentence_from_row(row) == SENTENCE
    assert tables.sentence_json(SENTENCE)["asr"] == "so um the bear swims"
    assert tables.sentence_json(replace(SENTENCE, asr=None, timing=None)) == {
        "clip_id": "a.1", "start_ms": 0, "end_ms": 1000, "text": "A bear swims.",
    }  # fmt: skip


def test_a_corpus_from_before_there_were_captions_is_sound(corpus: Path) -> None:
    for path in (*corpus.glob("plan/*.parquet"), *corpus.glob("index/*.parquet")):
        table = pq.read_table(path)
        fields = [pa.field("sentences", pa.list_(EARLIER)) if f.name == "sentences" else f for f in table.schema]
        rows = table.to_pylist()
        for row in rows:
            row["sentences"] = [{name: s[name] for name in EARLIER.names} for s in row["sentences"]]
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), path)
    assert texts(corpus) == []


def test_speech_that_is_only_in_the_index_is_a_fault(corpus: Path) -> None:
    def add(rows: list[dict[str, Any]]) -> None:
        rows[0]["sentences"][0]["asr"] = "something else"

    (path,) = sorted(corpus.glob("index/val-*.parquet"))
    edit_table(path, add)
    found = " ".join(texts(corpus))
    assert ".json: sentences is" in found
    assert "something else" in found or "plan" in found


def test_a_change_of_what_was_said_is_a_change(corpus: Path, tmp_path: Path) -> None:
    def add(said: str) -> str:
        target = tmp_path / f"{said}.parquet"
        (part, *_) = sorted(corpus.glob("plan/*.parquet"))
        target.write_bytes(part.read_bytes())
        edit_table(target, lambda rows: rows[0]["sentences"][1].update(asr=said))
        return str(target)

    one, same, other = add("one"), add("one"), add("other")
    assert diff_plans(one, same).clips["other text"] == 0
    found = diff_plans(one, other)
    assert found.clips["other text"] == 1
    assert "asr 'one' -> 'other'" in found.examples["other text"][0]


def test_an_edited_row_keeps_what_was_said() -> None:
    clip = corpora.clips_of("alpha", corpora.config())[0]
    clip = replace(clip, sentences=tuple(replace(s, asr=f"um {s.text}") for s in clip.sentences))
    row = tables.plan_row(clip)
    found = check_row(row, ("x.parquet", 1), corpora.config())
    assert isinstance(found, LongClip)
    assert found.sentences == clip.sentences
    row["sentences"][0]["asr"] = "  "
    assert check_row(row, ("x", 1), corpora.config()).sentences[0].asr is None  # type: ignore[union-attr]
    row["sentences"][0]["asr"] = 3
    problems = check_row(row, ("x", 1), corpora.config())
    assert list(map(str, problems)) == ["x row 1: sentence 1: asr '3' is not a text"]  # type: ignore[arg-type]


def test_both_texts_are_shown(corpus: Path) -> None:
    layout = Layout(str(corpus))
    found = find_sample(layout, "alpha")
    assert found is not None
    entry = read_entry(layout, found)
    files, _ = read_files(layout, entry)
    sentences = tuple(replace(s, asr="what was said " * 3) for s in entry.clip.sentences)
    both = replace(entry, clip=replace(entry.clip, sentences=sentences))
    assert contact_sheet(both, files).height > contact_sheet(entry, files).height
    assert sum("said    what was said" in line for line in describe(both)) == len(sentences)
    assert not any("said    " in line for line in describe(entry))


@pytest.mark.parametrize(
    ("captions", "problem"),
    [
        ({"prompt": "Write captions."}, "holds {sentences} 0 times"),
        ({"prompt": "{sentences} {sentences}"}, "holds {sentences} 2 times"),
        ({"model": ""}, "captions.model"),
        ({"max_new_tokens": 0}, "captions.max_new_tokens"),
        ({"batch_size": 0}, "captions.batch_size"),
        ({"device": "a gpu"}, "captions.device"),
        ({"temperature": 1}, "captions.temperature: no such setting"),
    ],
)
def test_settings_out_of_range(captions: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config({"name": "t", "output": "out", "source": {"videos": "v.jsonl"}, "captions": captions})
    assert problem in str(raised.value)


def test_what_is_published(tmp_path: Path) -> None:
    def published(**captions: Any) -> dict[str, Any]:
        raw = {"name": "t", "output": "out", "source": {"videos": "v"}, "captions": captions, "base": str(tmp_path)}
        found: dict[str, Any] = parse_config(raw).published()["captions"]
        return found

    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert published() == published(prompt="Other: {sentences}", batch_size=3) == {"model": None}
    assert published(model="models/mine")["model"] == "mine"
    assert published(model="google/flan-t5-base")["model"] == "google/flan-t5-base"
    assert published(model="m") == published(model="m", device="cuda")
    for setting in ({"prompt": "{sentences}"}, {"max_new_tokens": 1}, {"max_prompt_tokens": 99}, {"batch_size": 2}):
        assert published(model="m") != published(model="m", **setting)
