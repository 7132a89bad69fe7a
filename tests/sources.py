"""Source sets for tests: real videos from examples/demo, with sentences in each of the forms that Longtake reads."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
DEMO = REPOSITORY / "examples" / "demo"
#: Data that is not part of the repository; nothing else in the tests looks it up, and all of them pass without it.
SHARED = Path(os.environ.get("LONGTAKE_SHARED") or REPOSITORY.parent / "shared")
MAMMALS = DEMO / "videos" / "mammals.mp4"  # H.264, 300x300, 6 frames per second, 95 s
POLAR_MAMMALS = DEMO / "videos" / "polar-mammals.webm"  # VP8, 127 s
LAST_MAN = DEMO / "videos" / "last-man.mp4"  # H.264, 14 s

Span = tuple[int, int, str]  # start and end in ms, text
Record = dict[str, Any]


@dataclass(frozen=True)
class Video:
    """A source video: the file to use for it, what is said in it and when."""

    video_id: str
    spans: tuple[Span, ...]
    file: Path = MAMMALS
    name: str = ""  # the file's name in the source set, where it is not that of the id

    @property
    def uri(self) -> str:
        return f"videos/{self.name or self.video_id}{self.file.suffix}"

    def clip_id(self, number: int) -> str:
        """The id of the sentence `number`, counted from 1: that which a subtitle file would give it."""
        return f"{self.video_id}.{number}"


def spoken(count: int, start: int = 0, length: int = 1000, gap: int = 100, says: str = "sentence") -> tuple[Span, ...]:
    """So many sentences, one after the other."""
    step = length + gap
    return tuple((start + i * step, start + i * step + length, f"{says} number {i + 1}.") for i in range(count))


def timecode(ms: int, point: str = ".") -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"


@dataclass
class SourceSet:
    """A folder with sources, and the configuration that goes with them."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "corpus.yaml"

    @property
    def output(self) -> Path:
        return self.folder / self.settings["output"]

    def change(self, **settings: Any) -> None:
        """Change top-level settings of the configuration."""
        self.settings |= settings
        self.config.write_text(yaml.safe_dump(self.settings, allow_unicode=True), encoding="utf-8")


#: Settings that make small, quick corpora of eight frames per sentence, as the independent checker expects.
SMALL = {
    "name": "test",
    "output": "out",
    "merge": {"min_sentences": 2, "max_sentences": 4},
    "frames": {"short_side": 64},
    "shards": {"samples": 3},
}

FORMS = ("records", "records.gz", "records.parquet", "hdvila", "hdvila.gz", "hdvila.parquet", "vtt", "srt")


def source_set(folder: Path, videos: Sequence[Video], form: str = "records", **settings: Any) -> SourceSet:
    """Lay out `videos` in `folder`. `form` is one of FORMS."""
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    for video in videos:
        target = folder / video.uri
        if not target.exists():
            target.symlink_to(video.file.resolve())
    kind, _, packing = form.partition(".")
    records = [{"video_id": v.video_id, "uri": v.uri, "license": "CC BY-SA 3.0", "meta": {"n": [1]}} for v in videos]
    source: dict[str, Any] = {"videos": "videos.jsonl"}
    if kind == "records":
        for record, video in zip(records, videos, strict=True):
            record["sentences"] = [
                {"clip_id": video.clip_id(i), "start_ms": s, "end_ms": e, "text": t} for i, (s, e, t) in numbered(video)
            ]
    elif kind == "hdvila":
        for record, video in zip(records, videos, strict=True):
            record["url"] = f"https://www.youtube.com/watch?v={video.video_id}"
            record["clip"] = [
                {"clip_id": video.clip_id(i), "span": [timecode(s), timecode(e)]} for i, (s, e, _) in numbered(video)
            ]
        texts = [{"clip_id": v.clip_id(i), "text": t} for v in videos for i, (_, _, t) in numbered(v)]
        source["text"] = {"format": "hdvila", "path": write_rows(folder / "text.jsonl", texts, packing)}
    elif kind in ("vtt", "srt"):
        (folder / "subs").mkdir(exist_ok=True)
        for video in videos:
            (folder / "subs" / f"{video.video_id}.{kind}").write_text(subtitles(video.spans, kind), encoding="utf-8")
        source["text"] = {"format": kind, "path": f"subs/{{video_id}}.{kind}"}
    else:
        raise ValueError(form)
    source["videos"] = write_rows(folder / "videos.jsonl", records, packing)
    found = SourceSet(folder)
    found.change(**SMALL | {"source": source} | settings)
    return found


def numbered(video: Video) -> Iterable[tuple[int, Span]]:
    return enumerate(video.spans, 1)


def subtitles(spans: Sequence[Span], kind: str) -> str:
    """The text of a WebVTT or SRT file."""
    point = "." if kind == "vtt" else ","
    cues = [f"{i}\n{timecode(s, point)} --> {timecode(e, point)}\n{t}\n" for i, (s, e, t) in enumerate(spans, 1)]
    return ("WEBVTT\n\n" if kind == "vtt" else "") + "\n".join(cues)


def write_rows(path: Path, rows: Sequence[Record], packing: str = "") -> str:
    """Write rows as JSON lines, as `packing` says also gzipped or as Parquet; the result is the name of the file to read.

    The JSON lines are always there: they are what the independent checker reads.
    """
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(data)
    if packing == "gz":
        path = path.with_suffix(".jsonl.gz")
        path.write_bytes(gzip.compress(data))
    elif packing == "parquet":
        path = path.with_suffix(".parquet")
        pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=2)
    return path.name


#: One thread of Beam, whatever the number of videos.
ONE_THREAD = ("--direct_running_mode=in_memory", "--direct_num_workers=1")


def build(
    sources: SourceSet, workers: int = 2, probe: str = "none", beam: Sequence[str] = ONE_THREAD, **options: Any
) -> str:
    """`longtake build` in this process; the result is what it prints."""
    from rich.console import Console

    from longtake.jobs.build.build import build_corpus
    from longtake.jobs.build.request import BuildRequest, ProbeMode
    from longtake.schemas.config import load_config

    printed = io.StringIO()
    console = Console(file=printed, width=160)
    build_corpus(BuildRequest(load_config(str(sources.config)), ProbeMode(probe), workers, beam, **options), console)
    return printed.getvalue()


#: As users run it, for tests of faults.
build_by_default = partial(build, beam=())


def command(*arguments: str) -> list[str]:
    """The command line of `longtake` in a process of its own."""
    return [sys.executable, "-m", "longtake.jobs.cli", *arguments]


def longtake(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `longtake` in a process of its own."""
    environment = {**os.environ, "COLUMNS": "160", **(env or {})}
    return subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, timeout=180, check=False, **options
    )


def longtake_here(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `longtake` in this process and one thread: as `longtake`, in a tenth of the time."""
    from longtake.jobs.cli import main

    more = [] if "--" in arguments else ["--", *ONE_THREAD]
    out, err, code = io.StringIO(), io.StringIO(), 0
    # Afterwards the environment is as before: the command itself may change it.
    with (
        pytest.MonkeyPatch.context() as patch,
        mock.patch.dict(os.environ, {"COLUMNS": "160", **(env or {})}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["longtake", *arguments, *more])
        if cwd is not None:
            patch.chdir(cwd)
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def published(corpus: Path) -> dict[str, str]:
    """The digest of every file whose bytes must not depend on how the corpus was built, by path."""
    found = [corpus / "corpus.json", corpus / "README.md"]
    for folder in ("plan", "shards", "index"):
        found += sorted((corpus / folder).iterdir())
    return {str(path.relative_to(corpus)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def ledger(corpus: Path) -> list[Record]:
    """All rows of the ledger."""
    rows = [row for part in sorted((corpus / "ledger").glob("*.parquet")) for row in pq.read_table(part).to_pylist()]
    return sorted(rows, key=lambda row: tuple(map(str, row.values())))


def reasons(corpus: Path, subject: str) -> dict[str, str]:
    """The reason of each subject of one kind in the ledger, by id."""
    return {row["subject_id"]: row["reason"] for row in ledger(corpus) if row["subject"] == subject}


def manifest(corpus: Path) -> Record:
    """What corpus.json holds."""
    found: Record = json.loads((corpus / "corpus.json").read_text(encoding="utf-8"))
    return found


def rows_of(corpus: Path, table: str) -> list[Record]:
    """All rows of plan or index."""
    return [row for part in sorted((corpus / table).glob("*.parquet")) for row in pq.read_table(part).to_pylist()]


def leftovers(folder: Path) -> list[str]:
    """Temporary files of unfinished writes below `folder`."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".tmp-*"))
