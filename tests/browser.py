"""A real browser for tests: Debian's chromium, driven by Playwright. What a page asks for and complains of is recorded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_HEIGHT = {True: 740, False: 900}  # of a phone, of anything wider


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, started once; tests that ask for it are skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if shutil.which(CHROMIUM) is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield started
        started.close()


@dataclass(frozen=True)
class Watched:
    """A page, and what was heard of it: errors on its console or uncaught, and the address of every request."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def watched_page(browser: Any, width: int = 1280, dark: bool = False, offline: bool = False) -> Iterator[Watched]:
    """A page of its own context (no cookies, empty storage), `width` CSS pixels wide, closed at the end."""
    context = browser.new_context(
        viewport={"width": width, "height": _HEIGHT[width < 600]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        offline=offline,
    )
    try:
        watched = Watched(context.new_page())
        watched.page.set_default_timeout(10_000)
        watched.page.on("console", lambda said: watched.errors.append(said.text) if said.type == "error" else None)
        watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
        watched.page.on("request", lambda request: watched.requests.append(request.url))
        yield watched
    finally:
        context.close()


def scrolls_sideways(page: Any) -> bool:
    """Whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
