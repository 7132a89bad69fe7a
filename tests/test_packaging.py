"""What is shipped to workers: the source distribution of `--setup_file`, its requirements, the images, the template."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml
from apache_beam.runners.portability.stager import Stager
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sources import REPOSITORY

PACKAGES = ("package", "schemas", "library", "pipeline", "model", "jobs")
DOCKER = REPOSITORY / "docker"


def pins(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(line.split("==")[0]): line.partition(";")[0].split("==")[1] for line in lines}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, made by Beam from setup.py as for `--setup_file`."""
    copy, out = tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("dist")
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, copy)
    return Path(Stager._build_setup_package(str(copy / "setup.py"), str(out)))


def test_the_source_distribution_holds_every_module_and_data_file(sdist: Path) -> None:
    with tarfile.open(sdist) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    wanted = {
        str(path.relative_to(REPOSITORY))
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(wanted) > 100
    assert not wanted - held


def test_what_a_worker_installs_from_it_works(sdist: Path, tmp_path: Path) -> None:
    """Installed where nothing of the repository is in reach, the command starts and finds its data files."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*install, "--target", str(tmp_path / "site"), str(sdist)], check=True, capture_output=True)
    program = (
        "import sys; sys.path.insert(0, 'site'); import longtake.jobs.cli as cli; "
        "assert cli.__file__.startswith(sys.argv.pop(1)), cli.__file__; cli.main()"
    )
    run = [sys.executable, "-I", "-c", program, str(tmp_path / "site"), "init", str(tmp_path / "mine")]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine" / "corpus.yaml").read_text() == (
        REPOSITORY / "jobs/corpus_short_template.yaml"
    ).read_text()


def test_requirements_of_workers_are_those_that_were_tested() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needs = [*project["dependencies"], *extras["build"], *extras["ffmpeg"], *extras["gcp"], *extras["aws"]]
    names = {canonicalize_name(Requirement(need).name) for need in needs} - {"longtake", "apache-beam"}
    required, tested = pins(DOCKER / "worker-requirements.txt"), pins(REPOSITORY / "constraints.txt")
    assert set(required) == names
    assert required == {name: tested[name] for name in names}


def test_the_image_is_made_of_what_there_is() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    tested = pins(REPOSITORY / "constraints.txt")
    assert f"ARG BEAM={tested['apache-beam']}\n" in text
    assert "beam_python3.11_sdk" in text
    sources = [word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M) for word in line.split()]
    assert set(PACKAGES) <= set(sources)
    allowed = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert f"!{source}" in allowed
    assert {"decord", "torch"}.isdisjoint(pins(DOCKER / "worker-requirements.txt"))


@pytest.mark.parametrize("cluster", ["flink", "spark"])
def test_worker_pools_of_clusters_are_open_to_nobody(cluster: str) -> None:
    services = yaml.safe_load((DOCKER / cluster / "compose.yaml").read_text())["services"]
    pool = services["workers"]
    assert pool["command"] == ["--worker_pool"]
    assert pool["network_mode"].removeprefix("service:") in services
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_the_metadata_of_the_template_is_that_of_the_code() -> None:
    from longtake.jobs.flex_template import metadata

    assert json.loads((DOCKER / "flex-template.json").read_text()) == metadata()
