"""The wheel in an empty virtual environment: what each extra serves works, and what it does not serve says so in one line.

`make test` tries the plain wheel on the Python that runs it. `make test-all` tries every extra on every Python of PYTHONS that is
on this machine. torch takes gigabytes, so [train] and [text] borrow the one beside pytest; on other Pythons they are tried if the
folder LONGTAKE_TORCH has one, as `python3.12 -m pip install --target $LONGTAKE_TORCH/3.12 torch==2.13.0` leaves it.
"""

import importlib.metadata as metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import corpora
import pytest
import whisper_model
from object_stores import emulators, missing, new_bucket, upload
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sources import DEMO, REPOSITORY
from web import serving

from longtake.jobs.commands import GROUPS, NEEDS
from longtake.schemas import extras

COMMANDS = [name for commands in GROUPS.values() for name in commands]
PYTHONS = ("3.11", "3.12", "3.13")
HERE = f"3.{sys.version_info.minor}"
#: The extras that bring all that a command needs.
SERVES = {
    "": (),
    "build": ("build",),
    "text": ("build",),
    "fetch": ("build", "fetch"),
    "asr": ("build",),
    "gcp": ("build",),
    "aws": ("build",),
    "audit": ("build", "audit"),
    "train": ("train",),
}
BORROWED = {"text", "train"}
_HEAVY = re.compile(r"(torch|triton|nvidia|cuda|torchgen|functorch)(?![a-z])")
#: Runs commands one after the other in one process; prints [exit code, standard error] of each.
_IN_ONE = """
import contextlib, io, json, sys
from longtake.jobs.cli import main
found = []
for words in json.loads(sys.argv[1]):
    sys.argv, errors, code = ["longtake", *words], io.StringIO(), 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    found.append([code, errors.getvalue()])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution of this tree, and the wheel made from it."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    ).stdout if (REPOSITORY / ".git").exists() else ""  # fmt: skip
    if not listed:
        shutil.copytree(
            REPOSITORY, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".venv", ".links", "__pycache__")
        )
    for name in filter(None, listed.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (REPOSITORY / name).is_file() and not name.startswith((".links", ".venv")):
            shutil.copy(REPOSITORY / name, copy / name)
    build = f"import setuptools.build_meta as b; b.build_sdist({str(out)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    (made,) = out.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(out), str(made)], check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (made,) = dist.glob("*.whl")
    return made


# -- metadata ----------------------------------------------------------------------------------------------------------


def test_the_table_of_extras_is_that_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = project["optional-dependencies"]
    base = {canonicalize_name(Requirement(need).name) for need in project["dependencies"]}
    of_import = {"Cryptodome": "pycryptodomex", "ffmpeg": "ffmpeg-python", "umap": "umap-learn"}
    assert set(declared) - {"dev", "docs", "all"} == set(extras.EXTRAS)
    for name, packages in extras.EXTRAS.items():
        needs = {canonicalize_name(Requirement(need).name) for need in declared[name]}
        assert ("longtake" in needs) == (name in extras.WITH_BUILD), name
        listed = {canonicalize_name(of_import.get(package, package)) for package in packages}
        assert listed == needs - {"longtake"} - ({"apache-beam"} if name == "gcp" else set()), name
        assert not listed & base, name


def test_the_metadata_says_what_was_tried_and_its_description_has_absolute_links(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        found = metadata.PathDistribution(zipfile.Path(archive, name.rpartition("/")[0] + "/")).metadata
        assert found["License-Expression"] == "Apache-2.0" and found["Requires-Python"] == ">=3.11"
        said = found.get_all("Classifier") or []
        assert [one.rpartition(" ")[2] for one in said if re.search(r":: 3\.\d+$", one)] == list(PYTHONS)
        text = str(found.get_payload())  # type: ignore[attr-defined]
    assert found["Description-Content-Type"] == "text/markdown"
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    for link in links:
        assert re.match(r"https://(github\.com|raw\.githubusercontent\.com)/longtake/longtake/", link), link
        place = link.split("/main/")[1].partition("#")[0]
        assert (REPOSITORY / place).exists(), place


def test_the_source_distribution_has_all_that_its_tests_look_at(dist: Path) -> None:
    (made,) = dist.glob("*.tar.gz")
    with tarfile.open(made) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    for folder in ("tests", "docs", "docker", "examples", "benchmarks", ".ci"):
        wanted = {
            str(path.relative_to(REPOSITORY))
            for path in (REPOSITORY / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and "out" not in path.relative_to(REPOSITORY).parts
        }
        assert wanted and not wanted - held
    assert {"Makefile", "constraints.txt", "CHANGELOG.md", "CONTRIBUTING.md"} <= held


@pytest.mark.exhaustive  # runs other tests again, from the unpacked source distribution
def test_the_source_distribution_tests_itself(dist: Path, tmp_path: Path) -> None:
    (made,) = dist.glob("*.tar.gz")
    with tarfile.open(made) as tar:
        tar.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    links = tmp_path / "links" / "longtake"
    links.mkdir(parents=True)
    for name in ("__init__.py", "torch.py", "py.typed"):
        (links / name).symlink_to(root / "package" / name)
    for name in ("schemas", "library", "pipeline", "model", "jobs"):
        (links / name).symlink_to(root / name)
    some = [
        "tests/schemas",
        "tests/pipeline/parse",
        "tests/jobs/test_habits.py",
        "tests/test_imports.py",
        "tests/test_wheel.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *some, "-k", "not plain_wheel"],
        cwd=root, env={**os.environ, "PYTHONPATH": str(links.parent)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


# -- the matrix --------------------------------------------------------------------------------------------------------


def interpreter(version: str) -> str | None:
    """The path of a Python of this version on this machine, other than a virtual environment's."""
    if version == HERE:
        return getattr(sys, "_base_executable", sys.executable)
    places = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}*/bin/python"))]
    for place in filter(None, places):
        asked = subprocess.run([place, "-c", "import sys, venv; print(sys.version)"], capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.startswith(version):
            return place
    return None


def torch_for(version: str) -> Path | None:
    """The folder of packages with a torch for this Python."""
    if version == HERE:
        return Path(str(metadata.distribution("torch").locate_file("")))
    given = Path(os.environ.get("LONGTAKE_TORCH", ""), version)
    return given if (given / "torch").is_dir() else None


class Environment:
    """A virtual environment with the wheel and one extra. It borrows torch from the folder `torch`, if given."""

    def __init__(self, folder: Path, base: str, wheel: Path, extra: str, torch: Path | None = None) -> None:
        self.folder, self.env = folder, {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "COLUMNS")}
        subprocess.run([base, "-m", "venv", str(folder / "venv")], check=True, capture_output=True)
        self.python = str(folder / "venv" / "bin" / "python")
        if torch:
            self._borrow(torch)
        what = f"{wheel}[{extra}]" if extra else str(wheel)
        pip = [
            self.python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--constraint",
            str(REPOSITORY / "constraints.txt"),
            what,
        ]
        done = subprocess.run(pip, capture_output=True, text=True, env=self.env)
        assert done.returncode == 0, done.stderr

    def _borrow(self, packages: Path) -> None:
        (site,) = (self.folder / "venv" / "lib").glob("python*/site-packages")
        for package in packages.iterdir():
            if _HEAVY.match(package.name):
                (site / package.name).symlink_to(package)

    def run(self, *arguments: str, code: int = 0, **env: str) -> str:
        """Run a command; return what it printed."""
        words = [self.python, "-I", "-m", "longtake.jobs.cli", *arguments]
        done = subprocess.run(words, cwd=self.folder, env=self.env | env, capture_output=True, text=True, timeout=600)
        assert done.returncode == code, (arguments, done.stdout[-1000:], done.stderr[-3000:])
        assert "Traceback" not in done.stderr
        return done.stdout

    def run_all(self, commands: list[list[str]]) -> Iterator[tuple[int, str]]:
        """Run commands in one process; yield their exit codes and what they said on standard error."""
        words = [self.python, "-I", "-c", _IN_ONE, json.dumps(commands)]
        done = subprocess.run(words, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        yield from json.loads(done.stdout)


def check_help_and_refusals(made: Environment, extra: str) -> None:
    """Every command has its help; each that needs more than `extra` ends with 3 and one line that says what to install."""
    for name, (code, errors) in zip(COMMANDS, made.run_all([[name, "--help"] for name in COMMANDS]), strict=True):
        assert (code, errors) == (0, ""), name
    arguments = {
        "status": ["c"], "diff": ["c", "d"], "clean": ["c"],
        "explain": ["c.yaml", "v"], "merge": ["c", "d", "-o", "e"], "takedown": ["c"], "reshard": ["c"], "retry": ["c"],
        "audit": ["c"], "map": ["c"], "browse": ["c"], "queues": ["c"], "curate": ["c", "--policy", "p.yaml"],
        "removals": ["c"], "card": ["c"], "attest": ["c"], "evaluate": ["r", "c"], "embed": ["r", "c", "-o", "t.parquet"],
    }  # fmt: skip
    refused = [name for name, needs in NEEDS.items() if not set(needs) <= set(SERVES[extra])]
    calls = [[name, *arguments.get(name, [])] for name in refused]
    for name, (code, errors) in zip(refused, made.run_all(calls), strict=True):
        assert code == 3, (name, errors)
        told = rf"longtake: longtake {name} needs \w+\. Install it with: pip install 'longtake\[{','.join(NEEDS[name])}\]'\n"
        assert re.fullmatch(told, errors), errors


def serves_base(made: Environment) -> None:
    corpora.build(made.folder / "corpus")
    made.run("init", "mine")
    made.run("verify", "corpus")
    made.run("verify", "corpus", "--sources", code=3)
    made.run("show", "corpus")
    made.run("show", "corpus", "gamma", "--output", "sheet.png")
    assert (made.folder / "sheet.png").stat().st_size > 1000
    (made.folder / "marks.csv").write_text("subject,subject_id,decision,label,note,curator,decided_at\n")
    made.run("decisions", "marks.csv")
    for scheme, package in (("gs", "gcsfs"), ("s3", "s3fs")):
        ((code, errors),) = made.run_all([["verify", f"{scheme}://bucket/corpus"]])
        assert code == 3 and f" {scheme}://bucket/corpus/corpus.json needs {package}. Install" in errors, errors


def demo(made: Environment, **more: Any) -> str:
    """Copy the demo beside the environment; return its configuration, as JSON, which is YAML."""
    shutil.copytree(DEMO, made.folder / "demo", ignore=shutil.ignore_patterns("out"))
    config = {
        "name": "demo", "output": "out",
        "source": {"videos": "videos.jsonl", "text": {"format": "vtt", "path": "subs/{video_id}.en.vtt"}},
        "merge": {"max_sentences": 8}, "frames": {"short_side": 64},
    } | more  # fmt: skip
    (made.folder / "demo" / "corpus.yaml").write_text(json.dumps(config))
    return "demo/corpus.yaml"


def serves_build(made: Environment) -> None:
    config = demo(made)
    made.run("plan", config, "--set", "merge.max_sentences=6")
    made.run("build", config)
    made.run("status", "demo/out")
    made.run("verify", "demo/out")
    made.run("explain", config, "mammals")
    made.run("explain", config, "mammals", "--picture", "p.png", code=3)
    made.run("plan", config, "--set", "filters.languages=[en]", "--set", "output=other", code=3)
    made.run("clean", "demo/out")
    made.run("retry", "demo/out", "--config", config)
    made.run("reshard", "demo/out", "--samples", "2")
    (made.folder / "ids.txt").write_text("last-man\n")
    shutil.copytree(made.folder / "demo" / "out", made.folder / "second")
    made.run("takedown", "demo/out", "--videos", "ids.txt")
    made.run("diff", "demo/out", "second", "--json")
    made.run("merge", "demo/out", "second", "--output", "both")
    for corpus in ("demo/out", "second", "both"):
        made.run("verify", corpus)


def serves_text(made: Environment) -> None:
    config = demo(
        made,
        coherence={"enabled": True},
        filters={"languages": ["en"], "pii": "mask", "scores": True},
        duplicates={"paragraphs": "drop", "videos": "drop"},
    )
    made.run("plan", config)
    made.run("explain", config, "mammals", "--picture", "p.png")
    assert (made.folder / "p.png").stat().st_size > 1000


def serves_audit(made: Environment) -> None:
    made.run("build", demo(made))
    made.run("audit", "demo/out", "--config", "demo/corpus.yaml")
    words = [made.python, "-I", "-u", "-m", "longtake.jobs.cli", "browse", "demo/out", "--port", "0"]
    process = subprocess.Popen(words, cwd=made.folder, env=made.env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = next(line.split()[1] for line in process.stdout if line.startswith("Open "))
    with urllib.request.urlopen(address, timeout=60) as page:  # noqa: S310
        assert b"demo" in page.read()
    process.terminate()
    assert process.wait(60) == 0


def serves_train(made: Environment) -> None:
    corpora.build(made.folder / "corpus")
    config = {
        "corpus": "corpus", "output": "run", "model": {"size": "tiny"}, "batch_size": 2, "steps": 2, "log_every": 1,
        "data": {"sentences": 2, "workers": 0, "frames_per_sentence": 2}, "save": {"every": 2},
    }  # fmt: skip
    (made.folder / "train.yaml").write_text(json.dumps(config))
    made.run("train", "train.yaml")
    made.run("evaluate", "run", "corpus", "--split", "train", "--json", "metrics.json")
    made.run("evaluate", "run", "--annotations=a.json", "--format=didemo", "--videos=.", code=3)
    made.run("train", "train.yaml", "--set", "log_to=[wandb]", "--set", "output=other", code=3)


def serves_fetch(made: Environment) -> None:
    with serving() as web:
        web.files["/a.mp4"] = (DEMO / "videos" / "last-man.mp4").read_bytes()
        web.files["/p.html"] = b"<title>x</title><video src='a.mp4'></video>"
        (made.folder / "links.txt").write_text("".join(f"{web.url(path)}\n" for path in ("/a.mp4", "/p.html")))
        fetch = {"urls": "links.txt", "allow_private": True}
        source = {"videos": "videos.jsonl", "uri": "videos/{video_id}.mp4", "fetch": fetch}
        (made.folder / "c.yaml").write_text(json.dumps({"name": "x", "output": "out", "source": source}))
        made.run("fetch", "c.yaml", "--dry-run")
        made.run("fetch", "c.yaml")
    assert len(list((made.folder / "videos").glob("*.mp4"))) == 2


def serves_asr(made: Environment) -> None:
    model = whisper_model.joined()
    (made.folder / "films").mkdir()
    shutil.copy(DEMO / "videos" / "last-man.mp4", made.folder / "films" / "said.mp4")
    text = {"format": "asr", "model": str(model), "language": "en"}
    config = {"name": "x", "output": "out", "source": {"folder": "films", "text": text}, "merge": {"min_sentences": 1}}
    (made.folder / "c.yaml").write_text(json.dumps(config))
    made.run("plan", "c.yaml")
    stored = (made.folder / "out" / "staging" / "speech").rglob("*.json")
    assert any("inherited the world" in path.read_text() for path in stored)


def serves_store(made: Environment, scheme: str) -> None:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        env = stack.enter_context(emulators())
        for name, value in env.items():
            patch.setenv(name, value)
        place = new_bucket(scheme)
        corpora.build(made.folder / "corpus")
        upload(made.folder / "corpus", place)
        assert "every check passed" in made.run("verify", place, **env)


@pytest.mark.parametrize(
    ("python", "extra"),
    [
        pytest.param(
            python, extra,
            marks=() if (python, extra) == (HERE, "") else pytest.mark.exhaustive,  # installs up to a gigabyte each
            id=f"{extra or 'plain_wheel'}-{python}",
        )
        for python in PYTHONS for extra in SERVES
    ],
)  # fmt: skip
def test_what_a_user_installs_starts(wheel: Path, tmp_path: Path, python: str, extra: str) -> None:
    """In an empty virtual environment: what the extra serves works, all else says in one line what it needs."""
    if (base := interpreter(python)) is None:
        pytest.skip(f"there is no Python {python} on this machine")
    torch = torch_for(python) if extra in BORROWED else None
    if extra in BORROWED and torch is None:
        pytest.skip(f"there is no torch, several gigabytes, for Python {python} in LONGTAKE_TORCH")
    if extra in ("gcp", "aws") and missing():
        pytest.skip(f"not installed here: {', '.join(missing())}")
    made = Environment(tmp_path, base, wheel, extra, torch)
    check_help_and_refusals(made, extra)
    {
        "": serves_base,
        "build": serves_build,
        "fetch": serves_fetch,
        "asr": serves_asr,
        "text": serves_text,
        "audit": serves_audit,
        "train": serves_train,
        "gcp": lambda made: serves_store(made, "gs"),
        "aws": lambda made: serves_store(made, "s3"),
    }[extra](made)
