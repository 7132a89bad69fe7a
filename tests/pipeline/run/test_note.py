"""The note of the running command: what it says, and what `longtake status` makes of it."""

from pathlib import Path

import pytest
from sources import longtake_here

from longtake.pipeline.build.status import read_status
from longtake.pipeline.run.note import note_progress, noted, read_note
from longtake.schemas import storage
from longtake.schemas.layout import Layout


def test_progress_is_noted_while_the_command_runs(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    note_progress("nobody runs")
    assert read_note(layout) is None
    with noted(layout, "plan"):
        before = read_note(layout)
        assert before is not None and (before.progress, before.told) == (None, None)
        note_progress("reading 12 of 25 MB")
        note = read_note(layout)
        assert note is not None and note.progress == "reading 12 of 25 MB" and note.told is not None
        storage.write_bytes(layout.path("staging", "inputs.json"), b"{}")
        found = read_status(str(tmp_path), now=note.told + 5)
        assert (found.stage, found.to_json()["job"]["progress"]) == ("planning", "reading 12 of 25 MB")
        assert found.last_sign is not None and found.last_sign >= note.told - 1  # by the clock of the disk
        assert " ago: reading 12 of 25 MB" in longtake_here("status", str(tmp_path)).stdout
    after = read_note(layout)
    assert after is not None and after.ended is not None and after.progress is None
    note_progress("nobody runs")
    assert read_note(layout) == after


@pytest.mark.parametrize("line", ["\x1b[31mred", "two\nlines"])
def test_a_hostile_note_acts_on_no_terminal(tmp_path: Path, line: str) -> None:
    layout = Layout(str(tmp_path))
    with noted(layout, "plan"):
        note_progress(line)
        storage.write_bytes(layout.path("staging", "inputs.json"), b"{}")
        told = longtake_here("status", str(tmp_path)).stdout
    assert "\x1b" not in told
    assert len(told.splitlines()) == len(longtake_here("status", str(tmp_path)).stdout.splitlines()) + 1
