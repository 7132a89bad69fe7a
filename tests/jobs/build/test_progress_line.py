"""What a person sees while a job runs: the phase, how much of it is done, how fast, and what is left."""

import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from sources import Video, longtake_here, source_set, spoken

from longtake.jobs import job
from longtake.jobs.build.report import planning_line
from longtake.pipeline.run.progress import BYTES, HOURS, PROGRESS, Phase

ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.mark.parametrize(
    ("phase", "line"),
    [
        (None, "starting"),
        (Phase("reading", BYTES, 12e6, 25e6, 2), "reading 12 of 25 MB"),
        (Phase("reading", BYTES, 1.2e9, 25e9, 10), "reading 1 of 25 GB, about 3 min 18 s left"),
        (Phase("reading", BYTES, 12e6, None, 20), "reading 12.0 MB"),
        (Phase("joining", "sentence", 0, 0, 0), "joining"),
        (Phase("planning", "video", 11_371, 30_000, 10), "planning 11,371 of 30,000 videos, 1,137 per second, about 16 s left"),
        (Phase("planning", "video", 30_000, 30_000, 10), "planning 30,000 of 30,000 videos, 3,000 per second"),
        (Phase("embedding", "sentence", 5, None, 1), "embedding 5 sentences"),
        (Phase("recognising", HOURS, 0, 3.5, 0), "recognising"),
        (
            Phase("recognising", HOURS, 1.25, 3.5, 300),
            "recognising 1.25 of 3.50 h of sound, 15 times real time, about 9 min left",
        ),
        (Phase("recognising", HOURS, 0.5, None, 2), "recognising 0.50 h of sound"),
        (Phase("writing the ledger", "row", 1, None, 1), "writing the ledger 1 row"),
    ],
)  # fmt: skip
def test_the_line_of_a_phase(phase: Phase | None, line: str) -> None:
    assert planning_line(phase) == line


def shown(console: Console, seen: Callable[[], bytes], wanted: tuple[bytes, ...]) -> bytes:
    """What the display writes while a job of two phases runs, until it has written all that is wanted."""
    PROGRESS.reset()
    with job._showing(console, lambda *_: planning_line(PROGRESS.phase())):
        PROGRESS.expect("reading", 25e6, BYTES)
        PROGRESS.advance("reading", 12e6)
        until = time.monotonic() + 20
        for part in wanted:
            while part not in ESCAPE.sub(b"", seen()) and time.monotonic() < until:
                time.sleep(0.01)
            PROGRESS.expect("planning", 30_000, "video")
            PROGRESS.advance("planning", 11_371)
    PROGRESS.reset()
    return ESCAPE.sub(b"", seen())


@pytest.mark.parametrize("terminal", [True, False])
def test_on_a_terminal_and_in_a_pipe(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_SECONDS_BETWEEN", 0.02)
    monkeypatch.setattr(job, "_SECONDS_BETWEEN_LINES", 0.02)
    monkeypatch.setattr(job, "_SECONDS_BETWEEN_NOTES", 0.0)
    noted: list[str] = []
    monkeypatch.setattr(job, "note_progress", noted.append)
    reader, writer = os.openpty() if terminal else os.pipe()
    found: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(reader, 65536):
                found.append(data)
        except OSError:  # the end of a pseudo-terminal
            return

    thread = threading.Thread(target=read)
    thread.start()
    parts = (b"reading 12 of 25 MB", b"planning 11,371 of 30,000 videos")
    with os.fdopen(writer, "w") as stream:
        text = shown(Console(file=stream, width=100), lambda: b"".join(found), parts)
    thread.join()
    os.close(reader)
    assert all(part in text for part in parts)
    assert [part.decode() for part in parts] == list(dict.fromkeys(line for line in noted if line != "starting"))
    assert (b"\x1b" in b"".join(found)) == terminal, "escape sequences are for terminals alone"


@pytest.mark.parametrize("form", ["hdvila", "hdvila.gz", "records.parquet", "vtt"])
def test_a_plan_reports_all_that_it_does(tmp_path: Path, form: str) -> None:
    videos = [Video(f"v{i}", spoken(4, 500 * i) if i else []) for i in range(6)]
    sources = source_set(tmp_path, videos, form)
    assert longtake_here("plan", str(sources.config), "--probe=none").returncode == 0
    phases = PROGRESS.phases()
    source = sources.settings["source"]
    named = [source["videos"], *([source["text"]["path"]] if form.startswith("hdvila") else [])]
    inputs = sum((tmp_path / name).stat().st_size for name in named)
    assert phases["reading"].total == inputs
    if form.endswith("parquet"):
        assert 0 < phases["reading"].done < inputs, "all but the footer"
    else:
        assert phases["reading"].done == inputs
    assert (phases["planning"].done, phases["planning"].total) == (5, 5), "the one without text is not waited for"
    assert phases["writing"].done == phases["writing"].total == 5
    if form.startswith("hdvila"):
        assert (phases["joining"].done, phases["joining"].total) == (20, 20)
