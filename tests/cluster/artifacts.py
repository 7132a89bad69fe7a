"""Servers that the cluster tests start: pinned versions, each fetched once into one folder through its registry's own client.

`LONGTAKE_CLUSTER` names the folder; the default is ~/.cache/longtake-cluster. A registry that refuses is quoted word for word.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0"
S3_SERVER = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
GS_SERVER = "github.com/fsouza/fake-gcs-server@v1.52.3"
KUBECONFORM = "github.com/yannh/kubeconform/cmd/kubeconform@v0.6.7"
FLINK, SPARK = "1.20.3", "3.5.7"
#: Where Beam's runner for an engine comes from; only Maven Central has it.
JOB_SERVERS = {
    "flink": f"org.apache.beam:beam-runners-flink-{FLINK.rpartition('.')[0]}-job-server:2.77.0",
    "spark": "org.apache.beam:beam-runners-spark-3-job-server:2.77.0",
}
_PATIENCE = 900  # seconds for one artifact


class RefusedError(RuntimeError):
    """A registry does not serve an artifact; the message is its answer."""


def folder() -> Path:
    """Where all artifacts lie."""
    found = Path(os.environ.get("LONGTAKE_CLUSTER") or Path.home() / ".cache" / "longtake-cluster")
    found.mkdir(parents=True, exist_ok=True)
    return found


def program(module: str) -> str:
    """The path of a Go program, installed at the version that `module` ends with. Raises RefusedError."""
    path = folder() / "bin" / module.partition("@")[0].rpartition("/")[2]
    if not path.exists():
        place = os.environ | {"GOBIN": str(path.parent), "GOPATH": str(folder() / "go")}
        _ask(["go", "install", module], place)
    return str(path)


def flink_libraries() -> Path:
    """The folder with the jars of Flink, from PyPI's apache-flink-libraries. Raises RefusedError."""
    name = f"apache-flink-libraries-{FLINK}"
    jars = folder() / name / "deps" / "lib"
    if not jars.is_dir():
        _unpack(f"apache-flink-libraries=={FLINK}", name)
    return jars


def spark_home() -> Path:
    """The folder that Spark calls its home, from PyPI's pyspark. Raises RefusedError."""
    name = f"pyspark-{SPARK}"
    if not (folder() / name / "deps" / "jars").is_dir():
        _unpack(f"pyspark=={SPARK}", name)
    return folder() / name / "deps"


def job_server(engine: str) -> Path:
    """The jar of Beam's job server for `engine`: LONGTAKE_{ENGINE}_JOB_SERVER, else Maven Central's. Raises RefusedError."""
    if own := os.environ.get(f"LONGTAKE_{engine.upper()}_JOB_SERVER"):
        return Path(own)
    group, name, version = JOB_SERVERS[engine].split(":")
    jar = Path.home() / ".m2" / "repository" / group.replace(".", "/") / name / version / f"{name}-{version}.jar"
    if not jar.exists():
        _ask(["mvn", "-q", "-B", "dependency:get", f"-Dartifact={JOB_SERVERS[engine]}", "-Dtransitive=false"])
    return jar


def _unpack(requirement: str, name: str) -> None:
    into = folder() / "downloads"
    wanted = ["--no-deps", "--no-binary=:all:", "--no-build-isolation", "--dest", str(into)]
    _ask([sys.executable, "-m", "pip", "download", "--quiet", *wanted, requirement])
    (archive,) = into.glob(f"{name}.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder(), filter="data")


def _ask(command: list[str], environment: dict[str, str] | None = None) -> None:
    if shutil.which(command[0]) is None:
        raise RefusedError(f"{command[0]} is not installed")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        faults = [line for line in said.splitlines() if "ERROR" in line or "rror:" in line or "not found" in line]
        raise RefusedError(f"{' '.join(command)}: {(faults or said.splitlines() or ['no message'])[0]}")


@contextmanager
def or_skip() -> Iterator[None]:
    """Skip the test if the registry refuses what the block asks for."""
    try:
        yield
    except RefusedError as refused:
        pytest.skip(str(refused))
