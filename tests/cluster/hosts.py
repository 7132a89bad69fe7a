"""Hosts of a cluster on one machine: network namespaces on a bridge, each with its own address, name and temporary folder.

Nothing leaves the bridge. It takes root and a kernel that allows it; `why_not` says what is missing.
"""

import fcntl
import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_NET = "10.77.0"
_BRIDGE = "lt-bridge"


def why_not() -> str | None:
    """Why this machine can make no hosts; None if it can."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    if shutil.which("ip") is None:
        return "there is no `ip` (Debian: iproute2)"
    tried = subprocess.run(["ip", "netns", "add", "lt-try"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"ip netns add: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", "lt-try"], check=False)
    return None


def why_no_clocks() -> str | None:
    """Why hosts here can have no clocks of their own; None if they can."""
    if platform.machine() != "x86_64":
        return "wrong_clock.c is for x86-64"
    return None if shutil.which("cc") else "there is no C compiler for wrong_clock.c"


class Host:
    """One host. What runs on it sees its own network, name, temporary folder and home."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name, self.address, self.folder = name, f"{_NET}.{number}", folder
        self.environment: dict[str, str] = {}
        self.logs: dict[str, Path] = {}
        self._namespace, self._port = f"lt-{name}", f"lt-{name}"[:15]
        self._processes: list[subprocess.Popen[bytes]] = []
        for part in ("tmp", "home", "work"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    def plug_in(self, names: str) -> None:
        """Make the namespace, and connect it to the bridge. `names` is its /etc/hosts."""
        etc = Path("/etc/netns") / self._namespace
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "hosts").write_text(names)
        _ip(f"netns add {self._namespace}")
        _ip(f"link add {self._port} type veth peer name eth0 netns {self._namespace}")
        _ip(f"link set {self._port} master {_BRIDGE} up")
        for command in (f"addr add {self.address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            _ip(f"-n {self._namespace} {command}")

    def unplug(self) -> None:
        """End all processes that were started here, and remove the host."""
        for process in self._processes:
            _end(process)
        left = subprocess.run(["ip", "netns", "pids", self._namespace], check=False, capture_output=True, text=True)
        for pid in left.stdout.split():  # all that runs in a name space of these tests was started by them
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for command in (f"link delete {self._port}", f"netns delete {self._namespace}"):
            subprocess.run(["ip", *command.split()], check=False, capture_output=True)
        shutil.rmtree(Path("/etc/netns") / self._namespace, ignore_errors=True)

    def cut_off(self) -> None:
        """Pull the cable: packets vanish, connections stay half open."""
        _ip(f"link set {self._port} down")

    def reconnect(self) -> None:
        _ip(f"link set {self._port} up")

    def slow(self, rate: str) -> None:
        """Limit what this host sends to `rate`, as in 20mbit."""
        limit = f"qdisc replace dev eth0 root tbf rate {rate} burst 64kb latency 400ms"
        subprocess.run(["ip", "netns", "exec", self._namespace, "tc", *limit.split()], check=True)

    def set_clock(self, seconds: int) -> None:
        """What starts here from now on has a clock that is wrong by `seconds`; waiting takes as long as ever."""
        source, made = Path(__file__).with_name("wrong_clock.c"), self.folder / "wrong_clock.so"
        if not made.exists():
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
        self.environment |= {"LD_PRELOAD": str(made), "CLOCK_WRONG_BY": str(seconds)}

    def here(self, command: list[str]) -> list[str]:
        """`command`, as it must be started to run on this host."""
        named = ["unshare", "--uts", "sh", "-c", f'hostname {self.name} && exec "$@"', "sh"]
        return ["ip", "netns", "exec", self._namespace, *named, *command]

    def start(self, command: list[str], log: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start `command` here; what it prints goes to a file, `logs[log]`."""
        self.logs[log] = self.folder / f"{log}.log"
        with self.logs[log].open("ab") as stream:
            process = subprocess.Popen(
                self.here(command),
                env=self._environment(environment),
                cwd=self.folder / "work",
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def run(self, command: list[str], timeout: float = 900, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `command` here to its end."""
        return subprocess.run(
            self.here(command),
            env=self._environment(environment),
            cwd=self.folder / "work",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {"TMPDIR": str(self.folder / "tmp"), "HOME": str(self.folder / "home")}
        return os.environ | own | self.environment | dict(more)

    def wait_for(self, port: int, process: subprocess.Popen[Any], seconds: float = 90) -> None:
        """Wait until something listens on `port` of this host."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"{self.name}: {process.args!r} ended with {process.returncode}")
            with socket.socket() as attempt:
                attempt.settimeout(1)
                if attempt.connect_ex((self.address, port)) == 0:
                    return
            time.sleep(0.2)
        raise RuntimeError(f"{self.name}: nothing listens on port {port}")


@contextmanager
def network(folder: Path, *names: str) -> Iterator[dict[str, Host]]:
    """Hosts with these names, each reachable from the others by name. This process is on the bridge too, as 10.77.0.1.

    One network at a time: this waits until another process has taken its own down.
    """
    with (Path(tempfile.gettempdir()) / "longtake-hosts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield from _network(folder, names)


def _network(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Host]]:
    hosts = {name: Host(name, number, folder / name) for number, name in enumerate(names, 2)}
    table = "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in hosts.values())
    subprocess.run(["ip", "link", "delete", _BRIDGE], check=False, capture_output=True)
    _ip(f"link add name {_BRIDGE} type bridge")
    try:
        _ip(f"addr add {_NET}.1/24 dev {_BRIDGE}")
        _ip(f"link set {_BRIDGE} up")
        for host in hosts.values():
            host.unplug()  # one that a run left behind when it was killed
            host.plug_in(table)
        yield hosts
    finally:
        for host in hosts.values():
            host.unplug()
        subprocess.run(["ip", "link", "delete", _BRIDGE], check=False)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """While the block runs, `folder` is on a disk without room: a small file system with a copy of what was there."""
    used = sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
    aside = folder.with_name(f"{folder.name}-aside")
    shutil.copytree(folder, aside, copy_function=_copy)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={used + (128 << 10)}", "tmpfs", str(folder)], check=True)
    try:
        shutil.copytree(aside, folder, copy_function=_copy, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target)  # with the extended attributes, where the S3 server keeps what it knows


def children(process: subprocess.Popen[Any] | int) -> list[int]:
    """The process ids below a process or its id, the nearest first."""
    found, open_ = [], [process if isinstance(process, int) else process.pid]
    while open_:
        parent = open_.pop(0)
        with suppress(FileNotFoundError):  # each thread has the children that it started
            for thread in Path(f"/proc/{parent}/task").iterdir():
                open_ += [int(child) for child in (thread / "children").read_text().split()]
        found.append(parent)
    return found[1:]


def kill(process: subprocess.Popen[Any]) -> None:
    """SIGKILL, to it and to all below it."""
    for pid in [*children(process), process.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _end(process: subprocess.Popen[Any]) -> None:
    below = children(process)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in below:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _ip(arguments: str) -> None:
    done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {arguments}: {done.stderr.strip()}")
