"""axe-core has nothing to say against any page of browse and of the report: on a phone and wide, in light and dark."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from browser import watched_page
from browsing import ALPHA, ALPHA_2, TAG_ID, build, draw, served
from report_audit import audit, empty, other

from longtake.pipeline.audit.queues import QueuedSample, write_queue
from longtake.pipeline.audit.report.page import render
from longtake.schemas.decisions import Decision, write_decisions
from longtake.schemas.keys import sample_key
from longtake.schemas.layout import Layout

PAGES = (
    "",
    "?page=2&size=4",
    "?q=nowhere-to-be-found",
    "review",
    f"sample/{ALPHA}",
    f"sample/{sample_key(TAG_ID, 1000, 21502)}",
    f"similar/{ALPHA}",
    "video?id=alpha",
    "queues",
    f"sample/{ALPHA}?queue=conflicts",
    "ledger",
    "ledger?q=nothing-like-it",
    "sql",
    "sql?sql=FROM samples SELECT video_id, paragraph",
    "sql?sql=SELEC",
    "selections",
    "pictures",
    "pictures?split=val",
    "plot?x=words&y=duration&colour=split",
    f"compare/{ALPHA}?with={ALPHA_2}",
    "no-such-page",
)
REPORTS = ("report", "compare", "empty")


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("browsed") / "out"
    draw(build(root), ALPHA_2, ALPHA)
    rows = [QueuedSample("review", name, 0, ALPHA, "alpha", "all") for name in ("Ann", "Bob")]
    write_queue(Layout(str(root)), "review", rows)
    verdicts = [Decision("sample", ALPHA, said, curator=name) for name, said in (("Bob", "ok"), ("Eve", "reject"))]
    write_decisions(str(root / "decisions.csv"), verdicts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        server = served(root, curator="Ann")
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.address
    server.close()
    thread.join(10)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    for name, page in zip(REPORTS, (render(audit()), render(audit(), other()), render(empty())), strict=True):
        (folder / f"{name}.html").write_text(page, "utf-8")
    return folder.as_uri()


@pytest.mark.parametrize(("width", "dark"), [
    (390, True),
    (1280, False),
    pytest.param(390, False, marks=pytest.mark.exhaustive),
    pytest.param(1280, True, marks=pytest.mark.exhaustive),
])  # fmt: skip
def test_axe_finds_nothing(browser: Any, browse: str, reports: str, width: int, dark: bool) -> None:
    run = pytest.importorskip("axe_playwright_python.sync_playwright").Axe().run
    found = {}
    with watched_page(browser, width, dark) as watched:
        for address in [browse + page for page in PAGES] + [f"{reports}/{name}.html" for name in REPORTS]:
            watched.page.goto(address)
            for fault in run(watched.page).response["violations"]:
                where = [str(node["target"]) for node in fault["nodes"]]
                found[f"{fault['impact']} {fault['id']}: {fault['help']}", address] = where
    assert not found, "\n".join(f"{what} at {address}: {where[:4]}" for (what, address), where in found.items())
