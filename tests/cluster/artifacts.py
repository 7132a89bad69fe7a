"""Servers that the cluster tests start: pinned versions, each fetched once into one folder through its registry's own client.

`LONGTAKE_CLUSTER` names the folder; the default is ~/.cache/longtake-cluster. A registry that refuses is quoted word for word.

    python tests/cluster/artifacts.py flink     fetches Beam's job server for an engine, and prints the path of its jar
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
from zipfile import ZipFile

import pytest

PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0"
#: Beam's boot program, which starts an SDK worker where a runner may start processes.
BOOT = "github.com/apache/beam/sdks/v2/python/container@v2.77.0"
S3_SERVER = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
GS_SERVER = "github.com/fsouza/fake-gcs-server@v1.52.3"
FLINK, SPARK = "1.19.3", "3.5.7"
#: The release of Beam's Java part. It is older than the Python part: the newest whose runners for both engines were served.
BEAM = "2.62.0"
#: The module of Beam's runner for an engine, and the class that starts its job server.
JOB_SERVERS = {
    "flink": ("beam-runners-flink-1.19", "org.apache.beam.runners.flink.FlinkJobServerDriver"),
    "spark": ("beam-runners-spark-3", "org.apache.beam.runners.spark.SparkJobServerDriver"),
}
#: What the engines need of Java 17, as their own scripts have it.
OPENS = [
    f"java.base/{name}"
    for name in (
        "java.io", "java.lang", "java.lang.invoke", "java.lang.reflect", "java.net", "java.nio", "java.text", "java.time",
        "java.util", "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks", "sun.nio.ch",
        "sun.nio.cs", "sun.security.action", "sun.util.calendar",
    )
]  # fmt: skip
#: How a skip begins that is a registry's doing; the end of each run of tests repeats it.
CANNOT = "CANNOT RUN HERE"
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
    """The jar that starts Beam's job server for `engine`, made of modules of Maven Central. Raises RefusedError.

    Beam also publishes each job server as one jar, which not every copy of Maven Central serves; LONGTAKE_{ENGINE}_JOB_SERVER
    may name that one.
    """
    if own := os.environ.get(f"LONGTAKE_{engine.upper()}_JOB_SERVER"):
        return Path(own)
    module, main = JOB_SERVERS[engine]
    jars = folder() / f"{module}-{BEAM}"
    if not (made := jars / "job-server.jar").exists():
        pom = Path(__file__).with_name("job-server-pom.xml")
        wanted = [f"-Dbeam={BEAM}", f"-Drunner={module}", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        _ask(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", *wanted])
        beside = list((spark_home() / "jars").glob("*.jar")) if engine == "spark" else []
        _write_starter(made, main, [*sorted(jars.glob("*.jar")), *sorted(beside)])
    return made


def _write_starter(path: Path, main: str, jars: list[Path]) -> None:
    """Write a jar for `java -jar` that holds only a manifest: what to start, and where its classes are."""
    places = " ".join(os.path.relpath(jar, path.parent) for jar in jars)
    manifest = f"Manifest-Version: 1.0\nMain-Class: {main}\nAdd-Opens: {' '.join(OPENS)}\nClass-Path: {places}\n"
    with ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "".join(map(_folded, manifest.splitlines())))


def _folded(line: str) -> str:
    """A line of a manifest, which may have 72 bytes; a further line of it starts with a space."""
    return "\n ".join([line[:72], *(line[at : at + 71] for at in range(72, len(line), 71))]) + "\n"


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
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise RefusedError(f"{' '.join(command)}: no end after {_PATIENCE} s") from None
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
        pytest.skip(f"{CANNOT}: {refused}")


if __name__ == "__main__":
    try:
        print(job_server(sys.argv[1]))
    except RefusedError as refused:
        sys.exit(f"{sys.argv[1].upper()} {CANNOT}: {refused}")
