"""Selections in chromium, as a curator makes them: a list, bars, an area; saved, combined, rejected in bulk, taken back. And
sources with their sound, samples side by side, texts that end at words."""

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Watched, scrolls_sideways, watched_page
from browsing import ALPHA, ALPHA_2, build, served
from corpora import WORDS
from sources import REPOSITORY

from longtake.schemas.config import load_config
from longtake.schemas.decisions import read_decisions


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("selected") / "out"
    build(root)
    return root


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose sources are a real video, for alpha only."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "videos").mkdir()
    shutil.copy(REPOSITORY / "examples" / "demo" / "videos" / "mammals.mp4", folder / "videos" / "alpha.mp4")
    (folder / "corpus.yaml").write_text(
        'name: demo\noutput: out\nsource: {videos: v.jsonl, uri: "videos/{video_id}.mp4", '
        'text: {format: vtt, path: "{video_id}.vtt"}}\n'
    )
    return folder / "corpus.yaml"


@pytest.fixture(scope="module")
def address(corpus: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        server = served(corpus, curator="Ann", config=load_config(str(config), ()))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.address
    server.close()
    thread.join(10)


@pytest.fixture
def watched(browser: Any, address: str) -> Iterator[Watched]:
    with watched_page(browser) as found:
        yield found
        assert found.errors == []
        assert [url for url in found.requests if not url.startswith(address)] == []


def number_of(page: Any) -> int:
    return int(page.locator(".bar strong, main > .row strong").first.inner_text().replace(",", ""))


def until(page: Any, condition: str) -> None:
    """Wait until a condition holds; the policy for content forbids Playwright's own way."""
    end = time.monotonic() + 10
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


def save(page: Any, name: str) -> None:
    page.keyboard.press("b")
    page.get_by_label("Save as").fill(name)
    page.get_by_role("button", name="Save", exact=True).last.click()
    page.get_by_text(f"Saved: {name}").wait_for()


def test_lists_are_saved_combined_and_rejected_in_one_step(watched: Watched, address: str, corpus: Path) -> None:
    page = watched.page
    page.goto(f"{address}?split=val")
    save(page, "held-out")
    page.goto(f"{address}?min_words=16")
    save(page, "wordy")
    page.get_by_role("link", name="Selections").click()
    page.wait_for_url(f"{address}selections")  # loaded: before that, a click on a word is lost
    assert page.locator("#saved tbody tr").count() == 2
    for word in ("not", "(", "held-out", "or", "wordy", ")"):
        page.get_by_role("button", name=word, exact=True).click()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"\?in="))
    rest = number_of(page)
    assert rest == 5
    assert page.locator("#share").inner_text() == "45.5 %"
    page.keyboard.press("b")
    page.locator("#bulk-label").select_option("bad_text")
    page.get_by_role("button", name="Reject all").click()
    assert page.locator("#bulk-title").inner_text() == "Reject 5 samples?"
    page.keyboard.press("Escape")  # nothing happens without a yes
    assert not (corpus / "decisions.csv").exists()
    page.get_by_role("button", name="Reject all").click()
    page.get_by_role("button", name="Reject 5 samples").click()
    page.get_by_text("Rejected: 5 samples").wait_for()
    assert page.locator(".card .badge.reject").count() == rest
    rows = read_decisions(str(corpus / "decisions.csv"))
    assert {(one.decision, one.label, one.curator) for one in rows} == {("reject", "bad_text", "Ann")}
    assert len(rows) == rest
    page.keyboard.press("b")
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone on 5 samples").wait_for()
    assert page.locator(".card .badge").count() == 0
    page.goto(f"{address}selections")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete wordy").click()
    page.get_by_role("button", name="Delete wordy").wait_for(state="detached")
    assert page.locator("#saved tbody tr").count() == 1


def test_bars_are_brushed_and_typed(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}pictures?split=train")
    bars = page.locator(".histogram[data-name=words] svg")
    box = bars.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 20, steps=3)
    page.mouse.up()
    page.wait_for_url(re.compile(r"split=train&min_words=17$"))
    assert number_of(page) == 4
    page.get_by_role("link", name="Show as a list").click()
    page.wait_for_url(re.compile(r"/\?split=train&min_words=17$"))
    assert page.locator(".cards > .card").count() == 4
    page.goto(f"{address}pictures")
    page.get_by_label("Words, most").fill("16")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"pictures\?max_words=16$"))
    assert number_of(page) == 7


def test_an_area_of_a_plot_is_drawn_around(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}plot?x=words&y=position")
    page.get_by_text("11 points, 11 chosen").wait_for()
    box = page.locator("#canvas").bounding_box()

    def at(across: float, down: float) -> tuple[float, float]:
        return box["x"] + box["width"] * across, box["y"] + box["height"] * down

    page.mouse.move(*at(0.7, 0.01))  # the points of 18 words lie at the right edge
    page.mouse.down()
    for corner in ((0.995, 0.01), (0.995, 0.99), (0.7, 0.99)):
        page.mouse.move(*at(*corner), steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile("area="))
    page.get_by_text("11 points, 4 chosen").wait_for()
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    page.mouse.click(*at(0.5 + (0.5 - 18 / box["width"]), 1 - 18 / box["height"]))
    page.locator("#plot-card .card").wait_for()  # the sample of a point
    page.get_by_role("link", name="Show as a list").click()
    page.locator(".cards > .card").first.wait_for()
    texts = page.locator(".card .facts").all_inner_texts()
    assert len(texts) == 4 and all("18 words" in text for text in texts)
    page.go_back()
    page.get_by_text("11 points, 4 chosen").wait_for()
    page.locator("#canvas").focus()
    for key in ("+", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "-", "0", "s"):
        page.keyboard.press(key)
    page.wait_for_url(lambda url: url.count("%2C") == 3 or url.count(",") == 3)
    page.get_by_text("11 points, 11 chosen").wait_for()


def test_a_phone_shows_the_new_pages_without_scrolling_sideways(browser: Any, address: str) -> None:
    with watched_page(browser, 360, dark=True) as watched:
        for path in ("selections", "pictures", "plot?x=words&y=duration&colour=split", "?split=val"):
            watched.page.goto(address + path)
            if path.startswith("?"):
                watched.page.locator("#bulk summary").click()
            assert not scrolls_sideways(watched.page), path
        assert watched.errors == []


def test_a_source_plays_with_its_sound_and_its_sentences(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}sample/{ALPHA}")
    until(page, "document.getElementById('video').readyState >= 2")
    until(page, "document.getElementById('wave-path').getAttribute('d')?.length > 1000")
    assert page.evaluate("video.textTracks[0].cues.length") == 3
    page.locator(".say").nth(1).click()
    until(page, "Math.abs(video.currentTime - 8.001) < 0.1")
    page.locator("h1").click()
    page.keyboard.press("v")
    until(page, "!video.paused && video.currentTime > 8.2")
    said = page.locator(".say span:last-child").nth(1).inner_text()
    until(page, f"video.textTracks[0].activeCues?.[0]?.text === {json.dumps(said)}")
    page.keyboard.press("v")
    assert page.evaluate("video.paused")
    assert page.locator(".sentences li.now").get_attribute("data-sentence") == "1"  # frames and sentences follow
    page.locator("#wave").scroll_into_view_if_needed()
    box = page.locator("#wave").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 10)
    until(page, "Math.abs(video.currentTime - (1 + 20.502 / 2)) < 0.3")
    page.evaluate("video.currentTime = 7.2")
    until(page, "document.getElementById('clock').textContent === '00:07'")
    page.get_by_role("button", name="Play the sentence").click()  # the first: from 1 s to 7.5 s
    until(page, "!video.paused && video.currentTime > 1 && video.currentTime < 3")
    page.evaluate("video.currentTime = 7.3")
    until(page, "video.paused && video.currentTime >= 7.5 && video.currentTime < 8.5")


def test_two_samples_stand_side_by_side_and_are_decided_on(watched: Watched, address: str) -> None:
    page = watched.page
    page.goto(f"{address}compare/{ALPHA}?with={ALPHA_2}")
    rows = [page.locator(".pair-frames tr").nth(n).locator("td").count() for n in (0, 1)]
    assert rows[0] == rows[1] >= 6
    assert page.locator(".diff mark").count() > 0
    page.get_by_role("link", name="Swap").click()
    page.wait_for_url(re.compile(f"compare/{ALPHA_2}"))
    page.keyboard.press("f")
    page.locator("#marks .badge.flag").wait_for()
    page.keyboard.press("u")
    page.locator("#marks .badge.flag").wait_for(state="detached")


def test_texts_end_at_words_and_keep_their_direction(browser: Any, address: str) -> None:
    with watched_page(browser, 360) as watched:
        page = watched.page
        page.goto(address)
        texts = page.locator(".card .text").all_inner_texts()
        cut = [text for text in texts if text.endswith(" …")]
        words = set(WORDS.split())
        assert cut and all(set(text.removesuffix(" …").split()) <= words for text in cut if "script" not in text)
        fit = "one => one.scrollHeight <= one.clientHeight + 1"
        assert all(page.locator(".card .text").nth(n).evaluate(fit) for n in range(len(texts)))
        page.locator(".card .text").first.evaluate("one => (one.textContent = 'שלום world')")
        directions = page.evaluate(
            "['.text', '.facts'].map((one) => getComputedStyle(document.querySelector(one)).direction)"
        )
        assert directions == ["rtl", "ltr"]
