"""Fuzzing of finished corpora: a file of a small one is changed, and all that reads corpora looks at it, in a child process."""

import contextlib
import io
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import corpora
from fuzz_mutation import OPERATIONS, TOKENS, changed
from fuzz_video import Findings, keep

from longtake.pipeline.run.slots import SlotCrashed, Slots, SlotTimeout
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout

_SECONDS = 60.0


def look_at(root: str, key: str) -> str:
    """What `verify`, `status`, `show` and the loader of training make of a corpus. Runs in a child."""
    import typer

    from longtake.jobs.curate.show import show
    from longtake.library.shards import LoaderError, ShardReader, WantedFrames
    from longtake.pipeline.build.status import read_status
    from longtake.pipeline.verify import verify

    outcome = "refused"
    with contextlib.suppress(CorpusError):
        report = verify(root, workers=1)
        outcome = "faults" if report.number else "sound"
        for fault in report.faults:
            if not str(fault).isprintable():
                raise AssertionError(repr(fault))
    with contextlib.suppress(CorpusError):
        read_status(root).to_json()
    os.chdir(Path(root).parent)
    for name in (None, key):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(typer.Exit):
            show(root, name, None, None, 20)
        if "\x1b" in printed.getvalue():
            raise AssertionError(repr(printed.getvalue()))
    reader = ShardReader(Layout(root))
    with contextlib.suppress(LoaderError):
        found = reader.index("train-000000")
        reader.read([WantedFrames("train-000000", number, 0, 2) for number in range(len(found.keys))])
    return outcome


def fuzz_corpus(folder: Path, number: int | None = None, until: float | None = None, seed: int = 0) -> Findings:
    """Look at `number` changed corpora, or as many as there is time for `until` (time.monotonic). Bad files go to `folder`."""
    found = Findings(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="longtake-fuzz-") as scratch, Slots(1) as slots:
        sound = Path(scratch, "sound")
        corpora.build(sound)
        shutil.rmtree(sound / "staging")
        files = sorted(p.relative_to(sound) for p in sound.rglob("*") if p.is_file() and p.name != "README.md")
        key = "alpha-000001000-000021502"
        assert slots.run(_SECONDS, look_at, str(sound), key) == "sound"
        (Path(scratch) / f"{key}.png").unlink()
        case = 0
        while (number is None or case < number) and (until is None or time.monotonic() < until):
            chance, name = random.Random(f"{seed}:{case}"), files[case % len(files)]
            edits = [
                (
                    chance.choice(OPERATIONS),
                    chance.randrange(1_000_000),
                    chance.randrange(1, 2000),
                    chance.choice(TOKENS),
                )
                for _ in range(chance.choice((1, 1, 2, 4)))
            ]
            root = Path(scratch, "corpus")
            shutil.copytree(sound, root)
            data = changed((sound / name).read_bytes(), edits)
            (root / name).write_bytes(data)
            try:
                outcome = slots.run(_SECONDS, look_at, str(root), key)
            except SlotTimeout:
                outcome = "HANG"
            except SlotCrashed:
                outcome = "CRASH"
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"[:300]
            keep(found, outcome, f"seed {seed} case {case} of {name}", data)
            shutil.rmtree(root)
            strange = {entry.name for entry in Path(scratch).iterdir()} - {"sound", f"{key}.png"}
            assert not strange, f"{name}, seed {seed}, case {case}: written outside of the corpus: {strange}"
            case += 1
    return found
