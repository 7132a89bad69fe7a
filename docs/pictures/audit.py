"""The pictures of docs/audit.md: the report and the browser on the demo corpus, in a real browser.

    make demo && .venv/bin/python docs/pictures/audit.py

Works on a copy of out/demo. Needs Debian's chromium and the extra `dev`.
"""

import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LONGTAKE = [sys.executable, "-m", "longtake.jobs.cli"]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PORT = 8427
CLIP = "last-man-000000000-000011760"


def shoot(page: Any, name: str, height: int) -> None:
    """A picture of the page as it is, `height` pixels of it."""
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.wait_for_timeout(700)
    page.screenshot(path=HERE / f"{name}.png")


def report(browser: Any, corpus: Path) -> None:
    """The report: its head, flows and distributions, a contact sheet; on a phone, in the dark."""
    address = f"file://{corpus}/audit/report.html"
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(address)
    shoot(page, "audit-report", 1060)
    for section, height in (("distributions", 760), ("kept", 760)):
        page.goto(f"{address}#{section}")
        shoot(page, f"audit-{section}", height)
    phone = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    phone.goto(address)
    shoot(phone, "audit-phone", 844)


def browse(browser: Any) -> None:
    """The browser: the list, a sample while it plays, the same sample after it was rejected."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(f"http://localhost:{PORT}/")
    shoot(page, "browse-list", 760)
    page.goto(f"http://localhost:{PORT}/sample/{CLIP}")
    page.wait_for_load_state("networkidle")
    shoot(page, "browse-sample", 1000)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        corpus = Path(folder) / "demo"
        shutil.copytree(ROOT / "out" / "demo", corpus)
        config = str(ROOT / "examples" / "demo" / "corpus.yaml")
        subprocess.run(
            [*LONGTAKE, "audit", str(corpus), "--config", config, "--sample", "4", "--seed", "7"], check=True
        )
        server = subprocess.Popen([*LONGTAKE, "browse", str(corpus), "--port", str(PORT), "--curator", "Ann"])
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        try:
            report(browser, corpus)
            for _ in range(60):
                try:
                    urllib.request.urlopen(f"http://localhost:{PORT}/healthz")
                    break
                except OSError:
                    time.sleep(0.5)
            browse(browser)
        finally:
            server.terminate()
            browser.close()


if __name__ == "__main__":
    main()
