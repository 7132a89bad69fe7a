"""The reason codes and docs/ledger.md say the same."""

import re
from pathlib import Path

from longtake.schemas.reasons import FAILURES, Reason

LEDGER = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
ROWS = {match[1]: match[2] for match in re.finditer(r"^\| `(\w+)`( †)? \|", LEDGER, re.MULTILINE)}


def test_every_reason_is_explained() -> None:
    assert set(ROWS) == {reason.value for reason in Reason}


def test_failures_are_marked() -> None:
    assert {name for name, mark in ROWS.items() if mark} == {reason.value for reason in FAILURES}
