"""`datasets.load_dataset` on a corpus, with the real library: every frame of every sample of every split is there."""

import io
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import pytest
from PIL import Image

from longtake.pipeline.audit.card_figures import card_figures
from longtake.pipeline.audit.database import Database
from longtake.pipeline.build.seal import publish
from longtake.pipeline.merge.merge import long_clip
from longtake.pipeline.publish.card import audited_card
from longtake.pipeline.publish.loader_columns import frame_names, most_frames
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, read_manifest
from longtake.schemas.records import LongClip

#: Sentences of the long clips of each video, and its split: the first samples of a shard have few frames, later ones many.
RAGGED = {"alpha": (1, "train"), "beta": (2, "train"), "gamma": (3, "val"), "delta": (1, "val"), "epsilon": (3, "train"),
          "zeta": (2, "train"), "eta": (3, "train"), "theta": (1, "test"), "iota": (3, "test")}  # fmt: skip


@pytest.fixture(scope="module")
def ragged(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A corpus of such samples, published as a build does it."""
    made = corpora.clips_of

    def clips_of(video_id: str, settings: Any) -> list[LongClip]:
        number, split = RAGGED[video_id]
        found = []
        for clip in made(video_id, settings):
            cut = long_clip(clip.video, clip.sentences[:number], settings.frames.per_sentence)
            found.append(replace(cut, split=split))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "clips_of", clips_of)
        layout = corpora.build(tmp_path_factory.mktemp("ragged") / "corpus", tuple(RAGGED))
    publish(layout, manifest_of(layout))
    return layout


def manifest_of(layout: Layout) -> CorpusManifest:
    manifest = read_manifest(layout)
    assert manifest is not None
    return manifest


def members(layout: Layout) -> dict[str, dict[str, bytes]]:
    """The frames in the tars, by sample and name: read with the standard library."""
    found: dict[str, dict[str, bytes]] = {}
    for path in Path(layout.shards).iterdir():
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, name = member.name.partition(".")
                if name.endswith(".jpg"):
                    found.setdefault(key, {})[name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    return found


def loaded(layout: Layout, tmp_path: Path) -> Any:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    return datasets.load_dataset(layout.root, cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize("card", ["of the build", "of the audit"])
def test_all_frames_of_ragged_samples_are_read(ragged: Layout, card: str, tmp_path: Path) -> None:
    if card == "of the audit":
        text = audited_card(manifest_of(ragged), card_figures(Database(ragged)))
        Path(ragged.card).write_text(text, encoding="utf-8")
    expected = members(ragged)
    assert {len(frames) for frames in expected.values()} == {2, 4, 6}
    data = loaded(ragged, tmp_path)
    assert set(data) == {"train", "val", "test"}
    seen: dict[str, dict[str, bytes]] = {}
    splits: Counter[str] = Counter()
    image = pytest.importorskip("datasets").Image(decode=False)
    for split, rows in data.items():
        raw = rows
        for name in frame_names(6):
            raw = raw.cast_column(name, image)
        for row in raw:
            splits[split] += 1
            said = row["json"]
            assert said["key"] == row["__key__"] and said["split"] == split
            assert row["txt"] == " ".join(one["text"] for one in said["sentences"])
            assert len(said["frame_pts_ms"]) == len(expected[row["__key__"]])
            seen[row["__key__"]] = {name: row[name]["bytes"] for name in frame_names(6) if row[name] is not None}
    assert seen == expected
    assert splits == Counter({name: part["samples"] for name, part in manifest_of(ragged).splits().items()})
    assert data["train"][0]["000.jpg"].size == Image.open(io.BytesIO(next(iter(expected.values()))["000.jpg"])).size


def test_columns_go_as_far_as_the_longest_sample(ragged: Layout) -> None:
    assert most_frames(ragged, manifest_of(ragged)) == 6
    assert frame_names(3) == ["000.jpg", "001.jpg", "002.jpg"]
    longer = frame_names(1001)  # samples of up to 1,000 frames have three digits, that of 1,001 has four
    assert longer[:2] == ["000.jpg", "001.jpg"] and longer[999:1001] == ["999.jpg", "0000.jpg"]
    assert longer[-1] == "1000.jpg" and len(longer) == len(set(longer)) == 2001


def test_tables_without_rows_are_no_files(tmp_path: Path) -> None:
    import pyarrow as pa

    from longtake.pipeline.ledger.write import write_part
    from longtake.schemas import storage

    path = str(tmp_path / "part-00000.parquet")
    storage.write_parquet(path, pa.table({"a": [1]}))
    storage.write_parquet(path, pa.table({"a": pa.array([], pa.int64())}))
    assert list(tmp_path.iterdir()) == []
    assert write_part(((0, 1), [None]), str(tmp_path), "part-build") == Counter()
    assert list(tmp_path.iterdir()) == []
