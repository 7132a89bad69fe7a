"""What the report says of a reason is what docs/ledger.md says."""

import re
from pathlib import Path

from longtake.schemas.reason_meanings import MEANINGS
from longtake.schemas.reasons import Reason

LEDGER = Path(__file__).parents[2] / "docs" / "ledger.md"


def test_meanings_are_those_of_the_documentation() -> None:
    told = {}
    for line in LEDGER.read_text().splitlines():
        if row := re.match(r"\| `([a-z0-9_]+)`(?: †)? \|[^|]*\|([^|]*)\|", line):
            told[row[1]] = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", row[2].strip())
    assert told == MEANINGS


def test_every_reason_has_a_meaning() -> None:
    assert {reason.value for reason in Reason} == set(MEANINGS)
