"""Batches of related samples: from a table of vectors, exact after a resume, refused where the table does not fit."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from data_corpora import make, vocabulary
from small_training import ALONE, configured, told, trained, weights

from longtake.jobs.retrieve.table import schema
from longtake.model.data.loader import LoaderSettings, ShardLoader
from longtake.model.training import trainer as training
from longtake.model.training.trainer import Trainer
from longtake.schemas.errors import ConfigError

SHARDS = [[4, 5, 4, 6, 4, 4], [4, 4, 7, 4, 4, 4]]
WIDTH = 8


def table(path: Path, keys: list[str], seed: int = 0) -> str:
    """As `longtake embed` writes it, in an order of its own: two videos and a text of a sample; every third sample is alike."""
    rng = np.random.default_rng(seed)
    rows = [
        {"kind": kind, "id": key, "source": "c", "embedding": np.eye(WIDTH)[n % 3] + 0.1 * rng.normal(size=WIDTH)}
        for n, key in enumerate(keys)
        for kind in ("video", "video", "text")
    ]
    rng.shuffle(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema(WIDTH, False, {})), path, row_group_size=5)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with a sample that is too short, words, and the vectors."""
    folder = tmp_path_factory.mktemp("related")
    keys = make(folder / "corpus", [[2, *SHARDS[0]], SHARDS[1]])
    table(folder / "vectors.parquet", [*keys[1:], "of-another-corpus"])
    make(folder / "images", [[1, 2, 1], [1, 1, 3]])
    vocabulary(folder / "words")
    return folder


def settings(folder: Path, **changes: Any) -> LoaderSettings:
    taken = {"batch_size": 2, "height": 16, "width": 16, "tokens": 8, "related": str(folder / "vectors.parquet")}
    return LoaderSettings(str(folder / "corpus"), str(folder / "words"), **{**taken, **changes})


def test_batches_hold_related_samples_and_each_sample_once(folder: Path) -> None:
    def kinds(loader: ShardLoader) -> list[list[int]]:
        return [[(int(key[1:4]) - 1) % 3 for key in batch.keys] for batch in loader]

    loader = ShardLoader(settings(folder))
    batches = [kinds(loader) for _ in range(4)]
    assert all(sorted(itertools.chain(*epoch)) == [0] * 4 + [1] * 4 + [2] * 4 for epoch in batches)
    # Two of the four nearest that are free: at the end of an epoch a batch can only be what is left.
    assert sum(len(set(batch)) == 1 for epoch in batches for batch in epoch) >= 15
    plain = ShardLoader(settings(folder, related=None))
    assert sum(len(set(batch)) == 1 for _ in range(4) for batch in kinds(plain)) < 10
    order = ShardLoader(settings(folder, training=False)).order
    assert order.vectors is None  # evaluations keep the order of the corpus


def test_a_resume_goes_on_with_the_same_batches_and_refuses_other_vectors(folder: Path, tmp_path: Path) -> None:
    whole = ShardLoader(settings(folder))
    stream = iter(whole)
    for _ in range(2):
        next(stream)
    state = whole.state_dict()
    rest = [batch.keys for batch in stream] + [batch.keys for batch in whole]
    later = ShardLoader(settings(folder, workers=1))
    later.load_state_dict(state)
    assert [batch.keys for batch in later] + [batch.keys for batch in later] == rest
    halves = [ShardLoader(settings(folder, batch_size=1), rank, 2) for rank in range(2)]
    for half in halves:
        half.load_state_dict(state)
    assert [a.keys + b.keys for a, b in zip(*halves, strict=True)] == rest[:4]
    keys = [f"v{n:03d}-000000000-000009000" for n in range(13)]
    others = (None, table(tmp_path / "other.parquet", keys, seed=1))
    for other in others:
        with pytest.raises(ValueError, match="related was"):
            ShardLoader(settings(folder, related=other)).load_state_dict(state)
    with pytest.raises(ValueError, match="related was None, is"):
        whole.load_state_dict(ShardLoader(settings(folder, related=None)).state_dict())


def test_a_table_that_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    def said(match: str, path: str) -> None:
        with pytest.raises(ConfigError, match=rf"data\.related: .*{match}"):
            Trainer(configured(folder, data={"related": path}), ALONE)

    keys = [f"v{n:03d}-000000000-000009000" for n in range(1, 13)]
    said("no vector of 2 of 12 samples, such as v011-.*longtake embed", table(tmp_path / "few.parquet", keys[:10]))
    said("not a table of longtake embed", str(tmp_path / "none.parquet"))
    (tmp_path / "text.parquet").write_text("vectors")
    said("not a table of longtake embed", str(tmp_path / "text.parquet"))
    for name, vector, match in (
        ("nan", pa.array([[float("nan"), 0.0]], pa.list_(pa.float32(), 2)), "a vector is not finite"),
        ("ragged", pa.array([[1.0, 2.0]], pa.list_(pa.float32())), "embedding is list"),
        ("zeros", pa.array([[0.0, 0.0]], pa.list_(pa.float32(), 2)), "no vector of 12 of 12"),
    ):
        pq.write_table(pa.table({"id": keys[:1], "embedding": vector}), tmp_path / f"{name}.parquet")
        said(match, str(tmp_path / f"{name}.parquet"))
    with pytest.raises(ConfigError, match=r"data\.related is for pre-training"):
        configured(folder, data={"related": "x"}, task={"kind": "classify", "classes": 2})


def test_a_sample_that_embed_left_out_is_near_to_nothing(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = [f"v{n:03d}-000000000-000009000" for n in range(1, 12)]
    loader = ShardLoader(settings(folder, related=table(tmp_path / "few.parquet", keys)))
    assert "no vector of 1 of 12 samples: they are related to none" in caplog.text
    assert loader.order.vectors is not None and not loader.order.vectors[-1].any()
    assert len({key for batch in loader for key in batch.keys}) == 12


def test_a_pool_smaller_than_a_batch_is_refused(folder: Path) -> None:
    ShardLoader(settings(folder, batch_size=6, shuffle_shards=1))
    with pytest.raises(
        ValueError, match=r"1 shards have some 6 samples, fewer than a batch of 8.*Raise shuffle_shards"
    ):
        ShardLoader(settings(folder, batch_size=8, shuffle_shards=1))


def test_one_batch_an_epoch_has_spares(folder: Path) -> None:
    ticket = ShardLoader(settings(folder, batch_size=7)).order.ticket(0, 0)
    assert len(ticket.places) == 7 and len(ticket.spares) == 5
    assert len({tuple(place) for place in (*ticket.places.tolist(), *ticket.spares.tolist())}) == 12


def test_a_training_on_related_samples_resumes_bit_for_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "draw_losses", lambda run: run)
    # From the folder of the configuration; a further corpus has no vectors, and is shuffled as ever.
    data = {"related": "vectors.parquet", "mix": [{"corpus": "images", "sentences": 1}]}
    whole, parts = (
        configured(folder, output=str(tmp_path / name), data=data, log_to=[], steps=5).model_copy(
            update={"base": str(folder)}
        )
        for name in ("whole", "parts")
    )
    one = trained(whole)
    trained(parts, stop_after=2)
    other = trained(parts, resume=True)
    assert told(whole.output) == told(parts.output)
    assert all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values(), strict=True))
    changed = whole.model_copy(update={"data": whole.data.model_copy(update={"related": None})})
    with pytest.raises(ConfigError, match="related was"):
        Trainer(changed, ALONE, lambda _: None).start(resume=True)
    assert one.loader.settings.related == str(folder / "vectors.parquet")
