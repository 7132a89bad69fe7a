"""`longtake doctor`: whether a job would run where its options say, before it is one."""

import os
import signal
import sys
import textwrap
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from longtake.jobs import terminal
from longtake.jobs.build.commands import ConfigPath
from longtake.jobs.changes import Changes
from longtake.schemas import remote, storage
from longtake.schemas.config import CorpusConfig, load_config
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.versions import versions
from longtake.schemas.wording import human_bytes, plural

_CLOCKS_DIFFER_S = 60.0


def doctor(
    context: typer.Context,
    config: ConfigPath = "corpus.yaml",
    changes: Changes = None,
    seconds: Annotated[int, typer.Option(min=10, help="How long the trial job may take.")] = 180,
) -> None:
    """Check that a job would run: versions, configuration, storage, the runner's servers, and a trial job for its workers.

    Options for Apache Beam go after `--`, as for `longtake build`.
    """
    check = _Check(terminal.console(is_answer=True))
    check.run(config, changes or (), context.obj, seconds)
    if check.faults:
        raise CorpusError(f"{plural(check.faults, 'check')} failed: a job would not run as it should.")
    check.console.print("All checks passed.", highlight=False)


class _Check:
    """The checks, one line each; later ones are left out where they need an earlier one."""

    def __init__(self, console: Console) -> None:
        self.console, self.faults = console, 0

    def say(self, what: str, well: bool, found: str) -> None:
        self.faults += not well
        self._print(f"{'ok   ' if well else 'FAULT'}  {what}: {found}", "" if well else "red")

    def _print(self, line: str, style: str) -> None:
        """Print a line. A terminal gets it in pieces that show where the next check begins."""
        pieces = [line]
        if self.console.is_terminal:
            indent, width = " " * 7, self.console.width
            pieces = textwrap.wrap(
                line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
        for piece in pieces:
            terminal.print_line(self.console, piece, style)

    def run(self, path: str, changes: Sequence[str], beam_args: list[str], seconds: int) -> None:
        from longtake.jobs.build.inputs import inputs_of
        from longtake.jobs.build.runner_check import check_runner
        from longtake.pipeline.run.dataflow import is_dataflow
        from longtake.pipeline.run.runner import check_reachable, pipeline_options

        python = ".".join(map(str, sys.version_info[:3]))
        self.say("versions", True, ", ".join(f"{n} {v}" for n, v in {"python": python, **versions()}.items()))
        options, config = pipeline_options(list(beam_args), 0), load_config(path, changes)
        self.say("options", True, " ".join(beam_args) or "none: the local runner")
        try:
            check_reachable(config, options)
            files = inputs_of(config)["files"]
            self.say("configuration", True, f"{path}; {plural(len(files), 'source file')} can be read")
        except (ConfigError, CorpusError, OSError) as error:
            self.say("configuration", False, str(error))
        findings = list(check_runner(options))
        for finding in findings:
            self.say(*finding)
        try:
            with _probe_folder(Layout(config.root)) as folder:
                self._storage(config, folder)
                if is_dataflow(options):
                    self.say(
                        "workers", True, "not asked: a trial job on Dataflow takes minutes and money; see --dry-run"
                    )
                elif all(well for _, well, _ in findings):
                    self._workers(config, beam_args, folder, seconds)
                else:
                    self._print(_NOT_TRIED, "")
        except OSError as error:
            self.say("output", False, str(error))
            self._print(_NOT_TRIED, "")

    def _storage(self, config: CorpusConfig, folder: str) -> None:
        path = storage.join(folder, "try")
        storage.write_bytes(path, b"1")
        well = storage.read_bytes(path) == b"1" and storage.list_files(folder) == [path]
        self.say("output", well, f"{config.root} can be written, read and listed")
        if storage.is_remote(path):
            refused = not remote.create(path, b"2")
            self.say(
                "lock",
                refused,
                "the store refuses to create what exists"
                if refused
                else "the store ignores conditional writes, so nothing stops two commands at once in one output; use another",
            )
        storage.delete(path)

    def _workers(self, config: CorpusConfig, beam_args: list[str], folder: str, seconds: int) -> None:
        from longtake.pipeline.run.worker_report import WorkerReport, read_reports

        begun = time.time()
        if (error := _trial(beam_args, folder, seconds)) is not None:
            self.say("trial job", False, error)
            return
        here, reports = versions(), read_reports(folder)
        self.say("trial job", bool(reports), f"ended in {time.time() - begun:.0f} s" if reports else _NOT_SHARED)
        by_host: dict[str, list[WorkerReport]] = {}
        for report in reports:
            by_host.setdefault(report.host, []).append(report)
        for host, found in by_host.items():
            one = found[0]
            names = sorted({*here, *one.versions})
            other = [
                f"{name} is {one.versions.get(name, 'absent')} there and {here.get(name, 'absent')} here"
                for name in names
                if one.versions.get(name) != here.get(name)
            ]
            ahead = 0.0 if begun <= one.time <= time.time() else one.time - begun
            faults = list(other)
            if not one.sees_launcher:
                faults.append("it does not see what the launcher writes into the output")
            if abs(ahead) > _CLOCKS_DIFFER_S:
                faults.append(f"its clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}")
            processes = "1 process" if len(found) == 1 else f"{len(found)} processes"
            room = f"{processes}, {plural(one.cores, 'core')}, {human_bytes(one.free_bytes)} free for temporary files"
            self.say(f"worker {host}", not faults, "; ".join([room, *faults]))


_NOT_TRIED = "  -    trial job: not tried, it cannot work before that is mended"
_NOT_SHARED = "it ended, and no worker's report is in the output: launcher and workers do not see the same storage"


@contextmanager
def _probe_folder(layout: Layout) -> Iterator[str]:
    """A folder for files of the checks, in the output; afterwards nothing of it is left, nor of folders that it took."""
    folder = storage.join(layout.staging, f"doctor-{uuid.uuid4().hex}")
    try:
        yield folder
    finally:
        storage.delete_folder(folder)
        if not storage.is_remote(folder):
            for empty in (layout.staging, layout.root):
                try:
                    os.rmdir(storage.local_path(empty))
                except OSError:
                    break


def _trial(beam_args: list[str], folder: str, seconds: int) -> str | None:
    """Run a job in which each worker reports. Return what is wrong, None if nothing is.

    It runs in the main thread, because Beam starts job servers in no other.
    """
    from longtake.jobs.job import run_pipeline
    from longtake.pipeline.run.runner import pipeline_options
    from longtake.pipeline.run.worker_report import add_reports

    token = uuid.uuid4().hex
    storage.write_bytes(storage.join(folder, "launcher"), token.encode())
    options = pipeline_options(list(beam_args), 0)
    with open(os.devnull, "w") as nowhere, _ended_after(seconds) as is_late:
        try:
            run_pipeline(lambda root: add_reports(root, folder, token), options, Console(file=nowhere), _no_line)
            return None
        except Exception as error:
            said = str(error) or type(error).__name__
    if is_late():
        return (
            f"no end after {seconds} s. Has the runner free slots, and can it reach the workers, and they it? "
            "Its log and that of the worker pool tell more"
        )
    if "No module named 'longtake" in said:
        return "the workers have no longtake: start their pool in an environment that has it, or from the image (docs/cloud.md)"
    return said


@contextmanager
def _ended_after(seconds: int) -> Iterator[Callable[[], bool]]:
    """End the block by an error if it takes longer; again each second, where Beam swallows it. The value tells whether it did."""
    late: list[bool] = []

    def end(*_: object) -> None:
        late.append(True)
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield lambda: bool(late)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _no_line(_: Counter[str], __: float) -> str:
    return ""
