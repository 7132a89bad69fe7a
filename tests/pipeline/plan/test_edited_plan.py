"""Plans edited with DuckDB, as a curator edits them: taken over, accounted for, and refused where they are wrong."""

# ruff: noqa: S608  (the tests write SQL, as curators do)

import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longtake.pipeline.merge.frame_times import frame_times_ms
from longtake.pipeline.plan.edit import by_video, plan as edited_plan
from longtake.pipeline.plan.edit.plan import adopt_plan
from longtake.pipeline.plan.edit.row import RowProblem, check_row, recomputed
from longtake.pipeline.plan.graph import add_planning
from longtake.pipeline.plan.summary import PlanSummary, read_summary
from longtake.pipeline.run import batches
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas import scratch, tables
from longtake.schemas.config import CorpusConfig, load_config
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip

VIDEOS = 6
CLIPS = 18  # three of four sentences in each video
CUT = "list_filter(sentences, lambda s: s.clip_id <> '{}')"


def settings() -> dict[str, Any]:
    return {
        "name": "edits",
        "output": "out",
        "source": {"videos": "videos.jsonl", "uri": "videos/{video_id}.mp4"},
        "merge": {"min_sentences": 4, "max_sentences": 4},
        "split": {"train": 0.5, "val": 0.5, "test": 0.0},
        "shards": {"samples": 4},
    }


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and its plan: six videos of three long clips, and two sentences too few for one."""
    folder = tmp_path_factory.mktemp("planned")
    (folder / "corpus.yaml").write_text(json.dumps(settings()))
    with open(folder / "videos.jsonl", "w") as stream:
        for v in range(VIDEOS):
            starts = [i * 3000 + (i // 4) * 10_000 for i in range(14)]
            sentences = [
                {"clip_id": f"v{v}.{i}", "start_ms": s, "end_ms": s + 2500, "text": f"Sentence {i} of video {v}."}
                for i, s in enumerate(starts)
            ]
            stream.write(json.dumps({"video_id": f"v{v}", "license": "CC0", "sentences": sentences}) + "\n")
    config = load_config(str(folder / "corpus.yaml"))
    with beam.Pipeline(options=pipeline_options([], 1)) as root:
        add_planning(root, config, Layout(config.root), "none", 1)
    return folder


class Edit:
    """A copy of the planned corpus, edited with SQL."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.edited = folder, folder / "edited"
        self.edited.mkdir()
        self.config: CorpusConfig = load_config(str(folder / "corpus.yaml"))
        self.layout = Layout(self.config.root)
        self.before = rows(Path(self.layout.plan))

    def write(self, select: str, name: str = "any name.parquet", options: str = "") -> None:
        """`plan` in the statement is the plan."""
        database = duckdb.connect()
        database.execute(f"CREATE VIEW plan AS SELECT * FROM '{self.layout.plan}/*.parquet'")
        database.execute(f"COPY ({select}) TO '{self.edited / name}' (FORMAT parquet{options})")

    def adopt(self, workers: int = 0) -> PlanSummary:
        options = pipeline_options([f"--direct_num_workers={2 * workers or 1}"], workers or 1)
        return adopt_plan(self.config, self.layout, str(self.edited), options)

    def accepted(self, select: str, **options: str) -> PlanSummary:
        self.write(select, **options)
        summary = self.adopt()
        self.check(summary)
        return summary

    def refused(self, select: str, **options: str) -> str:
        """The message, once it is sure that the plan is what it was."""
        self.write(select, **options)
        return self.refuses()

    def refuses(self) -> str:
        before = contents(Path(self.config.root))
        with pytest.raises(CorpusError) as caught:
            self.adopt()
        assert contents(Path(self.config.root)) == before
        return str(caught.value)

    def ledger(self, stage: str = "edit") -> list[tuple[str, str]]:
        found = [row for row in rows(Path(self.layout.ledger)) if row["stage"] == stage]
        return sorted((row["subject"], row["subject_id"]) for row in found)

    def plan(self) -> dict[str, dict[str, Any]]:
        return {row["key"]: row for row in rows(Path(self.layout.plan))}

    def check(self, summary: PlanSummary) -> None:
        """Everything that came in is in the plan or in the ledger, and every row of the plan is what its sentences say."""
        plan, ledger = rows(Path(self.layout.plan)), rows(Path(self.layout.ledger))
        assert read_summary(self.layout.plan) == summary
        kept = {
            "videos": len({row["video_id"] for row in plan}),
            "sentences": sum(len(row["sentences"]) for row in plan),
            "clips": len(plan),
        }
        subjects = Counter(row["subject"] for row in ledger)
        for subject, count in summary.counts.items():
            assert count.balances, subject
            assert (count.kept, count.dropped) == (kept[subject], subjects[subject[:-1]]), subject
        assert Counter(summary.drops) == Counter(f"{r['subject']} {r['stage']} {r['reason']}" for r in ledger)
        for row in plan:
            clip = tables.clip_from_row(row)
            assert tables.plan_row(clip) == row
            assert clip.frame_times_ms == frame_times_ms(clip.sentences, self.config.frames.per_sentence)
        for split in {row["split"] for row in plan}:
            places = sorted((row["shard"], row["position"]) for row in plan if row["split"] == split)
            sizes = Counter(shard for shard, _ in places)
            assert places == [(shard, i) for shard in range(len(sizes)) for i in range(sizes[shard])]
        assert not [p for p in Path(self.layout.staging).iterdir() if p.name.startswith(("edit-", "adopting"))]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for part in sorted(folder.glob("*.parquet")) for row in pq.read_table(part).to_pylist()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def edit(planned: Path, tmp_path: Path) -> Edit:
    return Edit(Path(shutil.copytree(planned, tmp_path / "corpus")))


# -- edits that are taken over -----------------------------------------------------------------------------------------


def test_a_plan_that_is_handed_back_unchanged_stays_the_same(edit: Edit) -> None:
    before, counts = contents(Path(edit.layout.plan)), read_summary(edit.layout.plan)
    summary = edit.accepted("SELECT * FROM plan")
    after = contents(Path(edit.layout.plan))
    assert counts is not None and summary.counts == counts.counts
    assert {n: after[n] for n in after if n != "_plan.json"} == {n: before[n] for n in before if n != "_plan.json"}
    assert edit.ledger() == []
    assert summary.edited == {"rows": CLIPS, "cut_anew": 0}


def test_many_parts_and_batches_compare_the_same(edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Edit(Path(shutil.copytree(edit.folder, tmp_path / "other", ignore=shutil.ignore_patterns("edited"))))
    select = f"SELECT * REPLACE ({CUT.format('v2.0')} AS sentences) FROM plan WHERE key <> '{edit.before[3]['key']}'"
    summary = edit.accepted(select)
    for name, number in (("ROWS", 2), ("_ROWS_PER_PART", 3), ("_AT_ONCE", 2)):
        monkeypatch.setattr(by_video, name, number)
    assert other.accepted(select) == summary
    for folder in ("plan", "ledger"):
        assert contents(Path(other.config.root, folder)) == contents(Path(edit.config.root, folder))


def test_nothing_is_left_of_the_files_in_which_rows_waited(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_HELD_BYTES", 0)
    edit.accepted("SELECT * FROM plan")
    assert not list(Path(scratch.folder()).glob("rows-*"))


def test_a_full_disk_says_so(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    edit.write("SELECT * FROM plan")
    monkeypatch.setattr(batches, "_HELD_BYTES", 0)
    monkeypatch.setattr(batches, "os", SimpleNamespace(**{**vars(os), "write": write}))
    with pytest.raises(CorpusError, match=r"^\S+: No space left on device while .* nothing is lost\.$"):
        edit.adopt()


def test_a_plan_of_an_earlier_version_is_compared_too(edit: Edit) -> None:
    """Its sentences have no timing, speech and speaker."""
    edit.write("SELECT * FROM plan")
    for part in Path(edit.layout.plan).glob("*.parquet"):
        whole = pq.read_table(part)
        fields = ("clip_id", "start_ms", "end_ms", "text")
        earlier = [[{name: s[name] for name in fields} for s in row] for row in whole["sentences"].to_pylist()]
        at = whole.schema.get_field_index("sentences")
        pq.write_table(whole.set_column(at, "sentences", pa.array(earlier)), part)
    edit.check(edit.adopt())
    assert edit.ledger() == []


def test_deleted_rows_are_in_the_ledger_with_their_sentences(edit: Edit) -> None:
    gone = edit.before[0]
    before = read_summary(edit.layout.plan)
    summary = edit.accepted(f"SELECT * FROM plan WHERE key <> '{gone['key']}'")
    assert edit.ledger() == sorted([("clip", gone["key"]), *(("sentence", s["clip_id"]) for s in gone["sentences"])])
    assert before is not None
    assert {s: c.total for s, c in summary.counts.items()} == {s: c.total for s, c in before.counts.items()}
    assert summary.counts["clips"].kept == CLIPS - 1
    assert summary.drops["sentence merge run_too_short"] == 2 * VIDEOS
    assert summary.estimate["cpu_hours"] == pytest.approx(before.estimate["cpu_hours"] * (CLIPS - 1) / CLIPS, abs=1e-4)
    assert summary.hours["in"] == before.hours["in"]


def test_a_video_that_is_gone_has_a_row_of_its_own(edit: Edit) -> None:
    summary = edit.accepted("SELECT * FROM plan WHERE video_id <> 'v3'")
    assert Counter(subject for subject, _ in edit.ledger()) == {"video": 1, "clip": 3, "sentence": 12}
    assert ("video", "v3") in edit.ledger()
    assert (summary.counts["videos"].kept, summary.counts["videos"].dropped) == (VIDEOS - 1, 1)


def test_an_edited_text_brings_its_paragraph_and_words_along(edit: Edit) -> None:
    fixed = (
        "list_transform(sentences, lambda s: {clip_id: s.clip_id, start_ms: s.start_ms, end_ms: s.end_ms, text: {}})"
    )
    text = "CASE WHEN s.clip_id = 'v1.0' THEN '  Mended   and\nmuch longer than before ' ELSE s.text END"
    summary = edit.accepted(f"SELECT * REPLACE ({fixed.replace('{}', text)} AS sentences) FROM plan")
    changed = next(row for row in edit.plan().values() if row["sentences"][0]["clip_id"] == "v1.0")
    assert changed["paragraph"].startswith("Mended and much longer than before Sentence 1 of")
    assert changed["n_words"] == 6 + 3 * 5
    assert summary.edited == {"rows": CLIPS, "cut_anew": 0, "recomputed_n_words": 1, "recomputed_paragraph": 1}
    assert edit.ledger() == []


def test_a_video_moves_to_another_split(edit: Edit) -> None:
    edit.accepted("SELECT * REPLACE (CASE WHEN video_id = 'v2' THEN 'test' ELSE split END AS split) FROM plan")
    assert Counter(row["split"] for row in edit.plan().values())["test"] == 3
    assert {row["video_id"] for row in edit.plan().values() if row["split"] == "test"} == {"v2"}


def test_order_names_types_and_extra_columns_do_not_matter(edit: Edit) -> None:
    before = contents(Path(edit.layout.plan))
    wide = "{text: s.text, end_ms: s.end_ms::HUGEINT, start_ms: s.start_ms::INTEGER, clip_id: s.clip_id}"
    columns = "video_id, uri, license, split, meta::JSON AS meta, 7 AS note, coherence::DOUBLE AS coherence, "
    columns += f"list_transform(sentences, lambda s: {wide}) AS sentences"
    edit.write(f"SELECT {columns} FROM plan WHERE video_id < 'v3' ORDER BY random()", "b.parquet")
    summary = edit.accepted(
        f"SELECT {columns} FROM plan WHERE video_id >= 'v3' ORDER BY random()",
        name="a.parquet",
        options=", COMPRESSION gzip, ROW_GROUP_SIZE 2048",
    )
    after = contents(Path(edit.layout.plan))
    assert {n: after[n] for n in after if n != "_plan.json"} == {n: before[n] for n in before if n != "_plan.json"}
    assert summary.edited is not None and summary.edited["recomputed_key"] == CLIPS


def test_a_sentence_cut_from_the_middle_leaves_the_key_alone(edit: Edit) -> None:
    edit.accepted(f"SELECT * REPLACE ({CUT.format('v0.1')} AS sentences) FROM plan")
    assert edit.ledger() == [("sentence", "v0.1")]


def test_a_sentence_cut_from_the_end_makes_another_clip(edit: Edit) -> None:
    old = next(row["key"] for row in edit.before if row["sentences"][-1]["clip_id"] == "v0.3")
    summary = edit.accepted(f"SELECT * REPLACE ({CUT.format('v0.3')} AS sentences) FROM plan")
    assert edit.ledger() == [("clip", old), ("sentence", "v0.3")]
    count = summary.counts["clips"]
    assert (count.total, count.kept, count.dropped) == (CLIPS + 1, CLIPS, 1)
    assert (summary.edited or {})["cut_anew"] == 1
    detail = next(r["detail"] for r in rows(Path(edit.layout.ledger)) if r["subject_id"] == old)
    assert "1 of its 4 sentences gone" in detail


def test_a_clip_cut_in_two_is_accounted_for(edit: Edit) -> None:
    half = "SELECT * REPLACE (sentences[{}] AS sentences) FROM plan WHERE video_id = 'v4'"
    rest = "SELECT * FROM plan WHERE video_id <> 'v4'"
    summary = edit.accepted(f"{half.format('1:2')} UNION ALL {half.format('3:4')} UNION ALL {rest}")
    count = summary.counts["clips"]
    assert (count.total, count.kept, count.dropped) == (CLIPS + 6, CLIPS + 3, 3)
    assert summary.counts["sentences"].kept == CLIPS * 4


def test_a_second_edit_goes_on_from_the_first(edit: Edit) -> None:
    edit.accepted("SELECT * FROM plan WHERE video_id <> 'v0'")
    edit.write("SELECT * FROM plan WHERE video_id <> 'v1'")
    summary = edit.adopt()
    edit.check(summary)
    assert summary.drops["video edit edited_out"] == 2
    assert summary.counts["videos"].total == VIDEOS
    assert summary.estimate["how"].count("scaled") == 1
    again = contents(Path(edit.layout.plan)), contents(Path(edit.layout.ledger))
    edit.check(edit.adopt())
    ledger = contents(Path(edit.layout.ledger))
    assert (again[0].keys(), again[1]) == (contents(Path(edit.layout.plan)).keys(), ledger)


def test_without_a_plan_the_counts_start_from_the_edited_one(edit: Edit) -> None:
    edit.write("SELECT * FROM plan WHERE video_id <> 'v0'")
    shutil.rmtree(edit.config.root)
    summary = edit.adopt()
    edit.check(summary)
    assert {s: (c.total, c.kept) for s, c in summary.counts.items()} == {
        "videos": (5, 5),
        "sentences": (60, 60),
        "clips": (15, 15),
    }


def test_the_number_of_workers_does_not_change_a_byte(edit: Edit, planned: Path, tmp_path: Path) -> None:
    edit.write("SELECT * FROM plan WHERE key NOT LIKE '%-000000000-%' ORDER BY random()")
    edit.adopt()
    other = Edit(Path(shutil.copytree(planned, tmp_path / "other")))
    other.write("SELECT * FROM plan WHERE key NOT LIKE '%-000000000-%' ORDER BY random()", "x.parquet")
    other.adopt(workers=2)
    assert contents(Path(edit.config.root)) == contents(Path(other.config.root))


def test_an_interrupted_replacement_is_finished_by_the_next_attempt(
    edit: Edit, planned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit.write("SELECT * FROM plan WHERE video_id <> 'v0'")
    copy = edited_plan._copy

    def failing(source: str, target: str) -> None:
        if "/plan/" in target:
            raise OSError("the machine went away")
        copy(source, target)

    monkeypatch.setattr(edited_plan, "_copy", failing)
    with pytest.raises(OSError, match="went away"):
        edit.adopt()
    assert read_summary(edit.layout.plan) is None  # no half of a plan looks whole
    monkeypatch.undo()
    edit.check(edit.adopt())
    assert ("video", "v0") in edit.ledger()


# -- edits that are refused --------------------------------------------------------------------------------------------

TEXT = "list_transform(sentences, lambda s: {clip_id: s.clip_id, start_ms: s.start_ms, end_ms: s.end_ms, text: s.text})"
ONE = TEXT.replace("sentences", "sentences[1:1]")
WRONG_ROWS = {
    "no sentence": ("[]::STRUCT(clip_id VARCHAR, start_ms BIGINT, end_ms BIGINT, text VARCHAR)[]", "has no sentences"),
    "null sentences": ("NULL", "has no sentences"),
    "order": ("list_reverse(sentences[1:2])", "does not come after the one before it"),
    "twice": ("list_concat(sentences[1:1], sentences[1:1])", "does not come after the one before it"),
    "empty text": (ONE.replace("s.text}", "' '}"), "text ' ' is empty"),
    "null text": (ONE.replace("s.text}", "NULL::VARCHAR}"), "text 'None' is empty"),
    "reversed": (ONE.replace("end_ms: s.end_ms", "end_ms: s.start_ms"), "lasts from"),
    "negative": (ONE.replace("s.start_ms", "-s.start_ms - 1"), "is not a whole number of milliseconds"),
    "no clip id": (ONE.replace("clip_id: s.clip_id", "clip_id: NULL::VARCHAR"), "clip_id 'None' is not a text"),
    "other times": (
        ONE.replace("end_ms: s.end_ms", "end_ms: s.end_ms - 1"),
        "is not in the plan that was edited; there it is",
    ),
    "invented": (ONE.replace("clip_id: s.clip_id", "clip_id: 'x' || s.clip_id"), "is not in the plan that was edited"),
}


def test_each_wrong_row_is_named(edit: Edit) -> None:
    keys = sorted(row["key"] for row in edit.before)
    cases = " ".join(
        f"WHEN '{key}' THEN {expression}" for key, (expression, _) in zip(keys, WRONG_ROWS.values(), strict=False)
    )
    found = edit.refused(f"SELECT * REPLACE (CASE key {cases} ELSE sentences END AS sentences) FROM plan ORDER BY key")
    lines = found.splitlines()
    assert lines[0].endswith(f"{len(WRONG_ROWS)} problems in the edited plan; nothing was changed.")
    for number, (line, (name, (_, message))) in enumerate(zip(lines[1:], WRONG_ROWS.items(), strict=True), 1):
        assert line.startswith(f"  any name.parquet row {number}: "), name
        assert message in line, name


WRONG_PLANS = {
    "two splits": (
        "SELECT * REPLACE (CASE WHEN key LIKE 'v0-00000%' THEN 'test' ELSE 'val' END AS split) FROM plan",
        "one split",
    ),
    "row twice": ("SELECT * FROM plan UNION ALL (SELECT * FROM plan ORDER BY key LIMIT 1)", "already"),
    "shared sentence": (
        "SELECT * FROM plan UNION ALL SELECT * REPLACE (sentences[1:2] AS sentences) FROM plan WHERE video_id = 'v0'",
        "is in the long clip at any name.parquet row",
    ),
    "video": ("SELECT * REPLACE ('w' || video_id AS video_id) FROM plan", "is not in the plan that was edited"),
    "two uris": ("SELECT * REPLACE (key || '.mp4' AS uri) FROM plan", "has the uri"),
    "column": ("SELECT * EXCLUDE (split, uri) FROM plan", "column uri, split is missing"),
    "field": (
        "SELECT * REPLACE (list_transform(sentences, lambda s: {clip_id: s.clip_id, text: s.text}) AS sentences) FROM plan",
        "column sentences has no field start_ms",
    ),
    "sentence type": ("SELECT * REPLACE (paragraph AS sentences) FROM plan", "column sentences is string, not a list"),
    "text type": ("SELECT * REPLACE (1.5 AS uri) FROM plan", "column uri is decimal"),
    "no row": ("SELECT * FROM plan WHERE false", "has no row"),
}


@pytest.mark.parametrize("name", WRONG_PLANS)
def test_wrong_plans_are_refused(edit: Edit, name: str) -> None:
    select, message = WRONG_PLANS[name]
    assert message in edit.refused(select)


def test_the_first_twenty_problems_are_shown_in_order(edit: Edit) -> None:
    select = "SELECT * REPLACE ('' AS split, 'ftp://x/' || video_id AS uri) FROM plan ORDER BY key"
    lines = edit.refused(select).splitlines()
    assert "36 problems" in lines[0]
    assert [line.split(":")[0].split()[-1] for line in lines[1:21]] == [str(n) for n in range(1, 11) for _ in range(2)]
    assert lines[21].strip() == "... and 16 more"


def test_a_folder_without_a_table_is_refused(edit: Edit) -> None:
    assert "no .parquet file is directly in this folder" in edit.refuses()
    (edit.edited / "x.parquet").write_bytes(b"not a table")
    assert "x.parquet: not a Parquet file" in edit.refuses()


def test_the_plan_of_the_corpus_is_no_edited_plan(edit: Edit) -> None:
    edit.edited = Path(edit.layout.plan)
    assert "the corpus's own plan" in edit.refuses()


def test_a_plan_that_was_changed_in_place_is_no_plan_to_start_from(edit: Edit) -> None:
    edit.write("SELECT * FROM plan WHERE video_id <> 'v1'")
    shutil.copy(edit.edited / "any name.parquet", Path(edit.layout.plan) / "part-00000.parquet")
    assert "was changed in place" in edit.refuses()


def test_an_unfinished_plan_is_no_plan_to_start_from(edit: Edit) -> None:
    edit.write("SELECT * FROM plan")
    (Path(edit.layout.plan) / "_plan.json").unlink()
    assert "is not complete" in edit.refuses()


# -- rows --------------------------------------------------------------------------------------------------------------


def row(**changes: Any) -> dict[str, Any]:
    sentence = {"clip_id": "a", "start_ms": 1, "end_ms": 9, "text": "word"}
    return {"video_id": "v", "uri": None, "split": "train", "sentences": [sentence]} | changes


@pytest.fixture
def config() -> CorpusConfig:
    return CorpusConfig.model_validate(settings())


def test_a_row_needs_no_derived_column(config: CorpusConfig) -> None:
    clip = check_row(row(), ("f", 1), config)
    assert isinstance(clip, LongClip)
    assert (clip.key, clip.video.uri, clip.video.meta) == ("v-000000001-000000009", "videos/v.mp4", "{}")
    assert set(recomputed(row(), clip)) == {
        "key", "start_ms", "end_ms", "paragraph", "n_sentences", "n_words", "frame_times_ms",
    }  # fmt: skip
    assert recomputed(tables.plan_row(clip), clip) == []


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), True, "1", None, 10**13, 1.5], ids=lambda value: repr(value)
)
def test_what_is_no_time_is_a_problem(config: CorpusConfig, value: Any) -> None:
    sentence = {"clip_id": "a", "start_ms": 1, "end_ms": value, "text": "word"}
    found = check_row(row(sentences=[sentence]), ("f", 3), config)
    assert isinstance(found, list)
    assert [(p.file, p.row) for p in found] == [("f", 3)]
    assert "end_ms" in found[0].text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "hold-out"}, "split 'hold-out' is not made of letters and digits"),
        ({"split": None}, "split 'None' is not made of"),
        (
            {"split": "trian"},
            "split 'trian' is not in the configuration, which has train, val, test. Did you mean train?",
        ),
        ({"video_id": " "}, "video_id ' ' is not a text"),
        ({"video_id": "a/b"}, "is not safe as a file name"),
        ({"uri": "http://a/b.mp4"}, "is of no kind that is read"),
        ({"meta": "[1]"}, "meta '[1]' is not a JSON object"),
        ({"meta": "{"}, "is not a JSON object: not JSON"),
        ({"coherence": "high"}, "coherence 'high' is not a number"),
    ],
)
def test_what_a_video_cannot_be(config: CorpusConfig, change: dict[str, Any], message: str) -> None:
    found = check_row(row(**change), ("f", 1), config)
    assert isinstance(found, list) and len(found) == 1
    assert message in found[0].text


def test_a_row_shows_a_few_problems_only(config: CorpusConfig) -> None:
    found = check_row(row(sentences=[None] * 1000, split=None), ("f", 1), config)
    assert isinstance(found, list) and len(found) == 7


def test_problems_read_as_places() -> None:
    assert str(RowProblem("f", 0, "x")) == "f: x"
    assert str(RowProblem("f", 2, "x")) == "f row 2: x"


@pytest.mark.parametrize("make", [lambda t: pa.large_list(t), lambda t: pa.list_(t)])
def test_large_types_are_read(edit: Edit, make: Callable[[Any], Any]) -> None:
    plan = pa.concat_tables(pq.read_table(part) for part in sorted(Path(edit.layout.plan).glob("*.parquet")))
    struct = pa.struct(
        [("clip_id", pa.large_string()), ("start_ms", pa.uint32()), ("end_ms", pa.uint32()), ("text", pa.string())]
    )
    plan = plan.set_column(8, "sentences", plan["sentences"].cast(make(struct)))
    plan = plan.set_column(1, "video_id", plan["video_id"].dictionary_encode())
    pq.write_table(plan, edit.edited / "x.parquet")
    edit.check(edit.adopt())
