"""The declared surface (docs/python.md): complete, typed, free to import, documented, and its examples run."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from sources import LAST_MAN, REPOSITORY, Video, source_set, spoken

import longtake

PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
LISTED = {
    package: re.findall(r"`(\w+)`", names)
    for package, names in re.findall(r"^\| `(longtake\.[\w.]+)` \| (.+) \|$", PAGE, re.M)
}
LAZY = ["longtake.schemas", "longtake.pipeline", "longtake.model", "longtake.jobs"]
EXAMPLES = re.findall(r"```python\n(.+?)```", PAGE, re.S)


def exported(package: str) -> dict[str, Any]:
    return {name: getattr(importlib.import_module(package), name) for name in LISTED[package]}


def test_the_version_is_that_of_the_installed_package() -> None:
    assert longtake.__version__ == version("longtake")
    with pytest.raises(AttributeError):
        _ = longtake.__nothing__


@pytest.mark.parametrize("package", LISTED)
def test_the_page_lists_what_a_package_exports(package: str) -> None:
    module = importlib.import_module(package)
    names = dir(module) if package in LAZY else module.__all__
    assert LISTED[package] == sorted(names)
    assert all(value is not None for value in exported(package).values())
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_see_the_same_names(package: str) -> None:
    module = importlib.import_module(package)
    (block,) = (n for n in ast.parse(inspect.getsource(module)).body if isinstance(n, ast.If))
    typed = {
        f"{node.module}.{alias.name}" for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert typed == {f"{package}.{name}.{one}" for name, names in module.EXPORTS.items() for one in names}


def test_importing_the_packages_imports_none_of_their_modules() -> None:
    code = f"import sys, {', '.join(LAZY)}\nprint(*(name for name in sys.modules if name.startswith('longtake.')))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert set(found.split()) == {*LAZY, "longtake.schemas.exports"}


def functions() -> list[tuple[str, Any]]:
    found = []
    for package in LISTED:
        for name, value in exported(package).items():
            if inspect.isfunction(value):
                found.append((f"{package}.{name}", value))
            elif inspect.isclass(value):
                own = {n: v for n, v in vars(value).items() if inspect.isfunction(v) and not n.startswith("_")}
                found += [(f"{package}.{name}.{n}", v) for n, v in own.items() if v.__module__.startswith("longtake.")]
    return found


@pytest.mark.parametrize(("name", "function"), functions())
def test_each_is_documented_and_where_it_takes_much_each_argument_is(name: str, function: Any) -> None:
    told = inspect.getdoc(function)
    assert told, name
    arguments = [argument for argument in inspect.signature(function).parameters if argument != "self"]
    if len(arguments) >= 4:
        assert re.findall(r"^    (\w+): ", told.partition("Args:\n")[2].partition("\n\n")[0], re.M) == arguments
        assert "\nReturns:\n" in told


@pytest.mark.parametrize("number", range(2))
def test_the_examples_run(number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[number]], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert re.search((r"^mammals-\d+-\d+: 16 sentences", r"^\[0, 1\d\d\d, 3\d\d\d\]$")[number], done.stdout), (
        done.stdout
    )


def test_the_example_that_builds_runs(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(4), LAST_MAN)])
    script = tmp_path / "build.py"
    script.write_text(EXAMPLES[2].replace("examples/demo/corpus.yaml", str(sources.config)))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("1 samples\n")
