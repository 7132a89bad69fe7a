"""Selections: saved by name, combined, decided on in bulk, taken back, exported; what cannot be done is said."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import ALPHA, ALPHA_2, HOST, PATH_ID, PORT, TAG_ID, build, client_of, proved, served, shown
from flask.testing import FlaskClient

from longtake.pipeline.browse.bulk import Bulk, bulks
from longtake.pipeline.browse.combine import SelectionError, evaluate, is_name, names_in
from longtake.pipeline.browse.guard import Access
from longtake.pipeline.browse.server import Server
from longtake.schemas.decisions import Decision, append_decisions, read_decisions

TOKEN = {"X-Longtake": "the-csrf-token", **HOST}
HOSTILE = {PATH_ID, TAG_ID}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of decisions and selections."""
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def opened(built: Path, folder: Path) -> Iterator[Server]:
    found = served(built, decisions=str(folder / "decisions.csv"))
    yield found
    found.close()


@pytest.fixture
def own(opened: Server, folder: Path) -> Server:
    """A server of the corpus without decisions and selections."""
    for file in folder.iterdir():
        file.unlink()
    return opened


def post(client: FlaskClient, path: str, status: int = 200, **values: str) -> Any:
    answer = client.post(path, json=values, headers=TOKEN)
    assert answer.status_code == status, answer.text
    return answer.get_json()


def save(client: FlaskClient, name: str, query: str, status: int = 200, **values: str) -> Any:
    return post(client, "/api/selections", status, name=name, query=query, curator="Ann", **values)


def keys_of(client: FlaskClient, query: str) -> set[str]:
    return set(client.get(f"/export/keys?{query}", headers=HOST).text.split())


# -- expressions


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("a", "1100"),
        ("a and b", "1000"),
        ("a or b", "1110"),
        ("not a", "0011"),
        ("a or b and c", "1110"),
        ("(a or b) and c", "0010"),
        ("not a and not b", "0001"),
        ("NOT (a And b) or c", "0111"),
    ],
)
def test_expressions_follow_the_rules_of_logic(expression: str, rows: str) -> None:
    masks = {"a": "1100", "b": "1010", "c": "0010"}
    found = evaluate(expression, lambda name: np.array([bit == "1" for bit in masks[name]]))
    assert "".join("01"[int(bit)] for bit in found) == rows


@pytest.mark.parametrize("wrong", ["", "a b", "and", "a and", "(a", "a)", "a ! b", "not", "(" * 300 + "a"])
def test_what_is_no_expression_is_refused(wrong: str) -> None:
    with pytest.raises(SelectionError):
        names_in(wrong)


def test_names_are_letters_digits_and_joints() -> None:
    assert all(map(is_name, ("fast", "zu-schnell", "слова_2", "字幕")))
    assert not any(map(is_name, ("", "a b", "-a", "not", "AND", "../a", "a" * 61, "<i>")))


# -- saving


def test_a_list_is_saved_combined_and_found_again(own: Server, folder: Path) -> None:
    client = client_of(own)
    save(client, "val", "split=val")
    save(client, "long", "min_words=16&sort=-words")
    save(client, "sea", "q=banquise")
    long, val = keys_of(client, "min_words=16"), keys_of(client, "split=val")
    everything = keys_of(client, "")
    assert len(everything) == 11 and long and val
    assert keys_of(client, "in=long+or+val") == long | val
    assert keys_of(client, "in=not+(long+or+val)") == everything - long - val
    assert keys_of(client, "in=sea+and+not+val&split=train") == keys_of(client, "q=banquise") - val
    save(client, "rest", "in=not+(long+or+val)")
    assert own.site.keys("rest") == sorted(everything - long - val, key=own.site.keys("rest").index)
    text = client.get("/selections", headers=HOST).text
    assert f"{len(val):,}</td>" in text and "16 ≤ words" in text and "18.2 %" in text
    whole = json.loads((folder / "selections.json").read_text())
    assert whole["format"] == 1
    assert whole["selections"]["long"]["query"] == {"min_words": "16"}
    assert whole["selections"]["val"]["curator"] == "Ann"
    for n in range(30):  # a billion evaluations, if each is made again wherever it is named
        save(client, f"n{n}", f"in={f'n{n - 1} or n{n - 1}' if n else 'val'}")
    assert keys_of(client, "in=n29") == val
    with client_of(served_again(own, folder)) as again:
        assert keys_of(again, "in=rest") == everything - long - val


def served_again(server: Server, folder: Path) -> Server:
    return served(Path(server.site.layout.root), decisions=str(folder / "decisions.csv"))


def test_fixed_samples_stay_while_a_rule_follows(own: Server) -> None:
    client = client_of(own)
    save(client, "open", "state=undecided")
    save(client, "first", "state=undecided", keep="samples", expected=shown(client, "state=undecided"))
    own.site.marks.add("sample", ALPHA, "ok", "", "", "Ann")
    assert keys_of(client, "in=first") - keys_of(client, "in=open") == {ALPHA}


def test_what_cannot_be_saved_is_said(own: Server, folder: Path) -> None:
    client = client_of(own)
    save(client, "a", "split=val")
    assert "exists already" in save(client, "a", "split=train", 400)["error"]
    save(client, "a", "split=train", replace="1")
    assert "must be up to 60 letters" in save(client, "no name", "", 400)["error"]
    assert "is not a number" in save(client, "b", "min_words=many", 400)["error"]
    assert "no selection is named" in save(client, "b", "in=nowhere", 400)["error"]
    assert "not run yet" in save(client, "b", "sql=n_words+>+1", 400)["error"]  # nobody pressed Run
    save(client, "b", "in=a")
    assert "made of itself" in save(client, "a", "in=b", 400, replace="1")["error"]
    assert "is made of" in post(client, "/api/selections/delete", 400, name="a")["error"]
    post(client, "/api/selections/delete", name="b")
    post(client, "/api/selections/delete", name="a")
    assert "there is no selection" in post(client, "/api/selections/delete", 400, name="a")["error"]
    assert "no selection is named" in client.get("/?in=a", headers=HOST).text
    (folder / "selections.json").write_text('{"format": 1, "selections": {"x": {"query": {"colour": "red"}}}}')
    assert "no parameter &#39;colour&#39;" in client.get("/selections", headers=HOST).text
    (folder / "selections.json").write_text("nonsense")
    assert "not JSON" in client.get("/selections", headers=HOST).text


def test_sql_of_a_saved_selection_runs_as_it_was_saved(own: Server) -> None:
    client = client_of(own)
    query = proved(own, "/?sql=n_words+>+15").removeprefix("/?")
    save(client, "wordy", query)
    assert keys_of(client, "in=wordy") == keys_of(client, query) != set()


def test_the_rows_of_a_query_open_as_a_list(own: Server) -> None:
    client = client_of(own)
    text = client.get(proved(own, "/sql?sql=SELECT+key+FROM+samples+ORDER+BY+n_words+LIMIT+4"), headers=HOST).text
    at = text.index('href="/?sql=key+IN')
    address = text[at + 6 : text.index('"', at + 6)].replace("&amp;", "&")
    assert "<strong>4</strong> of 11 samples" in client.get(address, headers=HOST).text


def test_a_check_of_the_audit_chooses_its_examples(tmp_path: Path) -> None:
    root = tmp_path / "out"
    build(root)
    (root / "audit").mkdir(exist_ok=True)
    check = {"name": "black", "title": "Black <i>", "status": "warn", "keys": [ALPHA, "gone-000000000-000000001"]}
    (root / "audit" / "audit.json").write_text(json.dumps({"checks": [check, {"name": "old"}]}))
    server = served(root)
    try:
        client = client_of(server)
        assert keys_of(client, "check=black") == {ALPHA}
        assert "Black &lt;i&gt; (2)" in client.get("/?check=black", headers=HOST).text
        assert "names no samples" in client.get("/?check=white", headers=HOST).text
    finally:
        server.close()


# -- in bulk


def bulk(client: FlaskClient, query: str, expected: int, decision: str, status: int = 200, **values: str) -> Any:
    counted = f"{expected}:{shown(client, query).partition(':')[2]}"
    given = {"query": query, "expected": counted, "decision": decision, "curator": "Ann"} | values
    return post(client, "/api/bulk", status, **given)


def state_of(server: Server) -> dict[str, str]:
    decided = server.site.marks.read()
    rows = server.site.store.listed(list(range(server.site.store.rows)))
    return {row["key"]: state for row in rows if (state := decided.state(row["key"], row["video_id"]))}


def test_a_bulk_is_in_the_log_and_is_taken_back_in_one_step(own: Server, folder: Path) -> None:
    client = client_of(own)
    own.site.marks.add("sample", ALPHA, "ok", "", "seen", "Ann")
    own.site.marks.add("sample", ALPHA_2, "ok", "", "", "Bob")
    before = state_of(own)
    train = keys_of(client, "split=train")
    assert bulk(client, "split=train", len(train), "reject", label="bad_text", note="all of them") == {"done": 9}
    assert state_of(own) == dict.fromkeys(train, "reject")
    rows = read_decisions(str(folder / "decisions.csv"))
    assert {(one.decision, one.label, one.note, one.curator) for one in rows[2:]} == {
        ("reject", "bad_text", "all of them", "Ann")
    }
    assert bulk(client, "split=train", len(train), "reject", label="bad_text")["done"] == 0  # they are so already
    [made] = own_bulks(own, "Ann")
    assert (made.size, made.standing) == (9, 9)
    own.site.marks.add("sample", ALPHA, "flag", "", "", "Ann")  # decided again alone: undo leaves it
    undone = {"curator": "Ann", "decided_at": made.decided_at, "decision": "reject", "label": "bad_text"}
    assert post(client, "/api/bulk/undo", note="all of them", **undone) == {"done": 8}
    assert state_of(own) == before | {ALPHA: "flag"}
    assert own_bulks(own, "Ann") == []
    assert "9 samples" not in client.get("/api/bulk?by=Ann", headers=HOST).text


def own_bulks(server: Server, curator: str) -> list[Bulk]:
    return bulks(server.site.marks.read(), curator)


def test_a_bulk_that_is_not_what_was_shown_is_refused(own: Server, folder: Path) -> None:
    client = client_of(own)
    assert "others (9) now" in bulk(client, "split=train", 8, "reject", 409)["error"]
    save(client, "s", "video=beta")
    was = shown(client, "in=s")
    save(client, "s", "video=gamma", replace="1")  # as many, but others
    assert (
        "there are others"
        in post(client, "/api/bulk", 409, query="in=s", expected=was, decision="reject", curator="Ann")["error"]
    )
    assert "there are others" in save(client, "t", "in=s", 409, keep="samples", expected=was)["error"]
    assert "is not a number" in bulk(client, "min_words=x", 11, "reject", 400)["error"]
    assert "say who decides" in bulk(client, "", 11, "reject", 400, curator="")["error"]
    assert "decision:" in bulk(client, "", 11, "none", 400)["error"]
    assert client.post("/api/bulk", json={}, headers=HOST).status_code == 403  # no token of ours
    assert not (folder / "decisions.csv").exists()
    reading = served(Path(own.site.layout.root), decisions=str(folder / "d.csv"), read_only=True)
    assert "only reads" in bulk(client_of(reading), "", 11, "reject", 403)["error"]
    reading.close()


def test_many_rows_are_appended_together(tmp_path: Path) -> None:
    rows = [Decision("sample", ALPHA, "reject", curator="Ann"), Decision("sample", ALPHA_2, "ok", "other", "a, b")]
    for name in ("a.csv", "b.parquet"):
        path = tmp_path / name
        append_decisions(str(path), rows)
        append_decisions(str(path), rows)
        append_decisions(str(path), [])
        assert read_decisions(str(path)) == rows * 2
    (tmp_path / "c.csv").write_text("subject,subject_id,decision,mine\r\nsample," + ALPHA + ",ok,1\r\n")
    append_decisions(str(tmp_path / "c.csv"), rows)
    assert [one.decision for one in read_decisions(str(tmp_path / "c.csv"))] == ["ok", "reject", "ok"]
    assert (tmp_path / "c.csv").read_text().splitlines()[1].startswith(f"sample,{ALPHA},ok,1")


# -- files


def test_exports_hold_the_samples_in_the_order_of_the_list(own: Server) -> None:
    client = client_of(own)
    hers = client_of(own, Access("127.0.0.1", PORT, csrf="the-csrf-token", curator="Ann"))
    own.site.marks.add("sample", ALPHA, "flag", "", "", "Ann")
    query = "sort=-words&q=banquise"
    keys = client.get(f"/export/keys?{query}", headers=HOST).text.split()
    rows = list(csv.DictReader(io.StringIO(client.get(f"/export/csv?{query}", headers=HOST).text, newline="")))
    lines = client.get(f"/export/jsonl?{query}", headers=HOST).text.splitlines()
    assert [row["key"] for row in rows] == [json.loads(line)["key"] for line in lines] == keys
    assert {row["key"]: row["decision"] for row in rows}[ALPHA] == ""  # blind: who asks has no verdict on it
    rows = list(csv.DictReader(io.StringIO(hers.get(f"/export/csv?{query}", headers=HOST).text, newline="")))
    assert {row["key"]: row["decision"] for row in rows}[ALPHA] == "flag"
    hostile = [json.loads(line) for line in lines if json.loads(line)["video_id"] in HOSTILE]
    assert all("<script>" in one["paragraph"] for one in hostile)
    answer = client.get("/export/csv?split=val", headers=HOST)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="selection.csv"'
    assert client.get("/export/csv?split=nowhere", headers=HOST).text.split(",")[0] == "key"
    assert client.get("/export/html", headers=HOST).status_code == 404
    assert client.get("/export/keys?min_words=x", headers=HOST).status_code == 400
