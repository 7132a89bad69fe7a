"""Known copies of what is taken down: listed, taken along where that is asked for, and told by the audit while they stay."""

import json
import shutil
from pathlib import Path

import pytest
from sources import LAST_MAN, ONE_THREAD, SourceSet, Video, build, ledger, manifest, rows_of, source_set, spoken
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.pipeline.revise.known_copies import known_copies, reachable
from longtake.pipeline.verify import verify
from longtake.schemas.layout import Layout

SAME = spoken(4, says="these words are said twice, in sentence")
VIDEOS = [
    Video("one", SAME, LAST_MAN), Video("two", SAME, LAST_MAN), Video("again", SAME, LAST_MAN),
    Video("other", spoken(4, says="and these are not, in sentence"), LAST_MAN),
]  # fmt: skip
SETTINGS = {"frames": {"short_side": 32, "per_sentence": 1}, "duplicates": {"paragraphs": "flag"}, "max_failed": 0.9}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("copies"), VIDEOS, **SETTINGS)
    build(sources, workers=1)
    return sources


@pytest.fixture
def corpus(built: SourceSet, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built.output, tmp_path / "corpus"))


def run(*arguments: str | Path, input: str | None = None) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)], obj=list(ONE_THREAD), input=input, env={"COLUMNS": "160"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return " ".join(result.output.split())


def audited(corpus: Path) -> dict[str, dict[str, str]]:
    run("audit", corpus, "--verify", "none", "--frames", "0")
    return {check["name"]: check for check in json.loads((corpus / "audit" / "audit.json").read_text())["checks"]}


def survivor_of(corpus: Path) -> str:
    """The video whose long clip the others are said to repeat."""
    (key,) = {row["duplicate_of"] for row in rows_of(corpus, "plan") if row["duplicate_of"]}
    return str(key).rsplit("-", 2)[0]


@pytest.mark.parametrize("which", [pytest.param("survivor", marks=pytest.mark.exhaustive), "flagged"])
def test_copies_that_stay_are_listed_and_the_audit_warns(corpus: Path, which: str) -> None:
    first = survivor_of(corpus)
    taken = first if which == "survivor" else next(n for n in ("one", "two", "again") if n != first)
    others = {"one", "two", "again"} - {taken}
    printed = run("takedown", corpus, "--videos", "-", input=f"{taken}\n")
    assert (
        "Known copies stay, with the same frames or words: 2 samples. To take them down too: --with-duplicates."
        in printed
    )
    keys = sorted(f"{name}-000000000-000004300" for name in others)
    assert all(key in printed for key in keys)
    assert manifest(corpus)["history"][-1]["copies"] == keys
    check = audited(corpus)["copies"]
    assert (check["status"], check["found"]) == ("warn", "2 samples repeat what was taken down or rejected.")
    assert not verify(str(corpus), workers=1).faults


def test_copies_are_taken_along(corpus: Path) -> None:
    printed = run("takedown", corpus, "--videos", "-", "--with-duplicates", input="two\n")
    assert "1 video taken down and 2 samples rejected" in printed or "1 video taken down, 2 samples rejected" in printed
    assert "stay" not in printed
    assert {row["video_id"] for row in rows_of(corpus, "index")} == {"other"}
    details = {
        row["subject_id"]: row["detail"]
        for row in ledger(corpus)
        if row["reason"] == "rejected" and row["subject"] == "clip"
    }
    assert set(details.values()) == {"a known copy of what was taken down"} and len(details) == 2
    assert "copies" not in manifest(corpus)["history"][-1]
    assert audited(corpus)["copies"]["status"] == "pass"
    assert not verify(str(corpus), workers=1).faults


def test_a_corpus_from_which_nothing_was_taken_down_is_not_asked_for_copies(corpus: Path) -> None:
    assert "copies" not in audited(corpus)


def test_copies_of_copies_are_copies() -> None:
    a, b, c = "a-000000000-000001000", "b-000000000-000001000", "c-000000000-000001000"
    links = [
        (("clip", b), ("clip", a)),
        (("video", "w"), ("video", "v")),
        (("video", "x"), ("video", "w")),
        (("clip", "x-000000000-000001000"), ("clip", c)),
    ]
    assert reachable(links, [("clip", a)]) == {("clip", a), ("clip", b)}
    found = reachable(links, [("video", "v")])  # over w and x to a long clip of x, and what repeats that
    assert {("video", "w"), ("video", "x"), ("clip", c)} < found and ("clip", a) not in found
    assert ("video", "x") not in reachable(links, [("clip", c)]), "a long clip is not its video"


def test_what_was_left_out_as_a_duplicate_names_the_copy_that_stays(tmp_path: Path) -> None:
    """The ledger's own sentences are read, as the search for duplicates writes them."""
    from longtake.pipeline.merge.merge import long_clip
    from longtake.pipeline.plan.duplicates.graph import _why
    from longtake.pipeline.plan.duplicates.survivors import Duplicate, ranked
    from longtake.pipeline.plan.duplicates.video_graph import video_drops
    from longtake.schemas import storage, tables
    from longtake.schemas.config import Duplicates
    from longtake.schemas.reasons import Stage, Subject
    from longtake.schemas.records import Drop, Sentence, SourceVideo

    def clip(name: str) -> "tuple[str, object]":
        made = long_clip(SourceVideo(name, "u"), (Sentence(f"{name}.1", 0, 1000, "words"),), 1)
        return made.key, made

    stays, kept = clip("it's, kept")
    gone, lost = clip("gone")
    layout = Layout(str(tmp_path))
    storage.write_parquet(f"{layout.plan}/part-0.parquet", tables.table([tables.plan_row(kept)], tables.PLAN))  # type: ignore[arg-type]
    near = Duplicate(ranked(gone, 0), ranked("like-000000000-000000001", 0), ranked(stays, 0), 0.9)
    rows = [Drop("gone", Subject.CLIP, gone, Stage.FILTER, *_why(near, Duplicates()))]
    video = Duplicate(ranked("gone", 0), ranked("it's, kept", 0), ranked("it's, kept", 0))
    for drops, expected in ((rows, (set(), {stays})), (video_drops((lost,), video), ({"it's, kept"}, set()))):  # type: ignore[arg-type]
        path = f"{layout.ledger}/part-0.parquet"
        storage.write_parquet(path, tables.ledger_table(drops))
        found = known_copies(layout, {"gone"}, {gone})
        assert (found.videos, found.clips) == expected
