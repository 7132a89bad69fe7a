"""The page of an audit, read as a browser's parser would: nothing of a stranger runs or loads, and everything is there."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
import simplejpeg
from corpora import jpeg
from html_tree import Element, parse
from report_audit import HOSTILE, LONG, SCRIPT, TAG, TURN, WORD, audit, empty, other, sheet

from longtake.pipeline.audit.report import formats
from longtake.pipeline.audit.report.anchors import Anchors
from longtake.pipeline.audit.report.charts import beyond, bin_labels, bins_table, chart, compared_chart
from longtake.pipeline.audit.report.comparison import difference
from longtake.pipeline.audit.report.page import in_script, render
from longtake.pipeline.audit.report.pictures import Pictures
from longtake.pipeline.audit.report.score_lines import score_lines
from longtake.pipeline.audit.result import Distribution, Mark, Picture, Series, Sheet, SheetGroup, SheetSentence, Table

DASH, LESS = "\u2013", "\u2212"
SECTIONS = (
    "summary",
    "checks",
    "flows",
    "distributions",
    "kept",
    "left-out",
    "policy",
    "decisions",
    "review",
    "published",
    "provenance",
)


@pytest.fixture(scope="module")
def page() -> str:
    return render(audit())


@pytest.fixture(scope="module")
def tree(page: str) -> Element:
    return parse(page)


@pytest.fixture(scope="module")
def compared() -> Element:
    return parse(render(audit(), other()))


@pytest.fixture(scope="module", params=["one", "compared", "empty"])
def any_tree(request: pytest.FixtureRequest, tree: Element, compared: Element) -> Element:
    return {"one": tree, "compared": compared}.get(request.param) or parse(render(empty()))


def section(tree: Element, name: str) -> Element:
    return tree.one("section", id=name)


def queries(value: Any) -> Iterator[str]:
    """Every query that an audit holds."""
    if is_dataclass(value):
        for field in fields(value):
            found = getattr(value, field.name)
            if field.name == "sql" and found:
                yield found
            yield from queries(found)
    elif isinstance(value, tuple):
        for one in value:
            yield from queries(one)


def test_what_strangers_wrote_is_text(any_tree: Element) -> None:
    scripts = list(any_tree.all("script"))
    assert [s.attributes.get("type", "") for s in scripts] == ["application/json", "", "", ""]
    for element in any_tree.all():
        assert not [name for name in element.attributes if name.startswith("on")], element.attributes
        assert element.tag not in {"iframe", "object", "embed", "base", "form"}
    assert all(image.attributes["src"].startswith("data:image/jpeg;base64,") for image in any_tree.all("img"))


def test_hostile_texts_are_all_shown(tree: Element) -> None:
    shown = tree.one("body").text
    for part in (SCRIPT, TAG, "{{ 7 * 7 }} {a|b}", "\\u202egnp.exe \\u2066 turned", "\\u2028\\u2029"):
        assert part in shown, part
    assert f"documentaries {SCRIPT}" in tree.one("h1").text
    assert f"documentaries {SCRIPT}: audit" == tree.one("title").text


def test_nothing_turns_the_direction_of_the_page(page: str) -> None:
    without_exact = re.sub(r'data-exact="[^"]*"', "", page)
    assert "\u202e" in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", without_exact)


def test_half_characters_do_not_stop_it() -> None:
    page = render(replace(audit(), summary=("broken \ud83d half \x00 and \x1b[31m",)))
    assert "broken \\ud83d half \\u0000 and \\u001b[31m" in page
    page.encode()


def test_only_the_scripts_of_the_page_may_run(any_tree: Element) -> None:
    policy = next(m.attributes["content"] for m in any_tree.all("meta") if m.attributes.get("http-equiv"))
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    scripts = [s.raw for s in any_tree.all("script") if "type" not in s.attributes]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert rules["script-src"].split() == [f"'sha256-{found}'" for found in hashes]


def test_links_lead_somewhere_and_ids_are_given_once(any_tree: Element) -> None:
    ids = [element.attributes["id"] for element in any_tree.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    inside = [a.attributes["href"] for a in any_tree.all("a") if a.attributes["href"].startswith("#")]
    assert inside
    assert {href[1:] for href in inside} <= set(ids)
    drawn = json.loads(any_tree.one("script", id="charts").raw)
    hrefs = {node["href"] for spec in drawn.values() if spec["kind"] == "flow" for node in spec["nodes"]} - {""}
    assert {href[1:] for href in hrefs} <= set(ids)


def test_nothing_is_loaded_and_only_http_is_linked(any_tree: Element) -> None:
    for element in any_tree.all():
        for name in ("src", "href", "action", "data", "srcset", "poster", "xlink:href"):
            address = element.attributes.get(name, "")
            if not address or address.startswith(("#", "data:")):
                continue
            assert (element.tag, name) == ("a", "href")
            assert re.match(r"https?://", address)
            assert element.attributes["rel"] == "noopener noreferrer nofollow"
    style = any_tree.one("style").raw
    assert "url(" not in style
    assert "@import" not in style


def test_only_real_addresses_become_links(tree: Element) -> None:
    linked = [a.attributes["href"] for a in tree.all("a") if not a.attributes["href"].startswith("#")]
    assert "https://example.org/a?b=1&c=%22" in linked
    assert "https://www.youtube.com/watch?v=abc0&t=1s" in linked
    assert not [href for href in linked if "javascript" in href or " " in href]


@pytest.mark.parametrize("which", ["one", "compared"])
def test_every_query_is_printed_as_it_is(which: str, tree: Element, compared: Element) -> None:
    found = tree if which == "one" else compared
    shown = {code.attributes.get("data-exact") or code.raw for code in found.all("code")}
    if which == "one":
        wanted = set(queries(audit()))
    else:
        wanted = {sql for one in (audit(), other()) for sql in queries((one.numbers, one.distributions)) if sql}
        wanted |= {check.sql for one in (audit(), other()) for check in one.checks if check.sql}
    assert len(wanted) >= 15
    assert wanted <= shown
    assert any(TURN in sql for sql in wanted)


def test_sections_are_there_in_their_order(tree: Element) -> None:
    assert tuple(s.attributes["id"] for s in tree.all("section") if s.attributes["id"] in SECTIONS) == SECTIONS
    assert [a.attributes["href"][1:] for a in tree.one("nav").all("a")] == list(SECTIONS)
    assert tuple(s.attributes["id"] for s in parse(render(empty())).all("section")) == tuple(
        name for name in SECTIONS if name != "policy"
    )


def test_checks_are_told_worst_first_with_words(tree: Element) -> None:
    badges = [article.one("span", "badge").text for article in section(tree, "checks").all("article")]
    assert badges == ["✕ fail", "! warn", f"{DASH} skipped", "✓ pass"]
    assert "What to do: Build again." in section(tree, "checks").text


def test_every_number_is_on_the_page(tree: Element) -> None:
    tiles = [(li.one("b").text, li.one("span").text) for li in tree.one("ul", "tiles").all("li")]
    assert tiles == [(number.text, number.label) for number in audit().numbers]


def test_flows_are_tables_too(tree: Element) -> None:
    table = next(section(tree, "flows").all("table", "steps"))
    rows = [[cell.text for cell in row.children if isinstance(cell, Element)] for row in table.one("tbody").all("tr")]
    nodes = audit().flows[0].nodes
    assert [row[1] for row in rows] == [f"{node.count:,}" for node in nodes]
    assert ["dropped: few words", "9,000", "0.9 %", ""] in rows
    links = {a.text: a.attributes["href"] for a in table.all("a")}
    assert links["few words"] == "#drop-clip-filter-few_words"
    assert "val" not in links  # nothing on the page has its name


def test_every_chart_has_its_numbers_beside_it(tree: Element) -> None:
    charts = [element.attributes for element in tree.all("div", "chart")]
    drawn = json.loads(tree.one("script", id="charts").raw)
    assert {one["data-chart"] for one in charts} == set(drawn)
    assert len(charts) == 6
    assert all(one["role"] == "img" and one["aria-label"] for one in charts)
    for one in audit().distributions:
        if one.series:
            rows = tree.table(f"{one.title}: numbers of the chart")
            assert [row[1] for row in rows] == [f"{n:,}" for n in one.series[0].counts]
    assert "median 44, 5 % to 95 %: 12.2 to 101.2" in charts[1]["aria-label"]


def test_what_is_not_known_says_why(tree: Element) -> None:
    text = section(tree, "distributions").one("details", "unknown").text
    assert "2 not known, and why" in text
    assert "Not measured: longtake audit --frames 1000 measures it." in text
    assert "There are no values." in text


def test_contact_sheets_show_sentences_under_their_frames(tree: Element) -> None:
    shown = tree.one("article", "sheet")
    wanted = sheet(0)
    blocks = list(shown.one("ol", "strip").all("li"))
    assert [block.one("div", "p").text for block in blocks] == [" ".join(s.text.split()) for s in wanted.sentences]
    assert [len(list(block.all("img"))) for block in blocks] == [1, 2, 2, 2, 2, 2]
    data = blocks[1].one("img").attributes["src"].partition(",")[2]
    assert base64.b64decode(data) == wanted.sentences[1].pictures[0].jpeg
    assert blocks[1].one("img").attributes["width"] == "170"
    assert blocks[0].one("span", "lost").text == "no frame"
    assert [c.text for c in blocks[1].all("figcaption")] == ["0:03", f"0:08 {LESS}40 ms"]
    assert [li.text for li in shown.one("ul", "facts").all("li")][1] == "words per second 2.50"


def test_a_sample_that_is_chosen_twice_is_shown_once(tree: Element) -> None:
    again = tree.one("p", "again")
    assert again.text == f"{sheet(1).key}, shown above: speed 9.9"
    assert tree.one(id=again.one("a").attributes["href"][1:]).one("h4").text == sheet(1).key


def test_scores_are_drawn_against_their_thresholds(tree: Element) -> None:
    drawn = [li.text for li in tree.one("ul", "scores").all("li")]
    assert drawn[0] == "a: words per second 9.5 against max_words_per_second 7"
    above, _, below = score_lines(audit().dropped[1].scores)
    assert (above.passes[0], below.passes[0]) == (0, below.limit)
    assert above.at > above.limit
    assert below.at < below.limit
    assert 0 < below.at < 100
    assert score_lines(Table("", ("score", "value", "threshold"), (("x", float("nan"), 1.0), ("y", None, 1.0)))) == ()


def test_long_texts_are_folded_and_whole(tree: Element) -> None:
    cell = next(td for td in section(tree, "decisions").all("td") if td.text.startswith("a very long"))
    start, rest = cell.children[0], cell.one("details")
    assert isinstance(start, Element)
    assert len(start.raw) < 620
    assert start.raw.removesuffix("…") + rest.one("bdi").raw == LONG
    assert re.match(r"9,\d{3} more characters", rest.text)
    word = next(td for td in section(tree, "decisions").all("td") if td.text.startswith("xxx"))
    assert word.one("bdi").raw.removesuffix("…") + word.one("details").one("bdi").raw == WORD
    huge = "y" * 20_000
    assert "8,000 more characters are left out here" in render(replace(audit(), summary=(huge,)))


def test_estimates_and_decisions_are_there(tree: Element) -> None:
    text = section(tree, "review").text
    assert "2.1 % (1.0 % to 4.4 %) rejected at 95 %" in text
    assert "190 of 200 drawn samples were reviewed." in text
    assert tree.table("Strata of the sample") == [["train", "0.98", "196", "186"], ["val", "0.02", "4", "4"]]
    assert tree.table("By curator")[0] == [f"Ann {TAG}", "12"]
    nothing = parse(render(empty()))
    assert "longtake audit CORPUS --sample 200" in section(nothing, "review").text
    assert "Nobody has decided anything yet." in section(nothing, "decisions").text


def test_tables_have_captions_and_heads_and_pictures_words(any_tree: Element) -> None:
    for table in any_tree.all("table"):
        assert table.one("caption").text
        assert all(th.attributes["scope"] in {"col", "row"} for th in table.all("th"))
    assert all(image.attributes["alt"] for image in any_tree.all("img"))
    assert any_tree.one("html").attributes["lang"] == "en"
    for landmark in ("header", "nav", "main", "footer"):
        assert any_tree.one(landmark)
    levels = [int(element.tag[1]) for element in any_tree.all() if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), levels


def test_licences_of_the_charts_are_in_the_page(any_tree: Element) -> None:
    text = any_tree.one("footer").text
    assert "The Apache Software Foundation" in text
    assert "Apache License Version 2.0" in text
    assert "Mike Bostock" in text


def test_the_same_audit_gives_the_same_page(page: str) -> None:
    assert render(audit()) == page
    assert len(page) < 3_000_000


def test_a_page_of_many_large_frames_stays_below_15_mb() -> None:
    large = [jpeg(n, (360, 640)) for n in range(3)]
    assert min(map(len, large)) > 15_000

    def many(n: int) -> Sheet:
        pictures = [[Picture(large[(n + k + m) % 3], m, m) for m in (0, 1)] for k in range(16)]
        return Sheet(
            f"key-{n}", "v", "", 0, 16, tuple(SheetSentence(k, k + 1, LONG, tuple(p)) for k, p in enumerate(pictures))
        )

    group = SheetGroup("many", "Many", "All.", tuple(many(n) for n in range(40)))
    page = render(replace(audit(), kept=(group,)))
    assert len(page.encode()) < 15_000_000
    found = parse(page)
    assert "frames are not shown" in section(found, "kept").text
    assert section(found, "kept").one("span", "lost").text == "not shown"


def test_without_room_each_sentence_keeps_its_first_frame() -> None:
    def picture(n: int) -> Picture:
        return Picture(bytes(300), n, n)  # identical frames take room each

    sentences = tuple(SheetSentence(0, 1, "", (picture(2 * n), picture(2 * n + 1))) for n in range(3))
    one = Sheet("a", "v", "", 0, 1, sentences)
    chosen = Pictures([one, replace(one, note="chosen again")], room=1_600)
    assert [list(map(bool, chosen.uris(one, n))) for n in range(3)] == [[True, True], [True, False], [True, False]]
    assert chosen.left_out == 2


def test_json_cannot_end_its_element() -> None:
    written = in_script({"a": HOSTILE})
    assert json.loads(written) == {"a": HOSTILE}
    assert not re.search("[<>&\u2028\u2029]", written)


def test_two_audits_side_by_side(compared: Element) -> None:
    name = f"documentaries {SCRIPT}"
    assert compared.one("title").text == f"{name} v3 and {name} v4 compared"
    numbers = compared.table("Numbers of both; the difference is the second less the first")
    assert numbers[0] == ["long clips", "982,113", "900,000", f"{LESS}82,113 (8.36 %)"]
    assert numbers[1][-1] == "none"
    assert numbers[2][1:] == ["12,345.25", DASH, DASH]
    checks = compared.table("Checks of both, first those whose verdicts differ")
    assert checks[0] == ["Shards and index agree (differs)", "✓ pass 200 samples are sound.", "not checked"]
    reasons = compared.table("Dropped, by reason")
    assert ["clip", "filter", "slides", "0", "77", "+77"] in reasons
    assert compared.table("Settings that differ") == [["merge", '{"max_sentences": 16}', '{"max_sentences": 8}']]
    drawn = json.loads(compared.one("script", id="charts").raw)
    assert {spec["kind"] for spec in drawn.values()} == {"lines", "categories"}
    assert [series["name"] for series in drawn["dist-duration"]["series"]] == ["v3", "v4"]
    assert "This audit has no such distribution." in section(compared, "distributions").text


def test_versions_that_look_alike_are_told_apart() -> None:
    same = replace(audit(), fingerprint="9" * 64)
    heads = [th.text for th in parse(render(audit(), same)).one("table").one("thead").all("th")]
    assert heads == ["number", "v3 (01234567)", "v3 (99999999)", "difference"]
    heads = [th.text for th in parse(render(audit(), replace(audit(), name="x"))).one("table").one("thead").all("th")]
    assert heads[1:3] == [f"documentaries {SCRIPT} v3", "x v3"]


def test_overlaid_shares_have_the_same_area_whatever_the_bins() -> None:
    coarse = Distribution("d", "D", "s", (Series("a", (10, 30)), Series("b", (0, 20))), (0.0, 10.0, 20.0))
    fine = Distribution("d", "D", "s", (Series("a", (1, 2, 3, 4)),), (0.0, 5.0, 10.0, 15.0, 20.0))
    for series in compared_chart(coarse, fine, ("x", "y"))["series"]:
        points = series["points"][1:]
        area = sum((b[0] - a[0]) * a[1] for a, b in pairwise(points))
        assert area == pytest.approx(1)
        assert points[-1][1] == 0


def test_whole_numbers_are_drawn_around_themselves() -> None:
    one = Distribution(
        "n", "N", "", (Series("a", (1, 2)),), (4, 5, 6), thresholds=(Mark("min 4", 4), Mark("max 99", 99)), whole=True
    )
    spec = chart(one)
    assert spec["edges"] == [3.5, 4.5, 5.5]
    assert [mark["label"] for mark in spec["marks"]] == ["min 4"]
    assert [mark.label for mark in beyond(one)] == ["max 99"]
    assert bin_labels(one) == ["4", "5"]
    assert bin_labels(replace(one, edges=(0, 5, 10))) == ["0 to 4", "5 to 9"]
    only = replace(one, series=(Series("a", (3,)),), edges=(4.5, 5.5))  # every value is 5
    assert (chart(only)["edges"], bin_labels(only)) == ([4.5, 5.5], ["5"])


def test_shares_are_of_each_split() -> None:
    one = Distribution("n", "N", "s", (Series("a", (1, 3)), Series("b", (0, 2))), (0.0, 1.0, 2.0))
    assert bins_table(one).columns == ("s", "a", "share", "b", "share")
    assert bins_table(one).rows == (("0 to 1", 1, "25 %", 0, "0 %"), ("1 to 2", 3, "75 %", 2, "100 %"))


def test_an_axis_grows_for_near_thresholds_only() -> None:
    one = Distribution(
        "n", "N", "", (Series("a", (1, 1)),), (0.0, 1.0, 2.0), thresholds=(Mark("a", 3.5), Mark("b", 9.0))
    )
    assert (chart(one)["low"], chart(one)["high"]) == (0.0, 3.5)
    endless = replace(one, thresholds=(Mark("a", float("inf")), Mark("b", float("nan"))))
    assert chart(endless)["marks"] == []
    assert json.loads(in_script(chart(endless)))["high"] == 2.0


def test_anchors_lead_to_what_was_named() -> None:
    anchors = Anchors(("kept",))
    assert [anchors.add(name) for name in ("a b", "a-b", "a b", "kept", "", "é")] == [
        "a-b",
        "a-b-2",
        "a-b",
        "kept",
        "part",
        "-",
    ]
    assert anchors.href("#a-b") == "#a-b-2"
    assert anchors.href("#kept") == "#kept"
    assert anchors.href("#unknown") == anchors.href("javascript:alert(1)") == anchors.href("kept") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, DASH), (True, "yes"), (1234567, "1,234,567"), (0.00012345, "0.0001234"), (12.3456, "12.35"), (98765.4, "98,765"),
     ("a\u202eb", "a\\u202eb"), ({"a": [1]}, '{"a": [1]}'), (float("nan"), "nan")],
)  # fmt: skip
def test_cells(value: Any, text: str) -> None:
    assert formats.cell(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0004, "<0.1 %"), (0.021, "2.1 %"), (0.9731, "97.3 %"), (1, "100 %"), (1.25, "125 %")],
)
def test_shares(share: float, text: str) -> None:
    assert formats.percent(share) == text


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [(1, 1, "none"), (None, 1, DASH), (0, 5, "+5"), (-2, -3, f"{LESS}1 (50 %)"), (4, 5, "+1 (25 %)")],
)
def test_differences(a: float | None, b: float | None, text: str) -> None:
    assert difference(a, b) == text


def test_sizes_of_pictures() -> None:
    for size in ((48, 64), (97, 170)):
        data = jpeg(3, size)
        assert formats.jpeg_size(data) == simplejpeg.decode_jpeg_header(data)[1::-1]
    for broken in (b"", b"\xff\xd8", data[:8], b"\xff\xd8\xff\xe0\x00\x00" * 9, bytes(100)):
        assert formats.jpeg_size(broken) is None
