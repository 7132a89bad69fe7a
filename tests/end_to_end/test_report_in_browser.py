"""The report of an audit in chromium: drawn under its own policy, readable on a phone, in the dark, by keyboard, on paper."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Watched, scrolls_sideways, watched_page
from report_audit import SCRIPT, TURN, audit, empty, other

from longtake.pipeline.audit.report.page import render

#: The contrast of each text with the first background behind it that is not transparent; large texts need 3, others 4.5.
FAINT_TEXTS = """() => {
  const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = rgb(getComputedStyle(node).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const faint = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !node.checkVisibility() || node.closest("svg, script")) continue;
    const style = getComputedStyle(node), size = parseFloat(style.fontSize);
    const [a, b] = [light(rgb(style.color)), light(behind(node))].sort((x, y) => y - x);
    seen += 1;
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < needed) faint.push(`${texts.currentNode.data.trim().slice(0, 40)}: ${style.color}`);
  }
  return { seen, faint };
}"""

#: Keeps what the page is like when it is printed.
PRINTED = """() => addEventListener("beforeprint", () => { window.printed = {
  charts: document.querySelectorAll(".chart svg").length,
  colours: document.querySelector("[data-chart='dist-sentences']").innerHTML,
  passed: document.querySelector(".passed").open,
  sql: document.querySelectorAll(".sql[open]").length,
}; })"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder with the pages."""
    folder = tmp_path_factory.mktemp("report")
    pages = {"report": render(audit()), "compare": render(audit(), other()), "empty": render(empty())}
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, "utf-8")
    return folder.as_uri()


def opened(found: Watched, url: str) -> Any:
    found.page.goto(url)
    return found.page


def draw_all(page: Any) -> None:
    """Scroll past each chart, as they are drawn when they come near."""
    for chart in page.locator(".chart:visible").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg").wait_for()


def is_quiet(found: Watched) -> bool:
    """Whether nothing was complained of, and nothing asked for but the page itself."""
    assert found.errors == []
    assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []
    return len([url for url in found.requests if url.startswith("file:")]) == 1


def until(page: Any, expression: str) -> None:
    """Wait until an expression is true. Playwright's own way calls eval in the page, which its policy forbids."""
    end = time.monotonic() + 10
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    with watched_page(browser, offline=True) as found:
        yield found
        assert is_quiet(found)


def test_charts_are_drawn_under_the_policy_of_the_page(watched: Watched, address: str) -> None:
    page = opened(watched, f"{address}/report.html")
    draw_all(page)
    assert page.locator(".chart svg").count() == page.locator(".chart").count() == 6
    labels = page.locator("[data-chart='dist-duration'] svg").text_content()
    assert "min_seconds 8" in labels
    assert "LF-VILA-8M mean" in labels
    assert "far.off" not in labels
    dashes = page.locator("[data-chart='dist-duration'] svg path[stroke-dasharray]")
    assert dashes.count() >= 1  # the published figure
    assert "few words" in page.locator("[data-chart='flow-0'] svg").text_content()


def test_hostile_texts_are_shown_and_do_nothing(watched: Watched, address: str) -> None:
    dialogs: list[str] = []
    watched.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page = opened(watched, f"{address}/report.html")
    draw_all(page)
    page.locator("[data-chart='dist-language'] svg").hover()
    page.get_by_role("button", name="Show all SQL").click()
    assert SCRIPT in page.locator("h1").inner_text()
    assert dialogs == []
    assert page.locator("img:not([src^='data:image/jpeg'])").count() == 0


def test_a_script_that_the_page_does_not_name_may_not_run(browser: Any, address: str, tmp_path: Path) -> None:
    page = render(audit()).replace("</main>", "<script>document.title = 'run'</script></main>", 1)
    (tmp_path / "changed.html").write_text(page, "utf-8")
    with watched_page(browser) as found:
        assert opened(found, (tmp_path / "changed.html").as_uri()).title() != "run"
        assert any("Content Security Policy" in error for error in found.errors)


def test_a_reason_in_the_diagram_leads_to_its_examples(watched: Watched, address: str) -> None:
    page = opened(watched, f"{address}/report.html")
    draw_all(page)
    page.locator("[data-chart='flow-0'] svg text", has_text="fast speech").click()
    page.wait_for_url("**#drop-clip-filter-fast_speech")
    assert page.locator("#drop-clip-filter-fast_speech h3").is_visible()


def test_the_keyboard_is_enough(watched: Watched, address: str) -> None:
    page = opened(watched, f"{address}/report.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert not page.locator("#number-samples pre").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("#number-samples pre").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Copy"
    page.locator(".steps a", has_text="black frames").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#drop-clip-decode-black_frames")


def test_only_tables_that_scroll_are_stops_of_the_keyboard(watched: Watched, address: str) -> None:
    page = opened(watched, f"{address}/report.html")
    until(page, "!document.querySelector('#left-out .scroll').hasAttribute('tabindex')")
    page.set_viewport_size({"width": 360, "height": 700})
    until(page, "document.querySelector('#dist-duration .scroll').tabIndex === 0")


def test_what_a_link_leads_to_is_unfolded(watched: Watched, address: str) -> None:
    page = opened(watched, f"{address}/report.html#check-integrity")
    page.locator("#check-integrity h3").wait_for(state="visible")
    page.get_by_role("link", name="Provenance").click()
    until(page, "document.querySelector('nav a[href=\"#provenance\"]').ariaCurrent === 'true'")


def test_sql_is_copied_as_it_is(watched: Watched, address: str) -> None:
    watched.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = opened(watched, f"{address}/report.html")
    page.get_by_role("button", name="Show all SQL").click()
    assert page.locator(".sql:not([open])").count() == 0
    wanted = {number.name: number.sql for number in audit().numbers}
    for name in ("samples", "nothing"):
        page.locator(f"#number-{name} .copy").click()
        page.locator(f"#number-{name} .copy", has_text="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == wanted[name]
    assert TURN in wanted["nothing"]
    assert "\u202e" not in page.locator("#number-nothing pre").inner_text()


@pytest.mark.parametrize("name", ["report", "compare"])
def test_a_phone_needs_no_scrolling_sideways(browser: Any, address: str, name: str) -> None:
    with watched_page(browser, width=360) as found:
        page = opened(found, f"{address}/{name}.html")
        assert not page.locator("nav details").evaluate("node => node.open")
        page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
        draw_all(page)
        assert not scrolls_sideways(page)
        wide = page.evaluate("""[...document.querySelectorAll(".check, .dist, .flow, .sheet, .tiles li, .query")]
            .filter((node) => node.getBoundingClientRect().right > innerWidth || node.scrollWidth > node.clientWidth + 1)
            .map((node) => node.className + node.id)""")
        assert wide == []
        assert page.locator(".chart.sankey:visible").count() == 0
        assert is_quiet(found)


def test_sections_close_on_a_phone_when_one_is_chosen(browser: Any, address: str) -> None:
    with watched_page(browser, width=360) as found:
        page = opened(found, f"{address}/report.html")
        page.locator("nav summary").click()
        page.get_by_role("link", name="Dropped").click()
        assert not page.locator("nav details").evaluate("node => node.open")
        until(page, "Math.abs(document.querySelector('#left-out').getBoundingClientRect().top) < 120")


@pytest.mark.parametrize(("name", "dark"), [("report", False), ("report", True), ("compare", True)])
def test_texts_stand_out_from_what_is_behind_them(browser: Any, address: str, name: str, dark: bool) -> None:
    with watched_page(browser, dark=dark) as found:
        page = opened(found, f"{address}/{name}.html")
        page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 200) is dark
        measured = page.evaluate(FAINT_TEXTS)
        assert measured["seen"] > 100
        assert measured["faint"] == []


def test_charts_follow_the_colours_and_the_width(watched: Watched, address: str) -> None:
    page = opened(watched, f"{address}/report.html")
    draw_all(page)
    chart = page.locator("[data-chart='dist-resolution'] svg")
    light = chart.inner_html()
    page.emulate_media(color_scheme="dark")
    until(page, f"document.querySelector(\"[data-chart='dist-resolution'] svg\").innerHTML.includes('{_DARK}')")
    assert _DARK not in light
    page.set_viewport_size({"width": 700, "height": 900})
    until(
        page,
        """[...document.querySelectorAll(".chart")].every((node) => !node.clientWidth ||
        Math.abs(node.querySelector("svg").getBoundingClientRect().width - node.clientWidth) < 2)""",
    )


_DARK, _LIGHT = "#56b4e9", "#0072b2"  # the first series


def test_paper_has_all_charts_in_light_colours_at_its_width(browser: Any, address: str, tmp_path: Path) -> None:
    with watched_page(browser, width=360, dark=True) as found:
        page = opened(found, f"{address}/report.html")
        page.evaluate(PRINTED)
        path = tmp_path / "report.pdf"
        page.pdf(path=str(path), format="A4")
        printed = page.evaluate("window.printed")
        assert (printed["charts"], printed["passed"], printed["sql"]) == (6, True, 0)
        assert _LIGHT in printed["colours"]
        assert _DARK not in printed["colours"]
        assert not page.locator(".passed").evaluate("node => node.open")  # as it was before
        assert path.read_bytes().startswith(b"%PDF")
        assert 5 < len(re.findall(rb"/Type\s*/Page\b", path.read_bytes())) < 30
        assert is_quiet(found)


def test_on_paper_nothing_is_cut_off(browser: Any, address: str) -> None:
    with watched_page(browser, width=690, dark=True) as found:  # A4 less its margins
        page = opened(found, f"{address}/report.html")
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        boxes = page.evaluate("""[...document.querySelectorAll(".chart svg")].map((svg) => {
            const box = svg.getBoundingClientRect(), card = svg.closest("article").getBoundingClientRect();
            const room = svg.closest("figure").getBoundingClientRect().height;
            return [Math.min(box.height, room), card.right - box.right, box.left - card.left]; })""")
        assert len(boxes) == 6
        assert all(height > 60 and right >= 0 and left >= 0 for height, right, left in boxes), boxes
        assert not scrolls_sideways(page)
        assert page.evaluate(FAINT_TEXTS)["faint"] == []
        assert (
            page.locator("nav, .copy, .jump").evaluate_all("nodes => nodes.filter((n) => n.checkVisibility()).length")
            == 0
        )


def test_without_scripts_all_is_there_as_tables(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.goto(f"{address}/report.html")
        assert page.locator(".steps").first.get_by_text("near duplicate").is_visible()
        assert page.locator(".chart:visible, button:visible").count() == 0
        page.locator("#dist-duration summary", has_text="Numbers of the chart").click()
        assert page.locator("#dist-duration td", has_text="300,000").is_visible()
        assert page.locator("nav a", has_text="Provenance").is_visible()
    finally:
        context.close()


def test_an_audit_of_nothing_is_a_page_too(watched: Watched, address: str) -> None:
    page = opened(watched, f"{address}/empty.html")
    assert page.get_by_text("Nothing was dropped.").is_visible()
    assert page.locator(".chart").count() == 0


def test_two_corpora_are_drawn_over_each_other(watched: Watched, address: str) -> None:
    page = opened(watched, f"{address}/compare.html")
    draw_all(page)
    names = page.locator("[data-chart='dist-duration'] svg").text_content()
    assert "v3" in names
    assert "v4" in names
