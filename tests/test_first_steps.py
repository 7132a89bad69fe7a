"""The first steps in README, one after the other, as they stand there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from sources import REPOSITORY, longtake_here

STEPS = re.findall(
    r"```(sh|python)\n(.+?)```",
    (REPOSITORY / "README.md").read_text(encoding="utf-8").split("## First steps")[1].split("\n## ")[0],
    re.S,
)
SHORTER = ("--set", "steps=2", "--set", "save.every=2", "--set", "evaluate.every=2")


def test_the_first_steps_of_the_readme(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "examples" / "demo", tmp_path / "examples" / "demo")
    printed = []
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for kind, text in STEPS:
            assert len(text.splitlines()) <= 10
            if kind == "python":
                ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
                assert ended.returncode == 0, ended.stderr
                printed.append(ended.stdout)
                continue
            for line in text.splitlines():
                program, *arguments = shlex.split(line, comments=True)
                assert program == "longtake"
                done = longtake_here(*arguments, *(SHORTER if arguments[0] == "train" else ()))
                assert done.returncode == 0, done.stderr
    finally:
        os.chdir(before)
    assert [kind for kind, _ in STEPS] == ["sh", "python", "sh", "python"]
    assert (tmp_path / "sample.png").stat().st_size > 10_000
    shape = re.search(r"# (\(.+?\)): uint8", STEPS[1][1])
    assert shape is not None and shape[1] in printed[0], "the shape that the page shows"
    assert "torch.Size" in printed[1] or "(2," in printed[1]
