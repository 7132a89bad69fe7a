"""The examples of docs/extending.md: their patches fit the code, are short, and do what their tests say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sources import REPOSITORY

PACKAGES = ("schemas", "library", "pipeline", "model", "jobs")
PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
PATCHES = re.findall(r"```diff\n(.+?)```", PAGE, re.S)
CHECKS = re.findall(r"```python\n(.+?)```", PAGE, re.S)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with all patches."""
    folder = tmp_path_factory.mktemp("extended")
    (folder / "longtake").mkdir()
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "package" / "__init__.py", folder / "longtake")
    for patch in PATCHES:
        subprocess.run(["git", "apply", "-"], input=patch, cwd=folder, check=True, text=True, capture_output=True)
    for package in PACKAGES:
        (folder / "longtake" / package).symlink_to(folder / package)
    return folder


def test_each_example_is_short() -> None:
    assert len(PATCHES) == len(CHECKS) == PAGE.count("\n## ") == 3
    for patch in PATCHES:
        assert len(re.findall(r"^\+(?!\+\+)", patch, re.M)) < 40


@pytest.mark.parametrize("number", range(len(CHECKS)))
def test_each_example_does_what_it_says(extended: Path, tmp_path: Path, number: int) -> None:
    code = f"import longtake.jobs\nassert longtake.jobs.__file__.startswith({str(extended)!r})\n{CHECKS[number]}"
    environment = {**os.environ, "PYTHONPATH": str(extended)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
