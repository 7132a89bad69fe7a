"""`longtake.open`: what it gives is what tarfile, Pillow and pyarrow alone find in the corpus."""

import io
import json
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import corpora
import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import longtake
from longtake.schemas import CorpusError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "c"
    corpora.build(folder)
    return folder


def members(root: Path) -> dict[str, dict[str, bytes]]:
    """The members of each sample by key, in the order of the shards, by tarfile alone."""
    found: dict[str, dict[str, bytes]] = {}
    for shard in sorted((root / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                found.setdefault(key, {})[extension] = tar.extractfile(member).read()  # type: ignore[union-attr]
    return found


def test_it_says_what_the_corpus_holds(root: Path) -> None:
    corpus = longtake.open(root)
    told = json.loads((root / "corpus.json").read_text())
    assert (corpus.name, len(corpus), repr(corpus)) == ("small", 9, f"Corpus({str(root)!r}, 'small', 9 samples)")
    assert {name: size._asdict() for name, size in corpus.splits.items()} == told["splits"]
    assert corpus.counts["clips"] == (12, 9, 3) and corpus.counts["videos"].dropped == 2
    assert [*corpus.counts] == [*told["counts"]]


def test_tables_come_as_arrow(root: Path) -> None:
    corpus = longtake.open(str(root))
    for name, table in (("plan", corpus.plan()), ("ledger", corpus.ledger()), ("index", corpus.index())):
        files = sorted((root / name).glob("*.parquet"))
        assert table.to_pylist() == [row for path in files for row in pq.read_table(path).to_pylist()]
    assert corpus.plan(["n_words", "key"]).column_names == ["n_words", "key"]
    assert set(corpus.index(["split"], "val").column("split").to_pylist()) == {"val"}
    with pytest.raises(KeyError, match=r"no column 'words'; there are key, video_id"):
        corpus.plan(["words"])
    with pytest.raises(KeyError, match="has no split 'test'; it has train, val"):
        corpus.index(split="test")


def test_a_corpus_without_drops_has_an_empty_ledger(tmp_path: Path) -> None:
    corpora.build(tmp_path / "c")
    for path in (tmp_path / "c" / "ledger").iterdir():
        path.unlink()
    assert len(longtake.open(str(tmp_path / "c")).ledger()) == 0


def test_samples_are_those_of_the_tars(root: Path) -> None:
    corpus, expected = longtake.open(str(root)), members(root)
    samples = list(corpus)
    assert [sample.key for sample in samples] == list(corpus.keys()) == [*expected]
    for sample in samples:
        files = expected[sample.key]
        record = json.loads(files["json"])
        pictures = [
            np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
            for name, data in sorted(files.items())
            if name.endswith("jpg")
        ]
        assert sample.frames.shape == (6, 48, 64, 3) and sample.frames.dtype == np.uint8
        assert np.abs(sample.frames.astype(int) - np.stack(pictures)).mean() < 0.1
        assert sample.frame_times_ms.tolist() == record["frame_pts_ms"] and sample.frame_times_ms.dtype == np.int64
        assert sample.frame_sentence.tolist() == record["frame_sentence"]
        assert [one.text for one in sample.sentences] == [one["text"] for one in record["sentences"]]
        assert sample.paragraph == files["txt"].decode() and sample.meta == record["meta"] == {"channel": "ours"}
        assert (sample.split, sample.video_id, sample.license) == tuple(
            record[n] for n in ("split", "video_id", "license")
        )
        assert [*sample.files.values()] == [*files.values()]
        assert (sample.decode([3, 0]) == sample.frames[[3, 0]]).all()
        assert (corpus[sample.key].frames == sample.frames).all()
        assert sample.key in corpus
    assert "nobody" not in corpus
    with pytest.raises(KeyError, match="has no sample 'nobody'"):
        corpus["nobody"]


def test_ranks_and_workers_share_samples(root: Path) -> None:
    corpus = longtake.open(str(root))
    for split, ranks, workers in ((None, 2, 3), ("train", 3, 1), ("val", 5, 2), (None, 1, 20)):
        parts = [
            [sample.key for sample in corpus.samples(split, rank, ranks, worker, workers)]
            for rank in range(ranks)
            for worker in range(workers)
        ]
        assert [key for part in parts for key in part] == list(corpus.keys(split))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    with pytest.raises(ValueError, match="rank 2 of 2"):
        corpus.samples(rank=2, ranks=2)


def test_it_travels_to_other_processes(root: Path) -> None:
    corpus = longtake.open(str(root))
    key = next(corpus.keys())
    first = corpus[key]
    for copy in (pickle.loads(pickle.dumps(corpus))[key], pickle.loads(pickle.dumps(first))):  # noqa: S301
        assert (copy.frames == first.frames).all()


def test_an_object_store_gives_the_same(root: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(root), "/library-test", recursive=True)
    try:
        here, there = longtake.open(str(root)), longtake.open("memory://library-test")
        assert there.plan().equals(here.plan()) and [*there.keys("val")] == [*here.keys("val")]
        assert all((a.frames == b.frames).all() for a, b in zip(here, there, strict=True))
    finally:
        memory.rm("/library-test", recursive=True)


def test_what_is_wrong_is_said_with_its_place(root: Path, tmp_path: Path) -> None:
    for place, said in ((tmp_path, "not a finished corpus"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(CorpusError, match=said):
            longtake.open(str(place))
    corpora.build(tmp_path / "c")
    corpus = longtake.open(str(tmp_path / "c"))
    sample = next(iter(corpus))
    shard = tmp_path / "c" / "shards" / f"{sample.row['shard']}.tar"
    data = bytearray(shard.read_bytes())
    data[sample.row["members"][-1]["offset"] + 40] ^= 1  # a flipped bit, which most decoders do not notice
    shard.write_bytes(data)
    with pytest.raises(CorpusError, match=rf"{shard}: sample {sample.key}: its bytes are not those"):
        _ = sample.frames
    index = tmp_path / "c" / "index" / f"{sample.row['shard']}.parquet"
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(CorpusError, match=rf"{index}: unreadable: .* Check the corpus with: longtake verify"):
        list(longtake.open(str(tmp_path / "c")))
    index.unlink()
    with pytest.raises(CorpusError, match="missing"):
        longtake.open(str(tmp_path / "c")).index()


def test_neither_torch_nor_beam_nor_webdataset_is_imported(root: Path) -> None:
    code = (
        "import sys, longtake\n"
        f"print(next(iter(longtake.open({str(root)!r}))).frames.shape)\n"
        "print({'torch', 'apache_beam', 'webdataset', 'av', 'PIL', 'transformers'} & {*sys.modules})"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert found == "(6, 48, 64, 3)\nset()\n"


@pytest.mark.parametrize(
    ("absent", "code", "told"),
    [
        (
            "simplejpeg",
            "next(iter(longtake.open(ROOT))).frames",
            "frames need simplejpeg. Install it with: pip install",
        ),
        ("torch", "longtake.torch", "longtake.torch needs torch. Install it with: pip install 'longtake[train]'"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(root: Path, absent: str, code: str, told: str) -> None:
    code = f"import sys\nsys.modules[{absent!r}] = None\nimport longtake\nROOT = {str(root)!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode and told in done.stderr.splitlines()[-1]
