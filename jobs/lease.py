"""The lock of an output on an object store: a small object that its holder renews, and that others may replace when it stops.

The objects are staging/lock-000001, lock-000002 and so on; the highest one holds. Each is made by a request that the store
refuses if the name exists, so of two commands one wins, also when both replace a dead holder. Nobody compares clocks: a command
that finds a lock watches whether it changes. A holder on the same machine is known to be dead at once.
"""

import _thread
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from longtake.schemas import remote, storage, waiting
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import LEASE_PREFIX, LEASE_RENEWED_S, LEASE_S, Layout

_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class _Holder:
    """What the object says. `life` names one start of one process on one machine, "" where that cannot be known."""

    token: str
    host: str
    pid: int
    life: str
    beats: int = 0

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@contextmanager
def leased(root: str) -> Iterator[None]:
    """Hold the lease of the output `root`. If another command takes it over, because this one was cut off for too long, the block
    is interrupted.

    Raises CorpusError if another command holds it, or has taken it over.
    """
    lease = _Lease(Layout(root))
    lease.take()
    try:
        yield
    except KeyboardInterrupt:
        if lease.lost:
            raise lease.error() from None
        raise
    finally:
        lease.release()
    if lease.lost:
        raise lease.error()


class _Lease:
    """One attempt to hold the lease of an output."""

    def __init__(self, layout: Layout) -> None:
        self.lost = False
        self._layout = layout
        self._me = _Holder(uuid.uuid4().hex, socket.gethostname(), os.getpid(), _life(os.getpid()))
        self._number = 0
        self._done = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="longtake-lease", daemon=True)

    def take(self) -> None:
        """Wait until the lease is held or known to be another's. Raises CorpusError."""
        seen: dict[int, bytes] | None = None
        since = time.monotonic()
        while True:
            found = self._all()
            if found != seen:
                if seen and found.keys() & seen.keys():
                    raise self._busy(found)
                seen, since = found, time.monotonic()
                if found and not _is_dead(_parse(found[max(found)])):
                    who = f"{self._layout.root}: {_who(found)} may be working on this corpus"
                    waiting.tell(f"{who}; looking for a sign of life for {LEASE_S:.0f} s")
            newest = max(found, default=0)
            free = not found or _is_dead(_parse(found[newest])) or time.monotonic() - since > LEASE_S
            if free and self._create(newest + 1):
                others = {number: data for number, data in self._all().items() if number != newest + 1}
                if others.items() <= seen.items():
                    break
                storage.delete(self._path(newest + 1))  # a third command began while this one watched a dead one
            elif not free:
                time.sleep(_LOOK_S)
        self._number = newest + 1
        for number in seen:
            storage.delete(self._path(number))
        self._renewing.start()

    def release(self) -> None:
        """Let others have it."""
        self._done.set()
        self._renewing.join()
        if not self.lost:
            with suppress(OSError):  # they wait for it to grow old
                storage.delete(self._path(self._number))

    def error(self) -> CorpusError:
        return CorpusError(
            f"{self._layout.root}: this command could not renew its lock for {LEASE_S:.0f} s, and another has taken it over. "
            "Wait until that one ends; then run the same command again: it goes on where it was."
        )

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._done.wait(LEASE_RENEWED_S):
            try:
                found = self._all()
                if not found and time.monotonic() - renewed < LEASE_S:
                    continue  # too soon for another: this command has deleted the folder, as of a version that it installed
                if max(found, default=0) != self._number or _parse(found[self._number]).token != self._me.token:
                    self.lost = True
                    _thread.interrupt_main()
                    return
                self._me = replace(self._me, beats=self._me.beats + 1)
                storage.write_bytes(self._path(self._number), self._me.to_bytes())
                renewed = time.monotonic()
            except OSError:
                continue  # the store is away; the next look tells whether another has come meanwhile

    def _path(self, number: int) -> str:
        return storage.join(self._layout.staging, f"{LEASE_PREFIX}{number:06d}")

    def _all(self) -> dict[int, bytes]:
        found = {}
        for path in storage.list_files(self._layout.staging):
            name = path.rpartition("/")[2]
            if name.startswith(LEASE_PREFIX) and (digits := name.removeprefix(LEASE_PREFIX)).isdecimal():
                with suppress(FileNotFoundError):  # released meanwhile
                    found[int(digits)] = storage.read_bytes(path)
        return found

    def _create(self, number: int) -> bool:
        path, mine = self._path(number), self._me.to_bytes()
        if remote.create(path, mine):
            return True
        with suppress(FileNotFoundError):
            return storage.read_bytes(path) == mine  # the answer to the request that wrote it was lost
        return False

    def _busy(self, found: dict[int, bytes]) -> CorpusError:
        return CorpusError(
            f"{self._layout.root}: another longtake command is working on this corpus ({_who(found)}). Wait until it ends."
        )


def _parse(data: bytes) -> _Holder:
    """What an object says; a holder without a name if nobody can read it."""
    try:
        raw = json.loads(data)
        return _Holder(str(raw["token"]), str(raw["host"]), int(raw["pid"]), str(raw["life"]), int(raw["beats"]))
    except (ValueError, KeyError, TypeError):
        return _Holder("", "unknown", 0, "")


def _who(found: dict[int, bytes]) -> str:
    holder = _parse(found[max(found)])
    return f"process {holder.pid} on {holder.host}"


def _is_dead(holder: _Holder) -> bool:
    """Whether the holder was a process of this machine and has ended. False if that cannot be known."""
    machine = holder.life.rpartition(" ")[0]
    return bool(machine) and machine == _life(os.getpid()).rpartition(" ")[0] and _life(holder.pid) != holder.life


def _life(pid: int) -> str:
    """The start of the machine, the name space of its processes, and the start of process `pid` in it, 0 if there is none. The
    result is "" where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        started = fields[19] if fields[0] not in "ZX" else "0"  # ended, and its parent has not asked yet how
    except OSError:
        started = "0"
    return f"{boot} {space} {started}"
