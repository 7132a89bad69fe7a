"""The arrows between the packages, schemas <- library <- pipeline, model <- jobs, and between the rooms of each: none runs up.

And what readers of shards never have to install.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "schemas": {"schemas"},
    "library": {"schemas", "library"},
    "pipeline": {"schemas", "library", "pipeline"},
    "model": {"schemas", "library", "model"},
    "jobs": {"schemas", "library", "pipeline", "model", "jobs"},
}
#: The rooms of each package, from the ground up. A module imports from its own room and from those before it.
FLOORS = {
    "library": ("neighbours", "order", "resize", "shards", "items", "frames", "corpus", "clips", "dataset"),
    "pipeline": (
        "decode", "parse", "find", "recipes", "merge", "filters", "run", "speech", "text", "ledger", "read", "embeddings",
        "fragments", "fetch", "corpus", "plan", "publish", "build", "revise", "explain", "verify", "audit", "browse",
        "stages",
    ),
    "model": ("network", "data", "weights", "retrieval", "training"),
    "jobs": (
        "command_examples", "damage", "dashed_ids", "terminal", "changes", "decision_files", "presets", "init", "job", "lease",
        "lock", "stop_signals", "build", "versions", "curate", "explain", "retrieve", "publish", "train", "commands", "cli",
        "flex_template",
    ),
}  # fmt: skip
WITHOUT_BEAM = {
    "pipeline": {
        "decode",
        "parse",
        "find",
        "recipes",
        "merge",
        "filters",
        "speech",
        "text",
        "corpus",
        "publish",
        "verify",
        "browse",
    },
}
FORBIDDEN = {
    "schemas": {"apache_beam", "av", "torch"},
    "library": {"apache_beam", "av", "webdataset"},
    "model": {"apache_beam", "av"},
}


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


def modules(package: str) -> dict[str, set[str]]:
    """Every module of a package, and what it imports of it; both with dots and without the package's name."""
    files = {
        ".".join(path.relative_to(ROOT / package).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / package).rglob("*.py")
        if path != ROOT / package / "__init__.py"
    }
    prefix = f"longtake.{package}."
    found = {}
    for name, path in files.items():
        asked = {one.removeprefix(prefix) for one in imported(path) if one.startswith(prefix)}
        found[name] = {one if one in files else one.rpartition(".")[0] for one in asked} - {name}
    return found


@pytest.mark.parametrize("package", FLOORS)
def test_no_import_runs_back_up(package: str) -> None:
    floors = FLOORS[package]
    for name, asked in modules(package).items():
        room = name.split(".")[0]
        assert room in floors, f"{package}/{room}: on which floor?"
        for other in asked:
            assert floors.index(other.split(".")[0]) <= floors.index(room), f"{package}.{name} imports {other}"


@pytest.mark.parametrize("package", ["schemas", *FLOORS])
def test_no_import_runs_in_a_circle(package: str) -> None:
    left = modules(package)
    while ends := {name for name, asked in left.items() if not asked & left.keys()}:
        left = {name: asked for name, asked in left.items() if name not in ends}
    assert not left


@pytest.mark.parametrize(("package", "rooms"), WITHOUT_BEAM.items())
def test_what_needs_no_engine_imports_none(package: str, rooms: set[str]) -> None:
    for room in rooms:
        files = list((ROOT / package / room).rglob("*.py"))
        assert files
        for path in files:
            assert not any(name.startswith("apache_beam") for name in imported(path)), path


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*"):
            assert path.stem not in empty, path
