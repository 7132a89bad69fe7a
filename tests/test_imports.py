"""The arrows between the packages: schemas <- pipeline, model <- jobs. And what readers of shards never have to install."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "schemas": {"schemas"},
    "pipeline": {"schemas", "pipeline"},
    "model": {"schemas", "model"},
    "jobs": {"schemas", "pipeline", "model", "jobs"},
}
FORBIDDEN = {"schemas": {"apache_beam", "av", "torch"}, "model": {"apache_beam", "av"}}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            first, _, rest = name.partition(".")
            if first == "longtake":
                assert rest.split(".")[0] in MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {name}"
            assert first not in FORBIDDEN.get(package, set()), f"{path.relative_to(ROOT)} imports {name}"


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*"):
            assert path.stem not in empty, path
