"""The map: principal components, groups and their words against independent computations; the table, its axes and topics."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browsing import ALPHA, HOST, build, client_of, served

from longtake.pipeline.browse.axes import inside
from longtake.pipeline.browse.map_job import MapOptions, make_map
from longtake.pipeline.browse.map_points import components, group, place
from longtake.pipeline.browse.map_words import read_words, text_vectors, words_of_groups
from longtake.pipeline.browse.server import Server
from longtake.schemas.errors import ConfigError, CorpusError

RNG = np.random.default_rng(3)


def blobs(number: int, each: int, width: int = 12) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Rows around `number` centres far apart, in mixed order, and the centre of each."""
    centres = RNG.normal(size=(number, width)) * 20
    own = RNG.permutation(np.repeat(np.arange(number), each))
    return (centres[own] + RNG.normal(size=(len(own), width))).astype(np.float32), own


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    rows = RNG.normal(size=(400, 9)).astype(np.float32) @ np.diag([9, 7, 5, 3, 2, 1, 1, 1, 1]).astype(np.float32)
    found, explained = components(rows, 4)
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    expected = (left * values)[:, :4]
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-3)
    np.testing.assert_allclose(explained, (values**2 / (values**2).sum())[:4], rtol=1e-6)
    points = place(found, explained, "pca", 0).points
    assert (np.abs(points) <= 1).mean() > 0.98
    assert np.corrcoef(points[:, 0], found[:, 0])[0, 1] == pytest.approx(1)


def test_groups_are_the_blobs() -> None:
    rows, own = blobs(6, 80)
    found = group(rows, 6, 0)
    pairs = {(int(a), int(b)) for a, b in zip(found, own, strict=True)}
    assert len(pairs) == 6  # each group is one blob
    assert (group(rows, 6, 0) == found).all()
    assert group(rows[:3], 20, 0).max() <= 2
    sizes = np.bincount(group(blobs(2, 50)[0], 3, 1))
    assert list(sizes) == sorted(sizes, reverse=True)


def test_texts_on_one_theme_are_alike_and_their_words_are_named() -> None:
    sea, oven = ("the whale swims in the cold sea", "the oven bakes the bread in the morning")
    themes = (oven.split(), sea.split())
    texts = [" ".join(RNG.permutation(themes[n % 2])) for n in range(60)]
    table = read_words(texts)
    vectors = text_vectors(table).astype(np.float32)
    likeness = vectors @ vectors.T
    assert likeness[1, 3] > 0.9 > 0.3 > likeness[1, 2]
    words = words_of_groups(table, np.arange(60, dtype=np.int16) % 2, 2)
    assert set(words[0]) == {"oven", "bakes", "bread", "morning"}  # not what is everywhere, nor "in"
    assert set(words[1]) == {"whale", "swims", "cold", "sea"}
    alone = read_words(["a b", "", "c"])
    assert not text_vectors(alone).any()
    assert words_of_groups(alone, np.array([-1, 0, -1], np.int16), 1) == [[]]


def test_an_outline_holds_what_lies_in_it() -> None:
    x, y = RNG.uniform(-2, 2, (2, 4000)).astype(np.float32)
    x[0] = np.nan
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    found = inside(x, y, list(zip(np.cos(angles), np.sin(angles), strict=True)))
    radius = np.hypot(x, y)
    assert found[radius < 0.998].all() and not found[radius > 1].any() and not found[0]
    star = inside(x, y, [(-1, -1), (1, 1), (1, -1), (-1, 1)])  # two triangles that meet in the middle
    expected = (np.abs(y) < np.abs(x)) & (np.abs(x) < 1)
    assert (star == expected)[~np.isnan(x)].all()
    assert inside(x, y, [(-1, -1), (1, 1)]).sum() == ((np.abs(x) <= 1) & (np.abs(y) <= 1)).sum()


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    build(root)
    return root


def made(server: Server, **options: Any) -> Any:
    site = server.site
    return make_map(site.store, site.layout, site.spaces, MapOptions(**options), lambda step: None)


def keys_of(server: Server, query: str) -> set[str]:
    return set(client_of(server).get(f"/export/keys?{query}", headers=HOST).text.split())


def test_a_map_is_a_table_and_chooses_samples(mapped: Path) -> None:
    first = served(mapped)
    found = made(first, topics=2, method="pca")
    table = pq.read_table(found.path)
    told = json.loads(table.schema.metadata[b"longtake.map"])
    assert table.column_names == ["key", "x", "y", "topic"] and len(table) == 11
    assert (told["by"], told["method"]["name"], told["samples"], told["format"]) == ("words", "pca", 11, 1)
    assert made(first, topics=2, method="pca") == found  # the same again
    assert pq.read_table(found.path).equals(table)
    first.close()
    server = served(mapped)
    try:
        rows = {row["key"]: row for row in table.to_pylist()}
        for number, (size, _) in enumerate(found.topics):
            keys = keys_of(server, f"topic=words:{number + 1}")
            assert len(keys) == size and keys == {key for key, row in rows.items() if row["topic"] == number}
        x, y = (axis.name for axis in server.site.axes if axis.name.startswith("map-words"))
        own = rows[ALPHA]
        corners = f"{own['x'] - 1e-3},{own['y'] - 1e-3},{own['x'] + 1e-3},{own['y'] + 1e-3}"
        near = {k for k, r in rows.items() if abs(r["x"] - own["x"]) < 1e-3 and abs(r["y"] - own["y"]) < 1e-3}
        assert keys_of(server, f"area={x}~{y}~{corners}") == near
        lasso = ",".join(["-1.23457e-10"] * 200)  # as long as one of 100 points can be
        assert keys_of(server, f"area={x}~{y}~{lasso}") == set()
        page = client_of(server).get("/plot", headers=HOST).text
        assert f'value="{x}" selected' in page and 'value="topic:words" selected' in page
        gone = client_of(server).get(f"/?area={x}0~{y}~0,0,1,1", headers=HOST).text
        assert "computed again since" in gone
        assert "has no topic" in client_of(server).get("/?topic=words:9", headers=HOST).text
        assert "there is no map" in client_of(server).get("/?topic=frames:1", headers=HOST).text
    finally:
        server.close()


def test_what_cannot_be_mapped_is_said(mapped: Path) -> None:
    first = served(mapped)
    with pytest.raises(ConfigError, match="there are words"):
        made(first, by="frames")
    first.close()
    os.makedirs(mapped / "audit" / "maps", exist_ok=True)
    pq.write_table(pa.table({"key": ["a"]}), mapped / "audit" / "maps" / "words.parquet")
    with pytest.raises(CorpusError, match="not a map"):
        served(mapped)


def points_of(server: Server, query: str) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The header and the arrays of a plot, read as static/raster.js reads them."""
    body = client_of(server).get(f"/plot.bin?{query}", headers=HOST).data
    length = int.from_bytes(body[:4], "little")
    header, at, arrays = json.loads(body[4 : 4 + length]), 4 + length, {}
    for name, kind in (("x", "<f4"), ("y", "<f4"), ("row", "<i4"), ("code", "u1"), ("own", "u1")):
        arrays[name] = np.frombuffer(body, kind, header["points"], at)
        at += arrays[name].nbytes
    assert at == len(body)
    return header, arrays


def test_points_are_packed_with_their_colours(server: Server) -> None:
    header, points = points_of(server, "x=words&y=duration&colour=license&split=val")
    rows = server.site.store.listed(points["row"].tolist())
    assert len(rows) == 11 and header["missing"] == 0
    assert points["x"].tolist() == [row["n_words"] for row in rows]
    np.testing.assert_allclose(points["y"], [row["duration"] for row in rows], rtol=1e-6)
    assert points["own"].tolist() == [row["split"] == "val" for row in rows]
    names = [entry.rpartition(" (")[0] for entry in header["legend"]]
    assert names[0] == "CC BY 4.0"
    for code, row in zip(points["code"].tolist(), rows, strict=True):
        assert (names[code] if code != 255 else "") == row["license"]
    header, points = points_of(server, "x=words&y=position&colour=words")
    assert header["ordered"] and len(header["legend"]) == 8
    assert (np.diff(points["code"][np.argsort(points["x"])].astype(int)) >= 0).all()
    wrong = client_of(server).get("/plot.bin?x=words&y=nothing", headers=HOST)
    assert wrong.status_code == 400 and "there is no axis" in wrong.text
