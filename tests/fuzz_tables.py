"""Fuzzing of settings, of tables and of what lies in staging. What they are made of, and what must hold of the outcome."""

import contextlib
import functools
import io
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from fuzz_mutation import changed, edits
from fuzz_text import check_drops, check_sentences, check_text, is_utf8, scalars, values
from hypothesis import strategies as st

from longtake.pipeline.build.status import read_status
from longtake.pipeline.fragments.fragment import is_sound, read_marker
from longtake.pipeline.parse.manifest import parse_video
from longtake.pipeline.plan.edit.row import RowProblem, check_row, inspect_file, read_rows
from longtake.pipeline.plan.summary import summarise, write_summary
from longtake.pipeline.read.line_source import blocks_of, check_columns, read_block
from longtake.schemas import tables
from longtake.schemas.config import CorpusConfig, load_config
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.records import Drop, LongClip
from longtake.schemas.train_config import TrainConfig, load_train_config

TEMPLATES = Path(__file__).parents[1] / "jobs"

# -- configurations ----------------------------------------------------------------------------------------------------

_BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n".encode() for i in range(9)
)
_CONFIGS = [(TEMPLATES / f"{name}_template.yaml").read_bytes() for name in ("corpus", "train")]
_YAML = [
    b"[" * 5000, b"a: " + b"{a: " * 3000, b"&a [*a]", b"name: 2020-13-45", b"? [a]\n: b", b"name: 0x", b"name: 1:60:99", b"<<: 1",
    b"name: !!python/object/apply:os.system [id]", b'name: "\\ud800"', b"seed: 0b", b"seed: 1" + b"0" * 5000, b"name: =", _BOMB,
]  # fmt: skip
configs = st.one_of(
    st.tuples(st.sampled_from(_CONFIGS), edits).map(lambda case: changed(*case)),
    st.tuples(st.sampled_from(_CONFIGS), st.sampled_from(_YAML)).map(b"\n".join),
    st.sampled_from(_YAML),
    st.dictionaries(
        st.sampled_from([*CorpusConfig.model_fields, *TrainConfig.model_fields, "x"]), values, min_size=1, max_size=6
    ).map(lambda value: yaml.safe_dump(value).encode()),
)  # fmt: skip


def check_config(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "corpus.yaml")
        path.write_bytes(data)
        for load in (load_config, load_train_config):
            try:
                found = load(str(path))
            except ConfigError as error:
                assert str(path) in str(error)
                assert len(str(error)) < 20_000
            else:
                json.dumps(found.model_dump(mode="json")).encode()
                if isinstance(found, CorpusConfig):
                    json.dumps(found.published()).encode()
        assert [entry.name for entry in Path(folder).iterdir()] == ["corpus.yaml"]


# -- edited plans ------------------------------------------------------------------------------------------------------


def _plan_rows() -> list[dict[str, Any]]:
    clips = [clip for video in corpora.VIDEOS[:3] for clip in corpora.clips_of(video, corpora.config())]
    return [tables.plan_row(clip) for clip in clips]


@functools.cache
def _plan_file() -> bytes:
    out = io.BytesIO()
    pq.write_table(tables.table(_plan_rows(), tables.PLAN), out)
    return out.getvalue()


_sentences = st.lists(
    st.fixed_dictionaries(dict.fromkeys(("clip_id", "start_ms", "end_ms", "text", "timing"), scalars)), max_size=3
)
cells = st.one_of(values, _sentences)


def check_plan_row(change: dict[str, Any]) -> None:
    if not isinstance(change.get("sentences", []), list | None) or not is_utf8(change):
        return  # inspect_file refuses such a column; Parquet holds no such text
    found = check_row(_plan_rows()[0] | change, ("edited.parquet", 1), corpora.config())
    if isinstance(found, LongClip):
        check_sentences(found.sentences)
        tables.table([tables.plan_row(found)], tables.PLAN)
    else:
        assert found
        for problem in found:
            assert isinstance(problem, RowProblem)
            check_text(str(problem))


def check_plan_file(case: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "edited.parquet")
        path.write_bytes(changed(_plan_file(), case))
        groups, problems = inspect_file(str(path))
        for problem in problems:
            str(problem).encode()
        for group in groups:
            with contextlib.suppress(OSError, CorpusError):
                for number, row in read_rows(group):
                    check_row(row, ("edited.parquet", number), corpora.config())


@functools.cache
def _manifest_file() -> bytes:
    rows = [{"video_id": f"v{i}", "uri": "v.mp4", "url": f"https://example.org/{i}" * 20} for i in range(40)]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=10, compression="none", use_dictionary=False)
    return out.getvalue()


def check_manifest_file(case: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "videos.parquet")
        path.write_bytes(changed(_manifest_file(), case))
        try:
            check_columns(str(path), ("video_id",))
            blocks = blocks_of(str(path))
        except ConfigError as error:
            assert "videos.parquet: " in str(error)
            return
        for block in blocks:
            for line in read_block(block, 1):
                found = parse_video(line, None)
                check_drops([found] if isinstance(found, Drop) else found.drops)


# -- markers, notes and lists in staging -------------------------------------------------------------------------------


@functools.cache
def _staged() -> tuple[str, bytes, bytes]:
    """Name and content of a marker of a small corpus, and its payload."""
    with tempfile.TemporaryDirectory() as folder:
        corpora.build(Path(folder))
        marker = min(Path(folder).glob("staging/??/*.json"), key=lambda p: p.name)
        (payload,) = marker.parent.glob(f"{marker.stem}.*.frag")
        return payload.name, marker.read_bytes(), payload.read_bytes()


def check_marker(edit: list[Any]) -> None:
    payload, marker, data = _staged()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.json")
        path.write_bytes(changed(marker, edit))
        Path(folder, payload).write_bytes(data)
        found = read_marker(str(path))
        if found is not None:  # the edit changed nothing that counts
            assert is_sound(str(path), found)


def check_status(case: tuple[str, list[Any]]) -> None:
    name, edit = case
    with tempfile.TemporaryDirectory() as folder:
        for path, data in unfinished_output().items():
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(changed(data, edit) if path == name else data)
        with contextlib.suppress(CorpusError):
            json.dumps(read_status(folder, list_videos=True).to_json())


@functools.cache
def unfinished_output() -> dict[str, bytes]:
    """The files of an unfinished output that a status reads."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        corpora.build(root)
        write_summary(str(root / "plan"), summarise(corpora.config(), "none", *_tallies()))
        found = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    tasks = {"digest": ["ab" * 32], "video_id": ["v"], "clips": [2]}
    out = io.BytesIO()
    pq.write_table(
        pa.table(tasks, schema=pa.schema([("digest", pa.string()), ("video_id", pa.string()), ("clips", pa.int32())])),
        out,
    )
    found["staging/tasks/part-00000.parquet"] = out.getvalue()
    found["staging/job.json"] = json.dumps({"command": "build", "host": "h", "pid": 1, "started": 1.0}).encode()
    found[f"staging/ab/{'ab' * 32}.failed"] = json.dumps({"video_id": "v", "reason": "missing"}).encode()
    return {
        path: data for path, data in found.items() if not path.endswith((".tar", ".frag")) and path != "corpus.json"
    }


def _tallies() -> tuple[Any, Any]:
    return Counter(
        {("videos",): 1, ("planned",): 1, ("clips",): 1, ("clips_of", "train"): 1, ("sentences_out", "4"): 1}
    ), Counter()
