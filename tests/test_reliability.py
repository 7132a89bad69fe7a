"""The matrix of faults in docs/reliability.md names tests that are there."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
FOLDERS = {"e": TESTS / "end_to_end", "p": TESTS / "pipeline"}
ROWS = [row for row in TEXT.partition("\n## Faults\n")[2].splitlines() if row.startswith("| ")][1:]
NAMED = sorted(set(re.findall(r"`(\w)/([\w/]+\.py)::(\w+)`", "\n".join(ROWS))))


def test_every_fault_has_a_test() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        assert re.search(r"`\w/[\w/]+\.py::\w+` \|$", row), row


@pytest.mark.parametrize(("folder", "file", "name"), NAMED)
def test_the_test_of_a_fault_exists(folder: str, file: str, name: str) -> None:
    path = FOLDERS[folder] / file
    (found,) = (n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef) and n.name == name)
    marks = {ast.unparse(mark) for mark in found.decorator_list}
    assert "pytest.mark.exhaustive" not in marks, "the test of a fault runs in CI"


def test_paths_named_elsewhere_in_the_text_exist() -> None:
    for path in set(re.findall(r"`(tests/[\w/]+(?:\.py)?)`", TEXT)):
        assert (TESTS.parent / path).exists(), path
