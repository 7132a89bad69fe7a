"""A cluster for tests: a launcher, a runner, two hosts with workers, one with an object store, and one that only watches."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import artifacts
import fsspec
import hosts
import object_stores
import pytest
from hosts import Host
from sources import DEMO, command

from longtake.schemas import storage

NAMES = ("launcher", "runner", "standby", "worker1", "worker2", "storage", "watcher")
POOL, PRISM, STORE, FRONT = 50000, 8073, 7070, 50001
S3 = object_stores.CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://storage:{STORE}"}
GS = {"STORAGE_EMULATOR_HOST": "http://storage:4443"}
#: Pools and Beam's boot program start workers as `python`.
WITH_PYTHON = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
_FORWARD = Path(__file__).parent / "forward.py"


@dataclass
class Cluster:
    """Hosts whose only common storage is the object store on one of them."""

    hosts: dict[str, Host]
    folder: Path
    pools: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    flink: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    spark: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    zookeeper: subprocess.Popen[bytes] | None = None
    jobs: str = ""  # where Flink keeps its jobs for the next job manager
    store: Any = None

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def longtake(self, *arguments: str, on: str = "launcher", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a host to its end."""
        return self[on].run(command(*arguments), **environment)

    def begin(self, *arguments: str, log: str = "longtake", on: str = "launcher", **environment: str) -> Any:
        """Start a command on a host. What it prints is in that host's log."""
        return self[on].start(command(*arguments), log, **environment)

    def status(self, output: str, on: str = "watcher") -> dict[str, Any]:
        """What `longtake status` says on a host that has no part in the job."""
        done = self.longtake("status", output, "--json", on=on)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def wait_for_file(self, output: str, pattern: str, job: subprocess.Popen[bytes]) -> None:
        """Wait until the output of a job has such a file. The disk of the store tells at once, however slow its link is."""
        folder = self["storage"].folder / "s3" / output.removeprefix("s3://")
        deadline = time.monotonic() + 300
        while not list(folder.glob(pattern)):
            assert job.poll() is None, "it ended before anything could go wrong"
            assert time.monotonic() < deadline, f"no {pattern} in 300 s"
            time.sleep(0.05)

    # Servers.

    def start_s3(self, *more: str) -> None:
        """versitygw, an S3 server on a folder of its host. Its clients need `S3` in their environment."""
        host = self["storage"]
        root = host.folder / "s3"
        root.mkdir(exist_ok=True)
        key, secret = S3["AWS_ACCESS_KEY_ID"], S3["AWS_SECRET_ACCESS_KEY"]
        server = [artifacts.program(artifacts.S3_SERVER), "--access", key, "--secret", secret, "--port", f":{STORE}"]
        process = host.start([*server, "--quiet", *more, "posix", str(root)], "s3")
        host.wait_for(STORE, process)
        for one in self.hosts.values():
            one.environment |= S3
        self.store = process

    def start_gs(self) -> subprocess.Popen[bytes]:
        """fake-gcs-server: Google's API with its preconditions, in memory."""
        host = self["storage"]
        place = ["-scheme", "http", "-port", "4443", "-backend", "memory", "-public-host", "storage:4443"]
        process = host.start([artifacts.program(artifacts.GS_SERVER), *place, "-host", host.address], "gs")
        host.wait_for(4443, process)
        for one in self.hosts.values():
            one.environment |= GS
        return process

    def start_pool(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        """Beam's worker pool, which starts SDK workers where it is asked to. One that runs already stays."""
        if name in self.pools and self.pools[name].poll() is None:
            return self.pools[name]
        host = self[name]
        pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={POOL}"]
        process = self.pools[name] = host.start(pool, "pool", PATH=WITH_PYTHON, **environment)
        host.wait_for(POOL, process)
        return process

    def start_front(self, *workers: str) -> subprocess.Popen[bytes]:
        """One address, that of the launcher, for the pools of several hosts: each worker starts on the next."""
        host = self["launcher"]
        targets = [f"{self[name].address}:{POOL}" for name in workers]
        process = host.start([sys.executable, str(_FORWARD), str(FRONT), *targets], "front")
        host.wait_for(FRONT, process)
        return process

    def start_flink(self) -> tuple[str, ...]:
        """Flink: a job manager on the runner's host, and a task manager of two slots on each worker's. What to say after `--`.

        With ZooKeeper, if that runs, another job manager stands by, and the launcher's job server asks ZooKeeper who leads.
        """
        jar = artifacts.job_server("flink")
        for name in ("runner", "worker1", "worker2"):
            self.start_flink_on(name)
        self.wait_for_flink()
        if self.zookeeper:
            self.start_flink_on("standby")
            self["standby"].wait_for(8081, self.flink["standby"])
            self["launcher"].environment["FLINK_CONF_DIR"] = str(self._configure_flink("launcher"))
        return *ON_FLINK, f"--flink_job_server_jar={jar}"

    def start_flink_on(self, name: str) -> None:
        """Start Flink's part of one host. One that runs already stays."""
        if name in self.flink and self.flink[name].poll() is None:
            return
        main = _JOB_MANAGER if name in ("runner", "standby") else _TASK_MANAGER
        self.flink[name] = self._start_java(name, "flink", main, "--configDir", str(self._configure_flink(name)))

    def _configure_flink(self, name: str) -> Path:
        """Write Flink's configuration on a host; the folder it is in."""
        conf = self[name].folder / "flink"
        conf.mkdir(exist_ok=True)
        manager = name if name == "standby" else "runner"
        text = _FLINK.format(host=self[name].address, manager=manager)
        if self.zookeeper:
            text += _FLINK_HA.format(jobs=self.jobs, key=S3["AWS_ACCESS_KEY_ID"], secret=S3["AWS_SECRET_ACCESS_KEY"])
        (conf / "config.yaml").write_text(text)
        return conf

    def start_zookeeper(self) -> None:
        """ZooKeeper, as Flink brings it, on the host of the store, where Flink will keep its jobs."""
        artifacts.flink_plugins()
        self.jobs = object_stores.new_bucket("s3")
        host = self["storage"]
        (host.folder / "zoo.cfg").write_text(_ZOOKEEPER.format(data=host.folder / "zookeeper"))
        self.zookeeper = self._start_java("storage", "zookeeper", *_QUORUM_PEER, str(host.folder / "zoo.cfg"))
        host.wait_for(2181, self.zookeeper)

    def _start_java(self, name: str, log: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a class of Flink's jars on a host."""
        host = self[name]
        (host.folder / "log4j.properties").write_text(_LOG4J)
        jars, logging = artifacts.flink_libraries(), f"-Dlog4j2.configurationFile={host.folder / 'log4j.properties'}"
        classes = f"{jars}/*{os.pathsep}{artifacts.job_server('flink')}"  # Beam's own, so that they outlive a step
        java = [*_JAVA, logging, "-Dzookeeper.admin.enableServer=false", "-cp", classes]
        more = {"FLINK_PLUGINS_DIR": str(artifacts.flink_plugins())} if self.jobs else {}
        more |= {"PATH": WITH_PYTHON, "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1"}
        return host.start([*java, *command], log, **more)

    def wait_for_flink(self) -> None:
        """Wait until all slots are there."""
        self["runner"].wait_for(8081, self.flink["runner"])
        deadline = time.monotonic() + 120
        while True:
            with suppress(OSError):  # it answers 503 until it is ready
                if self.flink_overview()["slots-total"] == 4:
                    return
            assert time.monotonic() < deadline, self["worker1"].logs["flink"].read_text()[-2000:]
            time.sleep(1)

    def flink_overview(self, manager: str = "runner") -> dict[str, Any]:
        """What Flink says of itself, asked on the host of a job manager."""
        with urllib.request.urlopen(f"http://{self[manager].address}:8081/overview", timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def start_spark(self, *workers: str) -> tuple[str, ...]:
        """Spark: a master on the runner's host, and a worker of two cores on each of `workers`. What to say after `--`."""
        jar = artifacts.job_server("spark")
        for name in ("runner", *(workers or ("worker1", "worker2"))):
            self.start_spark_on(name)
        return *ON_SPARK, f"--spark_job_server_jar={jar}"

    def start_spark_on(self, name: str) -> None:
        """Start Spark's part of one host: its master on the runner's, else a worker."""
        host, home = self[name], artifacts.spark_home()
        if name == "runner":
            port, main = 7077, [_SPARK_MASTER, "--host", name, "--port", "7077", "--webui-port", "8080"]
        else:
            place = ["--host", name, "--port", "7078", "--webui-port", "8081", "--work-dir", str(host.folder / "spark")]
            port, main = 7078, [_SPARK_WORKER, *place, "--cores", "2", "--memory", "1g", "spark://runner:7077"]
        environment = {"SPARK_HOME": str(home), "SPARK_SCALA_VERSION": "2.12"}  # as its scripts set them
        self.spark[name] = host.start([*_JAVA, "-cp", f"{home / 'jars'}/*", *main], "spark", **environment)
        host.wait_for(port, self.spark[name])

    def start_prism(self, *workers: str) -> subprocess.Popen[bytes]:
        """Prism on the runner's host. It tells workers to call localhost, so their hosts hand that port on to it."""
        host = self["runner"]
        prism = [artifacts.program(artifacts.PRISM), f"-job_port={PRISM}", "-serve_http=false", "-log_kind=text"]
        process = host.start(prism, "prism")
        end = time.monotonic() + 60
        while not _listens(host, PRISM):
            assert time.monotonic() < end and process.poll() is None, "Prism did not start"
            time.sleep(0.2)
        for name in (*workers, "launcher"):
            if "to-prism" in self[name].logs:
                continue
            self[name].start([sys.executable, str(_FORWARD), str(PRISM), f"{host.address}:{PRISM}"], "to-prism")
        return process


_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_QUORUM_PEER = ("org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer", "--peerId", "1", "--zkConfigFile")
_ZOOKEEPER = "tickTime=2000\ninitLimit=10\nsyncLimit=5\nclientPort=2181\ndataDir={data}\nserver.1=storage:2888:3888\n"
_JAVA = [
    "java", "-Xmx512m", *(f"--add-opens={name}=ALL-UNNAMED" for name in artifacts.OPENS),
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED", "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
]  # fmt: skip
_FLINK = """jobmanager.rpc.address: {manager}
jobmanager.rpc.port: 6123
jobmanager.bind-host: 0.0.0.0
jobmanager.memory.process.size: 1024m
rest.address: {manager}
rest.bind-address: 0.0.0.0
rest.port: 8081
taskmanager.host: {host}
taskmanager.bind-host: 0.0.0.0
taskmanager.numberOfTaskSlots: 2
taskmanager.cpu.cores: 2.0
taskmanager.memory.task.heap.size: 384m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.managed.size: 256m
taskmanager.memory.network.min: 160m
taskmanager.memory.network.max: 160m
taskmanager.network.sort-shuffle.min-buffers: 64
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 3
restart-strategy.fixed-delay.delay: 15 s
classloader.resolve-order: parent-first
"""
_FLINK_HA = """high-availability.type: zookeeper
high-availability.zookeeper.quorum: storage:2181
high-availability.storageDir: {jobs}
s3.endpoint: http://storage:7070
s3.path.style.access: true
s3.directory.marker.retention: keep
s3.access-key: {key}
s3.secret-key: {secret}
"""
_SPARK_MASTER = "org.apache.spark.deploy.master.Master"
_SPARK_WORKER = "org.apache.spark.deploy.worker.Worker"
_LOG4J = """rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5p %c{1} - %m%n
"""


def _listens(host: Host, port: int) -> bool:
    probe = f"import socket; socket.create_connection(('localhost', {port}), 1)"
    return host.run([sys.executable, "-c", probe]).returncode == 0


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """The hosts, with nothing running on them yet."""
    with hosts.network(folder, *NAMES) as found:
        yield Cluster(found, folder)


#: What to say after `--` for the runners here.
TWO_HOSTS = ("--environment_type=EXTERNAL", f"--environment_config=localhost:{FRONT}", "--direct_num_workers=2")
ON_PRISM = (
    "--runner=PortableRunner",
    f"--job_endpoint=localhost:{PRISM}",
    "--environment_type=EXTERNAL",
    f"--environment_config=worker1:{POOL}",
)

#: Each host asks the pool on itself.
OWN_POOLS = ("--environment_type=EXTERNAL", f"--environment_config=localhost:{POOL}")
ON_FLINK = (
    "--runner=FlinkRunner",
    f"--flink_version={artifacts.FLINK.rpartition('.')[0]}",
    "--flink_master=runner:8081",
    "--parallelism=4",
    *OWN_POOLS,
    "--environment_cache_millis=10000",  # less than Flink waits before it tries again, so that it never keeps a dead worker
)


def on_flink_by_processes(flink: tuple[str, ...]) -> tuple[str, ...]:
    """`flink`, what to say for workers of pools, changed: each task manager starts its workers itself."""
    boot = json.dumps({"command": artifacts.program(artifacts.BOOT)})
    others = [option for option in flink if option not in OWN_POOLS]
    return *others, "--environment_type=PROCESS", f"--environment_config={boot}"


ON_SPARK = ("--runner=SparkRunner", "--spark_master_url=spark://runner:7077", "--parallelism=12", *OWN_POOLS)


def lay_out_set(folder: Path) -> str:
    """Copy a set of sources, with its plan if it has one, into a new bucket; the URI of the folder there."""
    root = storage.join(object_stores.new_bucket("s3"), "set")
    object_stores.upload(folder / "videos", storage.join(root, "videos"))
    for path in folder.glob("*.*"):
        storage.write_bytes(storage.join(root, path.name), path.read_bytes())
    return root


def lay_out_demo(uri: str) -> str:
    """Copy the sources of the demo into a store, as this process reaches it; the URI of the configuration."""
    for path in sorted([*DEMO.glob("videos/*"), *DEMO.glob("subs/*"), DEMO / "videos.jsonl"]):
        storage.write_bytes(storage.join(uri, str(path.relative_to(DEMO))), path.read_bytes())
    config = (DEMO / "corpus.yaml").read_text().replace("../../out/demo", "out")
    storage.write_bytes(storage.join(uri, "corpus.yaml"), config.encode())
    return storage.join(uri, "corpus.yaml")


@contextmanager
def reached(environment: dict[str, str], address: str) -> Iterator[None]:
    """Let this process, which is on the bridge but knows no names, reach the store."""
    own = {name: value.replace("//storage:", f"//{address}:") for name, value in environment.items()}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    fsspec.config.conf.clear()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def skip_without_hosts() -> None:
    """Skip a test if hosts of its own, or their S3 server, cannot be had here."""
    if reason := hosts.why_not():
        pytest.skip(reason)
    with artifacts.or_skip():
        artifacts.program(artifacts.S3_SERVER)
