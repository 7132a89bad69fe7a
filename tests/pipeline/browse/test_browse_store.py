"""The cache of a corpus: what it holds, when it is made anew, and what lists it gives."""

import os
import shutil
from pathlib import Path

import corpora
import numpy as np
import pyarrow.parquet as pq
import pytest
from browsing import ALPHA, ALPHA_2, PATH_ID, build, client_of, served

from longtake.pipeline.browse.cache import open_cache
from longtake.pipeline.browse.row_order import order_of
from longtake.pipeline.browse.selection import read_selection
from longtake.pipeline.browse.server import Server
from longtake.pipeline.browse.store import Store
from longtake.schemas import scratch, storage
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout


def rows_of(root: Path) -> list[dict[str, object]]:
    files = sorted((root / "index").iterdir())
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def keys(server: Server, **values: str) -> list[str]:
    selection = read_selection(values)
    assert not selection.problems
    rows, total = server.site.store.page(*server.site.rows(selection), 0, 100)
    assert total == len(rows)
    return [row["key"] for row in rows]


def test_all_rows_are_there_in_the_order_of_the_index(server: Server, built: Path) -> None:
    assert keys(server) == [row["key"] for row in rows_of(built)]


def test_conditions_choose(server: Server, built: Path) -> None:
    rows = rows_of(built)
    assert keys(server, split="val") == [row["key"] for row in rows if row["split"] == "val"]
    assert keys(server, license="-") == [row["key"] for row in rows if not row["license"]] != []
    assert keys(server, video=PATH_ID) == [row["key"] for row in rows if row["video_id"] == PATH_ID] != []
    long = [row["key"] for row in rows if row["n_words"] >= 16]
    assert keys(server, min_words="16") == long != []
    assert keys(server, max_words="15.5", split="train")
    assert keys(server, dup="1") == []
    assert keys(server, split="' OR 1=1 --") == []


def test_orders(server: Server, built: Path) -> None:
    rows = rows_of(built)
    by_words = sorted(range(len(rows)), key=lambda n: (-rows[n]["n_words"], n))  # type: ignore[operator]
    assert keys(server, sort="-words") == [rows[n]["key"] for n in by_words]
    assert sorted(keys(server, sort="random")) == sorted(keys(server))
    assert keys(server, sort="coherence") == keys(server)  # which no row has


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_the_order_of_numbers_is_stable_and_puts_unknown_ones_last(size: int) -> None:
    values = np.random.default_rng(3).integers(0, 20, size).astype(float)
    values[values > 15] = np.nan
    whole = np.random.default_rng(4).integers(-5, 5, size).astype(float)
    assert order_of(whole).tolist() == sorted(range(size), key=lambda n: (whole[n], n))
    expected = sorted(range(size), key=lambda n: (np.isnan(values[n]), values[n] if values[n] == values[n] else 0, n))
    assert order_of(values).tolist() == expected


def test_a_page_that_cannot_be_asked_says_why() -> None:
    selection = read_selection({"min_words": "many", "sort": "paragraph; DROP", "state": "x", "max_wps": "inf"})
    assert len(selection.problems) == 4
    assert selection.parameters == {}
    assert read_selection({"min_wps": "1,5"}).least("wps") == "1.5"


def test_an_address_says_what_is_chosen_and_nothing_else() -> None:
    values = {
        "q": "a & b",
        "sql": "n > 1",
        "k": "of its page",
        "split": "val",
        "min_words": "3",
        "max_score_black": "0.5",
        "state": "undecided",
    }
    values |= {"by": "Ann", "dup": "1", "review": "1", "sort": "-words", "video": "x"}
    assert read_selection(values).parameters == values
    assert read_selection(read_selection(values).parameters) == read_selection(values)


def test_the_place_of_a_sample_in_a_list(server: Server) -> None:
    store, site = server.site.store, server.site
    selection = read_selection({"sort": "-words", "split": "train"})
    listed = keys(server, sort="-words", split="train")
    for number, key in enumerate(listed):
        row = store.row_of(key)
        assert row is not None
        place = store.place(*site.rows(selection), row)
        assert place is not None
        assert (place.number, place.total) == (number, len(listed))
        assert place.before == (listed[number - 1] if number else None)
        assert place.after == (listed[number + 1] if number + 1 < len(listed) else None)
    outside = store.row_of(keys(server, split="val")[0])
    assert outside is not None
    place = store.place(*site.rows(selection), outside)
    assert place is not None
    assert listed[place.number : place.number + 1] == ([place.after] if place.after else [])


def test_what_the_cache_holds_besides(server: Server) -> None:
    store = server.site.store
    assert dict(store.facets["split"]) == {"train": 9, "val": 2}
    assert [measure.name for measure in store.measures] == ["duration", "sentences", "words", "wps"]
    assert {row["reason"] for row in store.drop_counts()} >= {"run_too_short", "frames_damaged", "malformed"}
    assert [row["key"] for row in store.lost_of("beta")] == ["beta-000090500-000111002"]
    assert store.drops("", "", "", "ALONE", 0, 10)[1] == 1


def test_the_cache_is_used_again_until_the_corpus_changes(tmp_path: Path) -> None:
    layout = build(tmp_path / "out")
    done: list[int] = []
    first = open_cache(layout, done.append)
    assert done[-1] == 11
    assert Path(first.folder).parent == tmp_path / "out" / "audit" / "browse"
    assert open_cache(layout, lambda _: pytest.fail("made again")) == first
    corpora.edit_manifest(tmp_path / "out", lambda raw: raw.update(name="other"))
    second = open_cache(layout)
    assert os.listdir(Path(second.folder).parent) == [os.path.basename(second.folder)]


def test_a_corpus_that_was_changed_is_shown_no_more(tmp_path: Path) -> None:
    root = tmp_path / "out"
    build(root)
    server = served(root)
    client = client_of(server)
    try:
        os.utime(root / "corpus.json", (1, 1))
        assert client.get("/").status_code == 200
        corpora.edit_manifest(root, lambda raw: raw.update(name="other"))
        for path in ("/", f"/sample/{ALPHA}", f"/frame/{ALPHA}/0.jpg", "/sql?sql=FROM+samples"):
            answer = client.get(path)
            assert answer.status_code == 409
            assert "banquise" not in answer.text
        assert client.get("/healthz").status_code == 200
        (root / "corpus.json").unlink()
        assert client.get("/").status_code == 409
    finally:
        server.close()


def test_a_cache_that_came_with_the_corpus_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = build(tmp_path / "out")
    theirs = open_cache(layout)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of somebody else"))
    assert open_cache(layout).folder != theirs.folder


def test_a_link_in_the_corpus_is_not_followed(tmp_path: Path) -> None:
    layout = build(tmp_path / "out")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "audit").symlink_to(tmp_path / "elsewhere")
    assert open_cache(layout).folder.startswith(scratch.folder())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_cache_of_a_remote_corpus_is_in_scratch_space(built: Path) -> None:
    for path in [path for path in built.rglob("*") if path.is_file() and "audit" not in path.parts]:
        storage.write_bytes(f"memory://browsed/{path.relative_to(built)}", path.read_bytes())
    try:
        cache = open_cache(Layout("memory://browsed"))
        assert cache.folder.startswith(scratch.folder())
        assert Store(cache).rows == 11
    finally:
        storage.delete_folder("memory://browsed")


def test_a_failed_cache_leaves_nothing(tmp_path: Path) -> None:
    layout = build(tmp_path / "out")
    (tmp_path / "out" / "index" / "train-000001.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(CorpusError, match=r"train-000001\.parquet: unreadable.*longtake verify"):
        open_cache(layout)
    assert os.listdir(tmp_path / "out" / "audit" / "browse") == []


def test_an_index_of_an_earlier_version_has_nulls(tmp_path: Path) -> None:
    root = tmp_path / "out"
    layout = build(root)
    for file in (root / "index").iterdir():
        table = pq.read_table(file)
        pq.write_table(table.drop_columns(["language", "duplicate_of", "score_black", "evaluation_overlap"]), file)
    store = Store(open_cache(layout))
    row = store.sample(ALPHA)
    assert row is not None
    assert (row["language"], row["score_black"]) == (None, None)


def test_what_was_said_is_searched_where_texts_are_captions(tmp_path: Path) -> None:
    root = tmp_path / "out"
    layout = build(root)

    def edit(rows: list[dict[str, object]]) -> None:
        for row in rows:
            if row["key"] == ALPHA_2:
                row["sentences"][0]["asr"] = "originally walrus"  # type: ignore[index]

    for file in (root / "index").iterdir():
        corpora.edit_table(file, edit)
    store = Store(open_cache(layout))
    mask = store.rows_with("walrus")
    assert mask is not None
    assert [store.key_of(int(row)) for row in np.flatnonzero(mask)] == [ALPHA_2]
    shutil.rmtree(root / "audit")
