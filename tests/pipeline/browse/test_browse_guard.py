"""Who is let in, what browsers are told, and what is written down of whom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import ALPHA, HOST, PATH_ID, PORT, build, client_of, mark, served
from flask.testing import FlaskClient

from longtake.pipeline.browse.guard import MAX_BODY, Access, is_loopback
from longtake.pipeline.browse.sandbox import Sandbox
from longtake.pipeline.browse.server import Options, Server, _token
from longtake.schemas.decisions import read_decisions
from longtake.schemas.errors import ConfigError

TOKEN = "0123456789abcdef-0123"  # noqa: S105


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Path, Server]]:
    """A corpus whose decisions.csv is written to."""
    root = tmp_path / "out"
    build(root)
    server = served(root)
    yield root, server
    server.close()


@pytest.mark.parametrize(
    "path",
    ["/", f"/sample/{ALPHA}", "/healthz", f"/frame/{ALPHA}/0.jpg", "/static/style.css", "/nothing", "/frame/x/0.jpg"],
)
def test_every_answer_has_the_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("host", [f"localhost:{PORT}", f"127.0.0.1:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_this_machine_may_ask_for_us_by_our_names(server: Server, host: str) -> None:
    assert client_of(server).get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "localhost",
        "localhost:1",
        f"localhost.evil.example:{PORT}",
        "[bad",
        f"localhost:{PORT}x",
    ],
)
@pytest.mark.parametrize("path", ["/", f"/frame/{ALPHA}/0.jpg", "/healthz", "/static/site.js"])
def test_a_rebound_name_is_refused(server: Server, host: str, path: str) -> None:
    answer = client_of(server).get(path, headers={"Host": host})
    assert answer.status_code == 403
    assert b"alpha" not in answer.data
    assert b"small" not in answer.data  # the name of the corpus


def test_other_sites_may_lead_here_and_load_nothing(client: FlaskClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    for site, mode in (("cross-site", "no-cors"), ("same-site", "cors")):
        assert (
            client.get(f"/frame/{ALPHA}/0.jpg", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}).status_code
            == 403
        )


def test_frames_and_scripts_of_other_sites_start_nothing(server: Server, client: FlaskClient) -> None:
    """A hidden frame navigates too; and a window that is led here runs no SQL."""
    frame = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    window = frame | {"Sec-Fetch-Dest": "document"}
    for path in ("/", "/?sql=n_words+%3E+1", "/sql?sql=FROM+samples", f"/sample/{ALPHA}", "/healthz"):
        assert client.get(path, headers=frame).status_code == 403
    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "_ask", lambda self, query, *_: asked.append(query))
        for path in (
            "/?sql=n_words+%3E+1", "/sql?sql=FROM+samples", f"/sql?sql=FROM+samples&k={'0' * 32}",
            f"/sample/{ALPHA}?sql=n_words+%3E+1", f"/?sql=n_words+%3E+1&k={server.site.proof('n_words > 2')}",
        ):  # fmt: skip
            answer = client.get(path, headers=window)
            assert answer.status_code == 200
            assert f"/sample/{ALPHA}" in path or "not run yet" in answer.text
        forged = {"sql": "FROM samples"}
        for headers in ({}, {"Origin": "https://evil.example"}, window):
            assert client.post("/ask", data=forged, headers={**HOST, **headers}).status_code == 403
            assert client.post("/ask", data=forged | {"csrf": "guess"}, headers={**HOST, **headers}).status_code == 403
    assert asked == []


def test_our_own_forms_run_sql(client: FlaskClient) -> None:
    own = {"Origin": f"http://localhost:{PORT}", "Sec-Fetch-Site": "same-origin", **HOST}
    answer = client.post("/ask", data={"sql": "SELECT 6 * 7 AS n", "csrf": "the-csrf-token"}, headers=own)
    assert answer.status_code == 303
    assert '<td class="number">42</td>' in client.get(answer.headers["Location"], headers=HOST).text
    given = {"sql": "n_words > 15", "split": "train", "q": " ", "csrf": "the-csrf-token"}
    place = client.post("/ask", data=given, headers=own).headers["Location"]
    assert place.startswith("/?") and "split=train" in place and "csrf" not in place and "q=" not in place
    text = client.get(place, headers=HOST).text
    assert "<strong>4</strong> of 11" in text and "not run" not in text
    assert text.count(place.partition("k=")[2].partition("&")[0]) >= 4, "the links to its samples keep it"


def post(client: FlaskClient, **headers: str) -> int:
    whole = {"subject": "sample", "subject_id": ALPHA, "decision": "ok", "curator": "Ann"}
    return client.post("/api/marks", json=whole, headers={**HOST, **headers}).status_code


def test_only_our_own_pages_may_mark(own: tuple[Path, Server]) -> None:
    root, server = own
    client = client_of(server)
    assert post(client) == 403
    assert post(client, **{"X-Longtake": "guess"}) == 403
    assert post(client, **{"X-Longtake": "the-csrf-token", "Origin": "https://evil.example"}) == 403
    assert post(client, **{"X-Longtake": "the-csrf-token", "Origin": "null"}) == 403
    assert post(client, **{"X-Longtake": "the-csrf-token", "Sec-Fetch-Site": "cross-site"}) == 403
    assert not (root / "decisions.csv").exists()
    assert post(client, **{"X-Longtake": "the-csrf-token", "Origin": f"http://localhost:{PORT}"}) == 200
    form = client.post("/api/marks", data={"subject": "sample"}, headers={**HOST, "X-Longtake": "the-csrf-token"})
    assert form.status_code == 415
    assert 'data-csrf="the-csrf-token"' in client.get("/", headers=HOST).text


def test_a_token_is_asked_for_where_others_can_come(server: Server) -> None:
    access = Access("0.0.0.0", PORT, TOKEN)  # noqa: S104
    client = client_of(server, access)
    for path in ("/", f"/frame/{ALPHA}/0.jpg", "/sql", "/nothing", f"/?token={TOKEN[:-1]}", "/?token=", "/?token=%FF"):
        refused = client.get(path)
        assert refused.status_code == 401, path
        assert b"alpha" not in refused.data
        assert access.csrf.encode() not in refused.data
    assert client.get("/healthz").status_code == 200
    assert client.get("/static/style.css").status_code == 200

    entered = client.get(f"/?token={TOKEN}&q=banquise")
    assert "url=/?q=banquise" in entered.text
    assert TOKEN not in entered.text
    cookie = entered.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    page = client.get("/")
    assert page.status_code == 200
    assert access.csrf in page.text
    by_name = client.application.test_client(use_cookies=False)
    own = {"Host": "curation.example", "Cookie": f"{access.cookie}={access.cookie_value}"}
    assert by_name.get("/", headers=own).status_code == 200  # any name will do: the token decides
    behind_a_proxy = client_of(server, Access("127.0.0.1", PORT, TOKEN)).application.test_client(use_cookies=False)
    assert behind_a_proxy.get("/", headers=own).status_code == 200
    other = client_of(server, Access("0.0.0.0", PORT, TOKEN + "x"))  # noqa: S104
    other.set_cookie(access.cookie, access.cookie_value)
    assert other.get("/").status_code == 401


def test_entering_leads_nowhere_else(server: Server) -> None:
    client = client_of(server, Access("0.0.0.0", PORT, TOKEN))  # noqa: S104
    for path in ("//evil.example/", "/\\evil.example/"):
        text = client.get(f"{path}?token={TOKEN}").text
        assert "url=//" not in text
        assert "url=/\\" not in text


def test_the_address_that_is_printed() -> None:
    assert Access("127.0.0.1", 8400).address == "http://127.0.0.1:8400/"
    assert Access("0.0.0.0", 80, "a+b").address == "http://127.0.0.1:80/?token=a%2Bb"  # noqa: S104
    assert Access("::1", 8400).address == "http://[::1]:8400/"


def test_which_addresses_need_a_token(tmp_path: Path) -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "")] == [False] * 5  # noqa: S104
    assert _token(Options(host="127.0.0.1")) == ""
    made = {_token(Options(host="0.0.0.0")) for _ in range(3)}  # noqa: S104
    assert len(made) == 3
    assert all(len(token) >= 40 for token in made)
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert _token(Options(token_file=str(file))) == TOKEN
    for bad in ("short", "with a space in the middle of it", "é" * 20):
        file.write_text(bad)
        with pytest.raises(ConfigError, match="--token-file"):
            _token(Options(token_file=str(file)))
    with pytest.raises(ConfigError, match="--token-file"):
        _token(Options(token_file=str(tmp_path / "none")))


def test_a_decision_is_written_down(own: tuple[Path, Server]) -> None:
    root, server = own
    client = client_of(server)
    answer = mark(client, label="misaligned", note="late by 2 s", curator=" Ann ")
    assert answer.status_code == 200
    assert answer.json["state"] == "reject"
    assert "late by 2 s" in answer.json["html"]
    [found] = read_decisions(str(root / "decisions.csv"))
    assert (found.subject, found.subject_id, found.decision) == ("sample", ALPHA, "reject")
    assert (found.label, found.note, found.curator) == ("misaligned", "late by 2 s", "Ann")
    assert found.decided_at.endswith("Z")
    assert mark(client, subject="video", subject_id="alpha", decision="flag", curator="Bob").json["state"] == "flag"
    assert mark(client, decision="none").json["state"] == ""  # Bob's decision on the video stays, for Bob
    assert mark(client, subject="video", subject_id=PATH_ID, decision="ok").status_code == 200
    assert len(read_decisions(str(root / "decisions.csv"))) == 4


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"curator": " "}, 400),
        ({"decision": "delete"}, 400),
        ({"label": "<script>"}, 400),
        ({"label": "unknown"}, 400),
        ({"note": "two\nlines"}, 400),
        ({"note": "x" * 1001}, 400),
        ({"curator": "x" * 101}, 400),
        ({"subject": "corpus"}, 404),
        ({"subject_id": "../../etc/passwd"}, 404),
        ({"subject_id": "alpha-000000000-000000001"}, 404),
        ({"subject": "video", "subject_id": "nobody"}, 404),
        ({"note": 7}, 400),
    ],
)
def test_what_is_no_decision_is_not_written_down(own: tuple[Path, Server], values: dict[str, Any], code: int) -> None:
    root, server = own
    answer = mark(client_of(server), **values)
    assert answer.status_code == code
    assert answer.json["error"]
    assert not (root / "decisions.csv").exists()


def test_what_is_too_large_or_no_object_is_refused(own: tuple[Path, Server]) -> None:
    client = client_of(own[1])
    headers = {**HOST, "X-Longtake": "the-csrf-token"}
    assert mark(client, note="x" * MAX_BODY).status_code == 413
    assert client.post("/api/marks", json=["reject"], headers=headers).status_code == 400
    assert client.post("/api/marks", data="{", content_type="application/json", headers=headers).status_code == 400
    assert client.get("/api/marks", headers=HOST).status_code == 405


def test_a_server_that_only_reads_takes_no_marks(own: tuple[Path, Server]) -> None:
    root, _ = own
    server = served(root, read_only=True)
    try:
        client = client_of(server)
        assert mark(client).status_code == 403
        assert 'data-decision="' not in client.get(f"/sample/{ALPHA}", headers=HOST).text
        assert not (root / "decisions.csv").exists()
    finally:
        server.close()


def test_decisions_can_be_kept_elsewhere(own: tuple[Path, Server], tmp_path: Path) -> None:
    root, _ = own
    server = served(root, decisions=str(tmp_path / "ann.parquet"))
    try:
        assert mark(client_of(server)).status_code == 200
        assert [one.curator for one in read_decisions(str(tmp_path / "ann.parquet"))] == ["Ann"]
        assert not (root / "decisions.csv").exists()
    finally:
        server.close()
