"""`datasets.load_dataset` on a corpus, with the real library: every frame and field of every sample of every split is there."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ragged

from longtake.pipeline.publish.card import dataset_card
from longtake.pipeline.publish.index_figures import card_figures
from longtake.pipeline.publish.json_type import feature, joined, type_of
from longtake.pipeline.publish.sample_columns import frame_names
from longtake.schemas.layout import Layout

datasets = pytest.importorskip("datasets", reason="datasets is not installed; `pip install longtake[dev]` has it")
datasets.disable_progress_bars()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return ragged.build(tmp_path_factory.mktemp("ragged") / "corpus")


def holds(loaded: Any, stored: Any) -> bool:
    """Whether what was loaded is what is stored, where fields that only other samples have are None."""
    if isinstance(stored, dict):
        return all(holds(value, stored.get(name)) for name, value in (loaded or {}).items()) and all(
            value is None or name in (loaded or {}) for name, value in stored.items()
        )
    if isinstance(stored, list):
        return len(loaded) == len(stored) and all(map(holds, loaded, stored))
    return loaded == stored or (stored is None and not loaded)


def check(root: str, cache: Path, streaming: bool) -> None:
    """Load a corpus and compare all of it with its tars."""
    expected = ragged.in_tars(root)
    data = datasets.load_dataset(root, cache_dir=str(cache), streaming=streaming)
    seen: Counter[str] = Counter()
    names = frame_names(ragged.MOST_FRAMES)
    for split, rows in data.items():
        assert not set(names) - set(rows.features)
        for name in names:
            rows = rows.cast_column(name, datasets.Image(decode=False))
        for row in rows:
            sample = expected[row["__key__"]]
            seen[split] += 1
            assert sample.split == split and row["txt"] == sample.text
            assert {name: row[name]["bytes"] for name in names if row[name] is not None} == sample.frames
            assert sample.content["meta"] is not None and holds(row["json"], sample.content), row["json"]
    assert seen == Counter(sample.split for sample in expected.values())


@pytest.mark.parametrize("streaming", [False, True])
def test_all_frames_and_fields_of_ragged_samples_are_read(corpus: Layout, tmp_path: Path, streaming: bool) -> None:
    samples = ragged.in_tars(corpus.root).values()
    assert {len(sample.frames) for sample in samples} == {2, 4, 6}
    assert {sample.split for sample in samples} == {"train", "val", "test"}, "and none in `empty`"
    named = [sentence for sample in samples for sentence in sample.content["sentences"] if "speaker" in sentence]
    assert named and all(sample.content["source"]["range"] == "tv" for sample in samples)
    check(corpus.root, tmp_path, streaming)


def test_a_shard_that_is_missing_is_told(corpus: Layout, tmp_path: Path) -> None:
    place = shutil.copytree(corpus.root, tmp_path / "corpus")
    (place / "shards" / "train-000001.tar").unlink()
    with pytest.raises(datasets.exceptions.DatasetsError, match=r"num_examples=7.*num_examples=3"):
        datasets.load_dataset(str(place), cache_dir=str(tmp_path / "cache"))


def test_some_shards_are_read_with_the_columns_of_the_card(corpus: Layout, tmp_path: Path) -> None:
    """As docs/readers.md says."""
    features = datasets.load_dataset_builder(corpus.root).info.features
    shard = corpus.shard("train-000000")
    rows = datasets.load_dataset(
        "webdataset", data_files=shard, features=features, split="train", cache_dir=str(tmp_path / "cache")
    )
    expected = {key: sample for key, sample in ragged.in_tars(corpus.root).items() if sample.shard == "train-000000"}
    found = {row["__key__"]: sum(name.endswith(".jpg") and bool(row[name]) for name in row) for row in rows}
    assert found == {key: len(sample.frames) for key, sample in expected.items()}


@pytest.mark.parametrize("streaming", [False, True])
def test_meta_of_no_one_type_is_read(tmp_path: Path, streaming: bool) -> None:
    deep: Any = "end"
    for _ in range(50):
        deep = {"a": [deep]}
    meta = {
        "alpha": {"n": 1, "_type": "Image", "dtype": "int32", "": 1, "a.b": "x", "deep": deep},
        "beta": {"n": "one", "ids": {f"k{n}": n for n in range(300)}},
        "gamma": {"n": [1, "two"], "big": (1 << 64) - 1},
        "zeta": {"n": {"x": 1}, "name: x\n- y": "<b>"},
    }
    layout = ragged.build(tmp_path / "corpus", meta)
    check(layout.root, tmp_path / "cache", streaming)


def test_a_number_that_the_library_cannot_read_costs_meta_alone(tmp_path: Path) -> None:
    layout = ragged.build(tmp_path / "corpus", {"alpha": {"n": 1, "id": [{"of": 1 << 64}]}})
    assert "name: meta" not in Path(layout.card).read_text(encoding="utf-8")
    expected = ragged.in_tars(layout.root)
    for streaming in (False, True):
        data = datasets.load_dataset(layout.root, cache_dir=str(tmp_path / "cache"), streaming=streaming)
        rows = [row for split in data.values() for row in split]
        assert {row["__key__"] for row in rows} == expected.keys()
        assert sum(name.endswith(".jpg") and bool(picture) for row in rows for name, picture in row.items()) == sum(
            len(sample.frames) for sample in expected.values()
        )


def test_the_card_of_an_audit_states_the_same_columns(corpus: Layout, tmp_path: Path) -> None:
    manifest = ragged.manifest_of(corpus)
    figures = replace(card_figures(corpus, manifest), audited="today", limits=("a limit",))
    text = dataset_card(manifest, figures)
    assert text.split("---\n")[1] == Path(corpus.card).read_text(encoding="utf-8").split("---\n")[1]
    assert "- a limit" in text


def test_columns_go_as_far_as_the_longest_sample(corpus: Layout) -> None:
    fields = card_figures(corpus, ragged.manifest_of(corpus)).fields
    assert fields.most_frames == ragged.MOST_FRAMES
    assert fields.meta == {
        "channel": "string", "views": "float64", "chapters": [{"title": "string", "start_time": "float64"}],
        "tags": ["string"], "nested": [["int64"]], "live": "bool",
    }  # fmt: skip
    assert frame_names(3) == ["000.jpg", "001.jpg", "002.jpg"]
    longer = frame_names(1001)  # samples of up to 1,000 frames have three digits, that of 1,001 has four
    assert longer[:2] == ["000.jpg", "001.jpg"] and longer[999:1001] == ["999.jpg", "0000.jpg"]
    assert longer[-1] == "1000.jpg" and len(longer) == len(set(longer)) == 2001


def test_types_join_in_any_order() -> None:
    values = [
        None,
        True,
        1,
        1 << 63,
        1 << 64,
        2.5,
        "x",
        [],
        [1],
        [None],
        ["x"],
        {},
        {"a": 1},
        {"a": "x"},
        {"a": None, "b": [{}]},
    ]
    kinds = [type_of(value) for value in values]
    for one in kinds:
        assert joined(one, one) == one
        for other in kinds:
            both = joined(one, other)
            assert both == joined(other, one)
            for third in kinds:
                assert joined(both, third) == joined(one, joined(other, third))
    assert [feature(kind) for kind in (None, [None])] == [{"dtype": "string"}, {"list": "string"}]
    assert type_of({f"k{n}": n for n in range(201)}) == joined(type_of(1), type_of("x")) == "json"
