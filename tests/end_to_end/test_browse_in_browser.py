"""`longtake browse` in chromium, as a curator uses it: search, filter, play, mark, come back. Hostile text stays text."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Watched, scrolls_sideways, watched_page
from browsing import ALPHA, ALPHA_2, PATH_ID, TAG_ID, build, draw, served

from longtake.pipeline.browse.server import Server
from longtake.schemas.decisions import read_decisions
from longtake.schemas.keys import sample_key

HOSTILE = sample_key(TAG_ID, 1000, 21502)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browsed") / "out"
    draw(build(root), ALPHA_2, ALPHA)
    return root


@pytest.fixture(scope="module")
def address(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        server = served(corpus)
    yield from running(server)


def running(server: Server) -> Iterator[str]:
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.address
    server.close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def watched(browser: Any, address: str) -> Iterator[Watched]:
    """A page that may complain of nothing and ask nobody else for anything."""
    with watched_page(browser) as found:
        yield found
        assert found.errors == []
        assert [url for url in found.requests if not url.startswith(address)] == []


def keys_of(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(".cards > .card", "cards => cards.map((card) => card.dataset.key)")
    return found


def width_of(image: Any) -> int:
    """The width of the picture that was loaded."""
    found: int = image.evaluate("image => image.decode().then(() => image.naturalWidth)")
    return found


def name_curator(page: Any, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Save").click()


def test_search_filter_sort_and_come_back(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    assert len(keys_of(page)) == 11
    page.keyboard.press("/")
    page.keyboard.type("phoques")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"\?q=phoques$"))  # an address holds only what was chosen
    found = keys_of(page)
    assert 0 < len(found) <= 11
    page.get_by_label("Split").select_option("val")
    page.wait_for_url(re.compile(r"\?q=phoques&split=val$"))
    assert all(key.startswith("delta") for key in keys_of(page))
    page.get_by_label("Sort").select_option("-words")
    page.wait_for_url(re.compile("sort=-words"))
    page.go_back()
    page.go_back()
    page.wait_for_url(re.compile(r"\?q=phoques$"))
    assert keys_of(page) == found
    page.get_by_text("SQL", exact=True).last.click()
    page.get_by_label("A condition, or a whole SELECT").fill("n_words > 15")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile("sql="))
    assert all("passwd" in key or "img" in key for key in keys_of(page))
    assert width_of(page.locator(".thumb img").first) == 64


def test_the_list_is_walked_by_keys(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(address)
    keys = keys_of(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.locator(".card.chosen").get_attribute("data-key") == keys[1]
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/sample/{keys[1]}"))
    page.keyboard.press("n")
    page.wait_for_url(re.compile(f"/sample/{keys[2]}"))
    page.keyboard.press("p")
    page.wait_for_url(re.compile(f"/sample/{keys[1]}"))
    page.get_by_role("link", name="List").click()
    page.wait_for_url(re.compile(f"#{keys[1]}$"))
    assert page.locator(".card.chosen").get_attribute("data-key") == keys[1]


def test_a_clip_is_played_with_its_sentences(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}sample/{ALPHA}")
    assert page.locator("#frame").get_attribute("src").endswith("/0.jpg")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.locator("#frame").get_attribute("src").endswith("/3.jpg")
    assert page.locator(".sentences li.now").get_attribute("data-sentence") == "1"
    assert "Frame 4 of 6" in page.locator("#frame-facts").inner_text()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#frame").get_attribute("src").endswith("/2.jpg")
    page.locator(".say").nth(2).click()
    assert page.locator("#clock").inner_text() == "00:15"
    assert page.locator("#subtitle").inner_text() == page.locator(".say span:last-child").nth(2).inner_text()
    page.locator(".still").first.click()
    assert page.locator("#clock").inner_text() == "00:01"
    page.locator("#scrub").fill("8000")
    assert page.locator("#clock").inner_text() == "00:09"
    page.get_by_label("Speed").select_option("8")
    page.locator("h1").click()
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Pause"
    page.locator("#clock", has_text="00:21").wait_for()
    page.locator("#play", has_text="Play").wait_for()
    assert page.locator("#frame").get_attribute("src").endswith("/5.jpg")
    assert width_of(page.locator("#frame")) == 64


def test_marks_are_made_by_keys_and_stay(watched: Watched, address: str, corpus: Path) -> None:
    page = watched.page
    page.goto(f"{address}review")
    page.get_by_role("link", name="next undecided").click()
    page.wait_for_url(re.compile(f"/sample/{ALPHA_2}"))
    page.locator("#label").select_option("misaligned")
    page.get_by_label("Note").fill("late <b>by</b> 2 s")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    name_curator(page, "Ann")
    page.locator("#marks .badge.reject").wait_for()
    assert page.locator("#said").inner_text() == "Rejected"
    assert "late <b>by</b> 2 s" in page.locator("#marks").inner_text()
    page.reload()
    assert page.locator("#state").inner_text() == "rejected"
    assert "misaligned by Ann" in page.locator("#marks").inner_text()
    assert page.locator("#curator").inner_text() == "Marking as Ann"
    page.get_by_label("Go to the next sample").check()
    page.keyboard.press("f")
    page.wait_for_url(re.compile(f"/sample/{ALPHA}\\?review=1"))
    page.keyboard.press("o")
    page.locator("#marks .badge.ok").wait_for()
    page.goto(f"{address}?state=any")
    assert keys_of(page) == [ALPHA, ALPHA_2]
    page.goto(f"{address}sample/{ALPHA}")
    page.keyboard.press("u")
    page.get_by_text("Nobody has decided yet.").wait_for()
    page.goto(f"{address}video?id=alpha")
    page.keyboard.press("f")
    page.locator("#marks .badge.flag").wait_for()
    rows = [(one.subject, one.decision, one.curator) for one in read_decisions(str(corpus / "decisions.csv"))]
    made = [("sample", "reject"), ("sample", "flag"), ("sample", "ok"), ("sample", "none"), ("video", "flag")]
    assert rows == [(*one, "Ann") for one in made]


def test_a_refused_mark_is_told(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}sample/{HOSTILE}")
    page.evaluate("document.getElementById('marking').dataset.key = 'gone-000000000-000000001'")
    page.keyboard.press("o")
    name_curator(page, "Ann")
    page.get_by_text("Not written down").wait_for()
    assert "no such sample" in page.locator("#said").inner_text()
    assert [error for error in watched.errors if "404" not in error] == []  # the browser tells of refused requests
    watched.errors.clear()


def test_hostile_text_and_ids_show_as_text(watched: Watched, address: str) -> None:
    page = watched.page
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{address}?q=script")
    assert TAG_ID in page.locator(".cards").inner_text()
    assert PATH_ID in page.locator(".cards").inner_text()
    page.goto(f"{address}sample/{HOSTILE}")
    assert page.locator("h1").inner_text().startswith(TAG_ID)
    assert "<script>alert(1)</script>" in page.locator("#subtitle").inner_text()
    assert page.locator("a[href^='javascript']").count() == 0
    page.get_by_role("link", name="The whole video").click()
    page.wait_for_url(re.compile(r"/video\?id="))
    assert page.locator("h1").inner_text() == TAG_ID
    page.goto(f"{address}ledger?q=<script>alert(1)</script>")
    page.goto(f"{address}sql?sql=FROM samples SELECT video_id, paragraph")
    assert "not run yet" in page.locator(".problem").inner_text()
    page.get_by_role("button", name="Run").click()
    page.get_by_role("link", name=PATH_ID).first.click()
    page.wait_for_url(re.compile(r"/video\?id="))
    assert page.locator("h1").inner_text() == PATH_ID
    assert dialogs == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_every_page_without_scrolling_sideways(browser: Any, address: str, dark: bool) -> None:
    pages = [
        "",
        "?q=phoques",
        f"sample/{ALPHA}",
        f"sample/{HOSTILE}",
        "video?id=beta",
        "ledger",
        "review",
        "sql?sql=FROM samples",
        "nothing",
    ]
    with watched_page(browser, 360, dark) as watched:
        for path in pages:
            watched.page.goto(address + path)
            assert not scrolls_sideways(watched.page), path
        watched.page.goto(address)
        assert not watched.page.get_by_label("Split").is_visible()
        watched.page.get_by_role("button", name="Filters").click()
        assert watched.page.get_by_label("Split").is_visible()
        assert not scrolls_sideways(watched.page)
        assert [error for error in watched.errors if "404" not in error] == []
        assert all(url.startswith(address) for url in watched.requests)


def test_the_list_of_keys_opens_and_keeps_other_keys_still(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}sample/{ALPHA}")
    page.keyboard.press("?")
    assert page.locator("#help-dialog").is_visible()
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    assert not page.locator("#help-dialog").is_visible()
    assert f"/sample/{ALPHA}" in page.url


def test_a_token_lets_in_once_for_all(browser: Any, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-some-length")
    server = served(corpus, token_file=str(tmp_path / "token"), read_only=True)
    for address in running(server):
        with watched_page(browser) as watched:
            page = watched.page
            page.goto(address)
            page.wait_for_url(re.compile(r"/$"))
            assert len(keys_of(page)) == 11
            page.goto(f"{address.partition('?')[0]}sample/{ALPHA}")
            assert page.locator(".marking button").count() == 0
            assert width_of(page.locator("#frame")) == 64
            assert watched.errors == []


# -- marks, fast and in any order --------------------------------------------------------------------------------------


def rows_of(corpus: Path, key: str) -> list[tuple[str, str, str]]:
    return [one.verdict for one in read_decisions(str(corpus / "decisions.csv")) if one.subject_id == key]


BETA = sample_key("beta", 1000, 21502)
DELTA = sample_key("delta", 1000, 21502)


def slowly(page: Any) -> None:
    """Let every mark take its time to the server."""
    page.route("**/api/marks", lambda route: (page.wait_for_timeout(150), route.continue_()))


def opened(page: Any, address: str, key: str) -> None:
    page.goto(f"{address}sample/{key}")
    page.evaluate("localStorage.setItem('longtake-curator', 'Ann')")
    page.reload()


def test_keys_that_are_pressed_fast_are_all_written_in_order(watched: Watched, address: str, corpus: Path) -> None:
    page = watched.page
    opened(page, address, BETA)
    slowly(page)
    page.keyboard.press("r")
    page.keyboard.press("f")
    page.keyboard.press("o")
    page.keyboard.press("n")  # the next sample comes when all is written
    page.wait_for_url(lambda url: BETA not in url)
    assert rows_of(corpus, BETA) == [("reject", "", ""), ("flag", "", ""), ("ok", "", "")]


def test_a_label_and_a_note_that_come_after_the_verdict_are_saved(watched: Watched, address: str, corpus: Path) -> None:
    page = watched.page
    opened(page, address, DELTA)
    slowly(page)
    page.keyboard.press("r")
    page.locator("#label").select_option("privacy")  # while the verdict is still on its way
    page.get_by_text("privacy by Ann").wait_for()
    page.get_by_label("Note").fill("a face")
    page.keyboard.press("Enter")
    page.locator("#marks", has_text="a face").wait_for()
    page.reload()
    assert page.locator("#label").input_value() == "privacy" and page.locator("#note").input_value() == "a face"
    page.keyboard.press("f")  # and another verdict keeps them
    page.locator("#marks .badge.flag").wait_for()
    page.keyboard.press("u")
    page.get_by_text("Undone, back to: rejected").wait_for()
    assert page.locator("#label").input_value() == "privacy"
    page.keyboard.press("u")
    page.locator("#marks", has_text="a face").wait_for(state="detached")
    page.reload()  # steps are taken back one by one, also after the page was loaded again
    page.keyboard.press("u")
    page.locator("#marks", has_text="privacy").wait_for(state="detached")
    page.keyboard.press("u")
    page.get_by_text("Nobody has decided yet.").wait_for()
    assert rows_of(corpus, DELTA) == [
        ("reject", "", ""), ("reject", "privacy", ""), ("reject", "privacy", "a face"), ("flag", "privacy", "a face"),
        ("reject", "privacy", "a face"), ("reject", "privacy", ""), ("reject", "", ""), ("none", "", ""),
    ]  # fmt: skip
