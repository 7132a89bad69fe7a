"""Several curators in chromium: queues, blind verdicts, conflicts, and a server that goes away and comes back."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import watched_page
from browsing import ALPHA, ALPHA_2, build

from longtake.pipeline.audit.agreement import agreement
from longtake.pipeline.browse.server import Options, Server
from longtake.schemas.curators import add_curator
from longtake.schemas.decisions import conflicts, read_decisions, settle


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    build(tmp_path / "out")
    return tmp_path / "out"


@contextmanager
def running(corpus: Path, **options: Any) -> Iterator[str]:
    server = Server(str(corpus), Options(**{"curator": "Ann", "port": 0, **options}))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.address
    finally:
        server.close()
        thread.join(10)
        assert not thread.is_alive()


def written(corpus: Path) -> list[tuple[str, str, str]]:
    log = corpus / "decisions.csv"
    rows = read_decisions(str(log)) if log.exists() else []
    return [(one.subject_id, one.decision, one.curator) for one in rows]


def test_verdicts_wait_for_a_server_that_went_away(browser: Any, corpus: Path) -> None:
    with watched_page(browser) as watched:
        page = watched.page
        with running(corpus) as address:
            page.goto(f"{address}sample/{ALPHA}")
            page.keyboard.press("o")
            page.locator("#marks .badge.ok").wait_for()
        assert page.locator("#unsent").is_hidden()
        page.keyboard.press("r")
        page.get_by_text("kept in this browser").wait_for()
        assert page.locator("#unsent").inner_text() == "1 not sent yet"
        assert page.locator("#state").inner_text() == "rejected"
        page.keyboard.press("f")
        page.locator("#unsent", has_text="2 not sent yet").wait_for()
        page.keyboard.press("u")
        page.locator("#unsent", has_text="3 not sent yet").wait_for()
        assert written(corpus) == [(ALPHA, "ok", "Ann")]
        page.evaluate("""() => {
            const badge = document.getElementById("unsent");
            window.shown = [];
            new MutationObserver(() => shown.push(badge.hidden ? "" : badge.textContent)).observe(badge, {childList: true});
        }""")
        with running(corpus, port=urlsplit(address).port):  # another run: what pages must send has changed
            page.locator("#unsent").wait_for(state="hidden", timeout=20_000)
            shown = page.evaluate("() => shown")
            assert list(dict.fromkeys(shown))[-3:] == ["2 not sent yet", "1 not sent yet", ""]
            assert page.locator("#state").inner_text() == "rejected"
            assert page.locator("#marks .badge.reject").is_visible()
        rows = [(ALPHA, decision, "Ann") for decision in ("ok", "reject", "flag", "reject")]
        assert written(corpus) == rows
        # A page that was closed in the meantime: the next page of this browser sends what it left.
        page.goto("about:blank")
        with running(corpus, port=urlsplit(address).port):
            page.goto(f"{address}sample/{ALPHA_2}")
        page.keyboard.press("o")
        page.locator("#unsent", has_text="1 not sent yet").wait_for()
        page.goto("about:blank")
        assert written(corpus) == rows
        with running(corpus, port=urlsplit(address).port):
            page.goto(address)
            page.wait_for_function("() => !localStorage.length || !Object.keys(localStorage).some("
                                   "(name) => name.startsWith('longtake-outbox') && localStorage[name] !== '[]')")  # fmt: skip
        assert written(corpus) == [*rows, (ALPHA_2, "ok", "Ann")]


def test_a_lost_answer_writes_nothing_twice(browser: Any, corpus: Path) -> None:
    with running(corpus) as address, watched_page(browser) as watched:
        page, lost = watched.page, []

        def lose_the_first(route: Any) -> None:
            if not lost:
                lost.append(route.fetch().status)  # it arrives, and its answer does not
                route.abort()
            else:
                route.continue_()

        page.route("**/api/marks", lose_the_first)
        page.goto(f"{address}sample/{ALPHA}")
        page.keyboard.press("r")
        page.locator("#unsent", has_text="1 not sent yet").wait_for()
        page.locator("#marks .badge.reject").wait_for()
        assert page.locator("#unsent").is_hidden()
        assert lost == [200]
        assert written(corpus) == [(ALPHA, "reject", "Ann")]


def test_two_curators_judge_blind_and_a_third_settles(browser: Any, corpus: Path) -> None:
    """Each with a token of their own, each sample judged twice, to a log without conflicts and the agreement in it."""
    file = corpus / "curators.json"
    tokens = {name: add_curator(str(file), name, adjudicates=name == "Eve") for name in ("Ann", "Bob", "Eve")}
    verdicts = {"Ann": {ALPHA: "r", ALPHA_2: "o"}, "Bob": {ALPHA: "o", ALPHA_2: "o"}}
    with running(corpus, curators=str(file)) as address:
        with watched_page(browser) as watched:  # Eve deals out what she sees in a list
            page = watched.page
            page.goto(f"{address}?video=alpha&token={tokens['Eve']}")
            page.locator("#bulk > summary").click()
            page.get_by_label("Deal out to").fill("Ann, Bob")
            page.get_by_label("as queue").fill("review")
            page.get_by_label("judged twice").fill("1")
            page.get_by_role("button", name="Deal out").click()
            page.locator("#said", has_text="Queue review: 4 verdicts to give").wait_for()
            assert watched.errors == []
        for name, keys in verdicts.items():
            with watched_page(browser) as watched:
                page = watched.page
                page.goto(f"{address}queues?token={tokens[name]}")
                page.locator(".go-on-queue").click()
                page.get_by_label("Go to the next sample").check()
                for number in range(len(keys)):
                    page.wait_for_url(re.compile("/sample/.*queue="))
                    key = page.locator("#marking").get_attribute("data-key")
                    told = page.locator("#marks").inner_text()
                    assert "by Ann" not in told and "by Bob" not in told
                    page.keyboard.press(keys[key])
                    if number + 1 < len(keys):
                        page.wait_for_function(f"() => !location.pathname.endsWith('{key}')")
                    else:
                        page.locator("#marks .badge").first.wait_for()
                page.goto(f"{address}queues")
                assert "2 of 2 samples decided" in page.locator("main").inner_text()
                assert watched.errors == []
        with watched_page(browser) as watched:
            page = watched.page
            page.goto(f"{address}queues?token={tokens['Eve']}")
            assert "differ on 1 subject" in page.locator("main").inner_text()
            page.get_by_role("link", name="Settle the first").click()
            page.wait_for_url(re.compile(f"/sample/{ALPHA}"))
            told = page.locator("#marks").inner_text()
            assert "by Ann" in told and "by Bob" in told
            page.keyboard.press("f")
            page.get_by_text("in adjudication").wait_for()
            assert page.locator("#state").inner_text() == "flagged"
            page.goto(f"{address}queues")
            assert "1 conflict was settled" in page.locator("main").inner_text()
            assert watched.errors == []
    rows = read_decisions(str(corpus / "decisions.csv"))
    assert conflicts(rows) == []
    assert {one.subject_id: one.decision for one in settle(rows)} == {ALPHA: "flag", ALPHA_2: "ok"}
    found = agreement(rows)
    assert found.alpha.units == 2 and found.pairs[0].same == 0.5
