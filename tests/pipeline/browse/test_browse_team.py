"""Several curators in `browse`: blind verdicts, queues, conflicts, tokens, and verdicts that arrive late or twice."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import ALPHA, ALPHA_2, HOST, PORT, client_of, mark, proved, served, shown
from flask.testing import FlaskClient

from longtake.pipeline.audit.queues import QueuedSample, write_queue
from longtake.pipeline.browse.decision_table import DecisionTable
from longtake.pipeline.browse.growing_log import GrowingLog
from longtake.pipeline.browse.guard import Access
from longtake.pipeline.browse.server import Server
from longtake.pipeline.browse.viewer import KnownCurators
from longtake.schemas.curators import add_curator, revoke_curator
from longtake.schemas.decision import Decision, current
from longtake.schemas.decisions import append_decisions, read_decisions, write_decisions
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout

NAME_COOKIE = f"longtake-name-{PORT}"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "decisions.csv"


@pytest.fixture
def team(built: Path, log: Path) -> Iterator[Server]:
    server = served(built, decisions=str(log))
    yield server
    server.close()
    (built / "queues.csv").unlink(missing_ok=True)


def as_curator(server: Server, name: str) -> FlaskClient:
    client = client_of(server)
    client.set_cookie(NAME_COOKIE, name, domain="localhost")
    return client


def page(client: FlaskClient, path: str) -> str:
    answer = client.get(path, headers=HOST)
    assert answer.status_code == 200, answer.text
    return answer.text


def said(client: FlaskClient, key: str = ALPHA, query: str = "") -> str:
    """What the page of a sample shows of decisions."""
    text = page(client, f"/sample/{key}{query}")
    return text[text.index('id="marking"') : text.index('id="facts-title"')]


def keys(client: FlaskClient, query: str) -> list[str]:
    return re.findall(r'<li class="card" data-key="([^"]*)"', page(client, f"/?{query}"))


def test_verdicts_of_others_show_after_ones_own(team: Server) -> None:
    bob, ann = as_curator(team, "Bob"), as_curator(team, "Ann")
    mark(bob, curator="Bob", label="misaligned", note="late by 2 s")
    own = said(bob)
    assert "late by 2 s" in own and "by Bob" in own
    paths = ("/", "/video?id=alpha", "/review", proved(team, "/sql?sql=FROM+decisions"))
    for hidden in (said(ann), *(page(ann, path) for path in paths)):
        assert "late by 2 s" not in hidden and "badge reject" not in hidden
        assert "by Bob" not in hidden
    assert "late by 2 s" in page(bob, paths[-1])
    assert "1 decision of others shows after your own" in said(ann)
    assert keys(ann, "state=reject") == []
    assert keys(ann, "state=conflict") == []
    assert keys(ann, "state=any") == [ALPHA]  # that somebody decided is no secret
    answer = mark(ann, curator="Ann", decision="ok").json
    assert "late by 2 s" in answer["html"] and answer["state"] == "reject"
    assert keys(ann, "state=conflict") == [ALPHA]
    mark(ann, curator="Ann", decision="undo")
    assert "late by 2 s" not in said(ann)


def test_what_is_seen_is_what_the_visible_rows_say() -> None:
    dice = random.Random(6)
    names, said, bases = ("Ann", "Bob", "Eve"), ("ok", "reject", "flag", "none"), ("", "", "adjudication")
    rows = [
        Decision(
            "video", f"v{dice.randrange(9)}", dice.choice(said), curator=dice.choice(names), basis=dice.choice(bases)
        )
        for _ in range(200)
    ]
    whole = DecisionTable("1", tuple(rows), current(rows))
    for adjudicates in (False, True):
        for name in (*names, "Nobody"):
            seen = whole.seen_by(name, adjudicates)
            assert seen.current == current(seen.rows)
            assert {one.about for one in seen.rows if one.curator != name} <= seen.current.keys()


def test_a_log_that_grows_is_what_reading_all_of_it_gives(tmp_path: Path) -> None:
    dice, path = random.Random(8), str(tmp_path / "decisions.csv")
    log = GrowingLog(path)

    def row() -> Decision:
        when = f"2026-11-25T{dice.randrange(24):02d}:00:00Z"  # late ones arrive after newer ones
        verdict = dice.choice(("ok", "reject", "flag", "none"))
        note = dice.choice(("", 'says "a, b"', "plain"))
        return Decision("video", f"v{dice.randrange(6)}", verdict, "", note, dice.choice(("Ann", "Bob")), when)

    for turn in range(60):
        append_decisions(path, [row() for _ in range(dice.randrange(1, 3))])
        if turn == 20:  # somebody writes it again in another order
            write_decisions(path, read_decisions(path)[::-1])
        if turn == 40:
            with open(path, "a") as file:  # a crash
                file.write('video,v1,ok,"unfinis')
        before = log._current
        kept = {about: list(those) for about, those in before.items()}
        rows, now = log.read()
        assert list(rows) == read_decisions(path)
        assert now == current(rows)
        assert before == kept  # whoever looks at the old one sees no change
    with open(path, "a") as file:
        file.write("video,v1,nonsense\n")
    with pytest.raises(ConfigError, match=rf"decisions.csv:{len(rows) + 2}: "):
        log.read()


def test_who_only_reads_or_asks_for_it_sees_all(built: Path, log: Path, team: Server) -> None:
    mark(client_of(team), curator="Bob", note="late by 2 s")
    for options in ({"read_only": True}, {"show_verdicts": True}):
        server = served(built, decisions=str(log), **options)
        assert "late by 2 s" in said(client_of(server))
        server.close()


def test_a_queue_is_walked_in_its_order(team: Server, built: Path) -> None:
    rows = [QueuedSample("review", "Ann", n, key, "alpha", "all") for n, key in enumerate((ALPHA_2, ALPHA))]
    write_queue(Layout(str(built)), "review", [*rows, QueuedSample("review", "Bob", 0, ALPHA, "alpha", "all")])
    ann = as_curator(team, "Ann")
    text = page(ann, "/queues")
    assert "<strong>0</strong> of 2 samples decided; 1 of them somebody else judges too" in text
    assert f'href="/sample/{ALPHA_2}?queue=review%2FAnn"' in text
    assert f'id="after" rel="next" href="/sample/{ALPHA}?queue=review%2FAnn"' in page(
        ann, f"/sample/{ALPHA_2}?queue=review/Ann"
    )
    assert keys(ann, "queue=review%2FAnn") == [ALPHA_2, ALPHA]
    assert page(ann, "/?queue=review/Ann").count('name="queue"') == 1  # a box that can be unticked
    mark(ann, curator="Ann", subject_id=ALPHA_2, decision="ok")
    assert "<strong>1</strong> of 2 samples decided" in page(ann, "/queues")
    assert '<th scope="row">review</th><td>Bob</td><td class="number">0</td>' in page(ann, "/queues")
    assert "Eve has no queue here" in page(as_curator(team, "Eve"), "/queues")


def test_a_list_is_dealt_out(team: Server) -> None:
    client = as_curator(team, "Ann")

    def assign(**values: str) -> Any:
        whole = {"name": "dark", "query": "q=banquise", "to": "Ann, Bob", "double": "0.5"} | values
        return client.post("/api/queues", json=whole, headers={"X-Longtake": "the-csrf-token", **HOST})

    asked, same = len(keys(client, "q=banquise")), shown(client, "q=banquise")
    for wrong, code in (
        ({"expected": str(asked)}, 409), ({"name": "Dark!"}, 400), ({"to": " , "}, 400), ({"double": "2"}, 400),
        ({"to": "Ann"}, 400), ({"query": "min_words=x"}, 400),
    ):  # fmt: skip
        assert assign(**{"expected": same, **wrong}).status_code == code
    assert assign(expected=same).json == {"name": "dark", "verdicts": asked + round(asked / 2)}
    dealt = set(keys(client, "queue=dark/Ann")) | set(keys(client, "queue=dark/Bob"))
    assert dealt == set(keys(client, "q=banquise"))
    assert "there is a queue dark already" in assign(expected=same).json["error"]  # none is replaced unasked


def test_a_conflict_is_settled_once_for_all(team: Server, log: Path) -> None:
    client = client_of(team)
    assert 'href="/queues"' not in page(client, "/")  # nothing to do there
    mark(client, curator="Ann", decision="reject", note="frozen")
    mark(client, curator="Bob", decision="ok")
    eve = as_curator(team, "Eve")
    assert "differ on <strong>1 subject</strong>" in page(eve, "/queues")
    assert f'id="settle" href="/sample/{ALPHA}?queue=conflicts"' in page(eve, "/queues")
    assert "frozen" not in said(eve)
    assert keys(eve, "queue=conflicts") == [ALPHA]
    open_one = said(eve, query="?queue=conflicts")
    assert "frozen" in open_one and "Settle the conflict" in open_one and 'data-basis="adjudication"' in open_one
    answer = mark(eve, curator="Eve", decision="ok", basis="adjudication").json
    assert answer["state"] == "ok" and "in <b>adjudication</b>" in answer["html"]
    assert keys(eve, "queue=conflicts") == []
    assert "1 conflict was settled" in page(eve, "/queues")
    assert [one.basis for one in read_decisions(str(log))] == ["", "", "adjudication"]
    mark(eve, curator="Eve", decision="undo", basis="adjudication")
    assert keys(eve, "queue=conflicts") == [ALPHA]


def test_a_change_that_comes_twice_is_written_once(team: Server, log: Path) -> None:
    client = client_of(team)
    for _ in range(2):
        mark(client, change="c1", decision="flag")
        mark(client, change="c2", decision="reject")
        mark(client, change="c3", decision="undo")
    rows = read_decisions(str(log))
    assert [(one.decision, one.change) for one in rows] == [("flag", "c1"), ("reject", "c2"), ("flag", "c3")]
    assert mark(client, change="no id of ours").status_code == 400


def test_a_late_change_has_the_time_it_was_made(team: Server, log: Path) -> None:
    client = client_of(team)
    mark(client, decision="reject", age_s=0)
    mark(client, decision="ok", age_s=3600)  # made before, arrived later
    mark(client, subject_id=ALPHA_2, age_s=-5)
    mark(client, subject_id=ALPHA_2, decision="ok", age_s=1e12)  # a clock gone mad
    first, late, *others = read_decisions(str(log))
    assert late.decided_at < first.decided_at
    assert all(one.decided_at >= first.decided_at for one in others)
    assert mark(client, decision="undo").json["own"]["sample"]["Ann"][0] == "ok"  # the reject was the last step
    assert (
        mark(client, decision="flag", age_s=60).json["own"]["sample"]["Ann"][0] == "flag"
    )  # the server was slow before
    assert mark(client, decision="undo", age_s=90).json["own"]["sample"]["Ann"][0] == "ok"


# -- tokens


def session(server: Server, path: Path, token: str) -> tuple[FlaskClient, Any]:
    access = Access("0.0.0.0", PORT, curators=KnownCurators(str(path)), csrf="the-csrf-token")  # noqa: S104
    client = client_of(server, access)
    return client, client.get(f"/?token={token}", headers=HOST)


def test_a_token_says_who_decides(team: Server, log: Path, tmp_path: Path) -> None:
    path = tmp_path / "curators.json"
    ann, eve = add_curator(str(path), "Ann"), add_curator(str(path), "Eve", adjudicates=True)
    client, entered = session(team, path, ann)
    assert entered.status_code == 200 and ann not in entered.headers["Set-Cookie"]
    assert 'id="curator" class="quiet">Marking as Ann<' in page(client, "/")
    assert mark(client, curator="").status_code == 200
    forged = mark(client, curator="Bob")
    assert forged.status_code == 403 and "you are signed in as Ann" in forged.json["error"]
    assert mark(client, curator="Ann", basis="adjudication").status_code == 403
    forged = {"name": "s", "query": "video=beta", "curator": "Bob"}
    assert (
        client.post("/api/selections", json=forged, headers={"X-Longtake": "the-csrf-token", **HOST}).status_code == 403
    )
    assert client.post("/api/queues", json={}, headers={"X-Longtake": "the-csrf-token", **HOST}).status_code == 403
    assert [one.curator for one in read_decisions(str(log))] == ["Ann"]
    client.set_cookie(NAME_COOKIE, "Bob", domain="localhost")  # what a page without tokens would believe
    assert 'data-viewer="Ann"' in page(client, "/")
    settling, _ = session(team, path, eve)
    assert (
        mark(settling, curator="Eve", basis="adjudication").status_code == 400
    )  # there is nothing to settle, or to see
    mark(settling, curator="Eve", decision="flag")
    assert mark(settling, curator="Eve", basis="adjudication").status_code == 200


def test_a_revoked_token_ends_at_once(team: Server, tmp_path: Path) -> None:
    path = tmp_path / "curators.json"
    token = add_curator(str(path), "Ann")
    client, _ = session(team, path, token)
    assert client.get("/", headers=HOST).status_code == 200
    revoke_curator(str(path), "Ann")
    refused = client.get("/", headers=HOST)
    assert refused.status_code == 401 and "your own token" in refused.text
    assert mark(client).status_code == 401
    for wrong in (token, "", "x" * 5000, "\ud800".encode("utf-8", "surrogatepass").hex()):
        assert session_of_others(team, path, wrong) == 401


def test_a_damaged_file_of_curators_lets_nobody_in(team: Server, tmp_path: Path) -> None:
    path = tmp_path / "curators.json"
    client, _ = session(team, path, add_curator(str(path), "Ann"))
    path.write_text("{")
    refused = client.get("/", headers=HOST)
    for answer in (refused, client.get("/static/none", headers=HOST)):
        assert str(path) not in answer.text and "small" not in answer.text  # the name of the corpus
    assert refused.status_code == 503


def session_of_others(server: Server, path: Path, token: str) -> int:
    add_curator(str(path), f"One more {len(token)}")  # somebody is let in
    _, entered = session(server, path, token)
    return int(entered.status_code)


def test_which_servers_ask_each_curator(built: Path, tmp_path: Path) -> None:
    own = built / "curators.json"
    add_curator(str(own), "Ann")
    try:
        local, shared = served(built), served(built, host="0.0.0.0")  # noqa: S104
        assert not local.asks_curators and shared.asks_curators
        assert "token" not in shared.address
        for server in (local, shared):
            server.close()
        asked = served(built, curators=str(own))
        assert asked.asks_curators
        asked.close()
        with pytest.raises(ConfigError, match="exclude each other"):
            served(built, curators=str(own), token_file=str(tmp_path / "token"))
        with pytest.raises(ConfigError, match="no curator has a token"):
            served(built, curators=str(tmp_path / "nobody.json"))
    finally:
        own.unlink()
