"""The declared surface (docs/python.md): complete, typed, free to import, documented, and its examples run."""

import ast
import importlib
import inspect
import re
import runpy
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from sources import REPOSITORY

import longtake

PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
LISTED = {
    package: re.findall(r"`(\w+)`", names)
    for package, names in re.findall(r"^\| `(longtake[\w.]*)` \| (.+) \|$", PAGE, re.M)
}
LAZY = ["longtake", "longtake.schemas", "longtake.pipeline", "longtake.model", "longtake.jobs"]
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
    assert set(found.split()) == {*LAZY[1:], "longtake.schemas.exports"}


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


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's sources, and its corpus below `out`, made by the example that builds."""
    folder = tmp_path_factory.mktemp("demo")
    for name in ("videos", "subs", "videos.jsonl"):
        (folder / name).symlink_to(REPOSITORY / "examples" / "demo" / name)
    text = (REPOSITORY / "examples" / "demo" / "corpus.yaml").read_text()
    (folder / "corpus.yaml").write_text(text.replace("../../out/demo", "out/demo"))
    (folder / "build.py").write_text(EXAMPLES[4].replace("examples/demo/corpus.yaml", "corpus.yaml"))
    found = run([sys.executable, "build.py"], folder)
    assert found.endswith("5 samples\n")
    return folder


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("number", "printed"), [(2, r"^mammals-\d+-\d+: 16 sentences"), (3, r"^\[0, 1\d\d\d, 3\d\d\d\]$")]
)
def test_the_examples_run(number: int, printed: str) -> None:
    found = run([sys.executable, "-c", EXAMPLES[number]], REPOSITORY)
    assert re.search(printed, found), found


@pytest.mark.slow
def test_the_examples_that_read_a_corpus_run(demo: Path) -> None:
    found = run([sys.executable, "-c", EXAMPLES[0]], demo)
    assert found.startswith("5 samples, 288 frames, 1 sentence dropped\nmammals-000000033-000051064 (64, 240, 240, 3) ")
    assert found.endswith("[{'stage': 'probe', 'reason': 'span_past_end'}]\n")
    assert run([sys.executable, "-c", EXAMPLES[1]], demo) == 2 * "torch.Size([2, 16, 224, 224, 3]) torch.uint8 2\n"


@pytest.mark.slow
def test_videomae_learns_to_tell_the_videos_of_the_demo_apart(demo: Path) -> None:
    example = REPOSITORY / "examples" / "finetune_videomae.py"
    assert len(example.read_text().splitlines()) <= 40
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        losses = runpy.run_path(str(example))["train"](str(demo / "out" / "demo"), steps=40)
    finally:
        torch.set_num_threads(before)
    assert len(losses) == 40 and sum(losses[-8:]) < 0.85 * sum(losses[:8])
