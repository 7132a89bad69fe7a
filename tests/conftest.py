import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import artifacts
import pytest
from browser import browser  # noqa: F401  (a fixture)
from hypothesis import settings
from sources import SHARED
from whisper_model import joined

from longtake.pipeline.run.slots import close_shared_slots

# gcsfs reads it when it is imported, by whichever test is first. Without it, minutes go into asking for a token.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
# Imported modules stay for good. Collecting them over and over took a seventh of the suite's time.
gc.disable()
# An example that takes long on a busy machine is no failure.
settings.register_profile("longtake", deadline=None, derandomize=True)
settings.load_profile("longtake")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared, which is not part of the repository."""
    if not (SHARED / "data").is_dir():
        pytest.skip("../shared/data is not here")
    return SHARED


@pytest.fixture(scope="session")
def whisper() -> str:
    """The folder of a real speech model, Whisper base; skips where its packages are absent."""
    return str(joined())


def pytest_collection_finish() -> None:
    """Collect garbage again, but never what was imported until now."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the shared data, so that CI can run all of it where there is none."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what no registry served and which tests it cost, also with -q: a run without Flink must not look like one with it."""
    skipped: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        if reason.startswith(artifacts.CANNOT):
            skipped.setdefault(reason, []).append(report.nodeid)
    for reason, tests in sorted(skipped.items()):
        terminalreporter.write_line(f"{reason}. Skipped for it: {', '.join(sorted(tests))}", red=True, bold=True)


@pytest.fixture(scope="session", autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    yield
    close_shared_slots()


@pytest.fixture(autouse=True)
def _own_logging() -> None:
    """Undo what a command that ran in this process, in a test or a fixture, has set for all that comes after it."""
    log = logging.getLogger("longtake")
    logging.getLogger().setLevel(logging.WARNING)
    log.setLevel(logging.NOTSET)
    log.propagate = True
