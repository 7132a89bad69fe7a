"""What curators reject stays out: of a finished corpus, of a plan, and of what is made of them afterwards."""

import io
import json
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources import (
    LAST_MAN,
    ONE_THREAD,
    Record,
    SourceSet,
    Video,
    build,
    ledger,
    manifest,
    published,
    reasons,
    rows_of,
    source_set,
    spoken,
)
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.jobs.versions.takedown import read_asked
from longtake.pipeline.revise import install
from longtake.pipeline.verify import verify
from longtake.schemas import storage
from longtake.schemas.decisions import Decision, OnConflict, append_decision, read_decisions, write_decisions
from longtake.schemas.errors import ConfigError, CorpusError

SETTINGS = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 4}, "max_failed": 0.9}
FAR = tuple((90_000 + start, 90_000 + end, f"beyond {text}") for start, end, text in spoken(4))
#: Two long clips each but for the last, whose second is beyond the end of its source.
VIDEOS = [
    *(Video(f"v{i}", spoken(8, 200 * i, says=f"secret{i}"), LAST_MAN) for i in range(4)),
    Video("a/b", spoken(4, 300, says="slashed"), LAST_MAN, name="slash"),
    Video("short", (*spoken(4, says="near"), *FAR), LAST_MAN),
]
FIRST, SECOND = "v1-000000200-000004500", "v1-000004600-000008900"
NOTE = '=cmd|" /C calc"!A1, <script>alert(1)</script> \u00e9'


def done(*arguments: str | Path) -> str:
    """What a command prints that succeeds."""
    result = CliRunner().invoke(app, [*map(str, arguments)], obj=list(ONE_THREAD), env={"COLUMNS": "160"})
    if result.exception is not None:
        raise result.exception
    return result.output


def is_sound(corpus: Path) -> None:
    report = verify(str(corpus), workers=1)
    assert not report.faults, [str(fault) for fault in report.faults]
    assert report.compared
    for count in manifest(corpus)["counts"].values():
        assert count["in"] == count["kept"] + count["dropped"]


def rejects(path: Path, *ids: str, curator: str = "Ann", decision: str = "reject", note: str = NOTE) -> Path:
    """A file with decisions on samples, and on videos where an id is no key."""
    for name in ids:
        subject = "sample" if name.count("-") >= 2 else "video"
        append_decision(
            str(path), Decision(subject, name, decision, "misaligned", note, curator, "2026-11-25T18:20:05Z")
        )
    return path


def keys(corpus: Path, table: str = "index") -> set[str]:
    return {row["key"] for row in rows_of(corpus, table)}


def files(corpus: Path, *folders: str) -> dict[str, str]:
    return {
        path: digest
        for path, digest in published(corpus).items()
        if path.partition("/")[0] in folders and not path.endswith("_plan.json")
    }


def rows(corpus: Path, reason: str) -> list[Record]:
    return [row for row in ledger(corpus) if row["reason"] == reason]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("built"), VIDEOS, **SETTINGS)
    build(sources)
    assert {FIRST, SECOND} < keys(sources.output) and len(keys(sources.output)) == 10
    assert reasons(sources.output, "clip") == {"short-000090000-000094300": "frames_past_end"}
    assert "decisions" not in manifest(sources.output) and len(rows_of(sources.output, "plan")) == 11
    assert "decisions" not in json.loads((sources.output / "plan" / "_plan.json").read_text())
    return sources


NEAR = "short-000000000-000004300"
REJECTED = (SECOND, "v2-000000400-000004700", "v2-000004800-000009100", NEAR, "v3")


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """The same videos, built without what a curator rejected: a long clip, both of a video, the only good one, a whole video."""
    sources = source_set(tmp_path_factory.mktemp("decided"), VIDEOS, **SETTINGS)
    rejects(sources.folder / "d.csv", *REJECTED, "v1-000000000-000000007")
    printed = done("build", sources.config, "--decisions", sources.folder / "d.csv", "--probe", "none")
    assert "Decisions: 5 of 6 rejections applied; 1 names nothing in this plan." in printed
    return sources


@pytest.fixture
def corpus(built: SourceSet, tmp_path: Path) -> Path:
    """A copy of the corpus, free to change."""
    shutil.copytree(built.output, tmp_path / "corpus")
    return tmp_path / "corpus"


# -- takedown ----------------------------------------------------------------------------------------------------------


def frames_of(corpus: Path, key: str) -> list[bytes]:
    """The frames of a sample that no other has too."""
    own, others = set[bytes](), set[bytes]()
    for path in sorted((corpus / "shards").iterdir()):
        with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    data = tar.extractfile(member).read()  # type: ignore[union-attr]
                    (own if member.name.startswith(f"{key}.") else others).add(data)
    return sorted(own - others)


def test_nothing_of_a_rejected_sample_is_left_and_its_video_stays(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpegs, before = frames_of(corpus, SECOND), keys(corpus)
    said = [s["text"] for row in rows_of(corpus, "plan") if row["key"] == SECOND for s in row["sentences"]]
    columns = {"video_id": ["v1", "v1", "v2"], "clip_id": ["v1.1", "v1.8", "v2.8"]}
    storage.write_parquet(str(corpus / "embeddings" / "part-00007.parquet"), pa.table(columns))
    decided = rejects(corpus / "decisions.csv", SECOND)
    rejects(decided, FIRST, decision="flag")
    rejects(decided, "v2", decision="ok", curator="Bob")
    untouched = {path.name: path.stat().st_ino for path in (corpus / "shards").iterdir()}
    (home,) = {row["shard"] for row in rows_of(corpus, "index") if row["key"] == SECOND}

    finish = install._finish_exchange

    def mark(*arguments: object) -> None:
        rejects(decided, "v0", decision="ok")
        finish(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(install, "_finish_exchange", mark)
    assert "1 sample rejected" in done("takedown", corpus, "--decisions", decided, "--note", "review 7")
    is_sound(corpus)
    assert keys(corpus) == before - {SECOND} and SECOND not in keys(corpus, "plan")
    everything = b"".join(path.read_bytes() for path in corpus.rglob("*") if path.is_file())
    tables = str([pq.read_table(path).to_pylist() for path in corpus.rglob("*.parquet")])
    assert jpegs and not any(jpeg in everything for jpeg in jpegs)
    assert not any(text.encode() in everything or text in tables for text in said)
    assert "secret1 number 1." in tables, "the other long clip of its video has its text"
    assert pq.read_table(corpus / "embeddings" / "part-00007.parquet")["clip_id"].to_pylist() == ["v1.1", "v2.8"]
    after = {path.name: path.stat().st_ino for path in (corpus / "shards").iterdir()}
    assert {name for name in after if untouched[name] != after[name]} == {f"{home}.tar"}
    log = [one.subject_id for one in read_decisions(str(decided))]
    assert log == [SECOND, FIRST, "v2", "v0"], "it stays, with what was marked while the folders changed places"

    own, *others = rows(corpus, "rejected")
    assert own == {
        "video_id": "v1",
        "subject": "clip",
        "subject_id": SECOND,
        "stage": "takedown",
        "reason": "rejected",
        "detail": f"reject by Ann at 2026-11-25T18:20:05Z: misaligned: {NOTE}",
    }
    assert [(row["subject"], row["subject_id"]) for row in others] == [("sentence", f"v1.{n}") for n in range(5, 9)]
    entry = manifest(corpus)["history"][-1]
    assert {name: value for name, value in entry.items() if name != "parent"} == {
        "version": 2,
        "command": "takedown",
        "videos": 0,
        "samples": 1,
        "curators": ["Ann"],
        "note": "review 7",
    }
    assert "1 sample already taken down or dropped: nothing to do" in done("takedown", corpus, "--decisions", decided)
    assert manifest(corpus)["version"] == 2


def test_a_takedown_gives_what_a_build_with_the_decisions_gives(corpus: Path, decided: SourceSet) -> None:
    is_sound(decided.output)
    videos = {"v2": "all_clips_filtered", "v3": "rejected", "short": "all_clips_dropped"}
    assert reasons(decided.output, "video") == videos
    assert {row["stage"] for row in rows(decided.output, "rejected")} == {"filter"}
    told = manifest(decided.output)["decisions"]
    assert (told["rejects"], told["applied"], len(told["sha256"])) == (6, 5, 64)
    printed = done("takedown", corpus, "--decisions", decided.folder / "d.csv", "--ignore-unknown")
    assert "Unknown, ignored: 1 sample." in printed and "1 video taken down, 4 samples" in printed
    is_sound(corpus)
    assert reasons(corpus, "video") == videos | {"v3": "taken_down"}
    (detail,) = [row["detail"] for row in ledger(corpus) if row["subject_id"] == "v3"]
    assert detail.startswith("reject by Ann at 2026-11-25T18:20:05Z: misaligned: =cmd")
    assert {row["stage"] for row in ledger(corpus) if row["subject_id"] == "short"} == {"decode"}, (
        "it failed, and can be retried"
    )
    done("reshard", corpus)
    is_sound(corpus)
    assert files(corpus, "shards", "index", "plan") == files(decided.output, "shards", "index", "plan")
    assert manifest(corpus)["history"][0]["samples"] == 4 and manifest(corpus)["history"][0]["videos"] == 1


@pytest.mark.exhaustive
def test_a_video_without_samples_has_a_row_and_can_be_taken_down_whole(corpus: Path, tmp_path: Path) -> None:
    kept = manifest(corpus)["counts"]["videos"]["kept"]
    done("takedown", corpus, "--decisions", rejects(tmp_path / "one.csv", FIRST))
    done("takedown", corpus, "--decisions", rejects(tmp_path / "two.csv", SECOND))
    is_sound(corpus)
    assert reasons(corpus, "video") == {"v1": "all_clips_filtered"}
    assert manifest(corpus)["counts"]["videos"]["kept"] == kept - 1
    ids = tmp_path / "ids.txt"
    ids.write_text("v1\n")
    done("takedown", corpus, "--videos", ids, "--note", "asked for", "--decisions", tmp_path / "one.csv")
    is_sound(corpus)
    assert reasons(corpus, "video") == {"v1": "taken_down"}
    rejected = [row for row in rows(corpus, "rejected") if row["subject"] == "clip"]
    assert [(row["subject_id"], row["detail"]) for row in rejected] == [(FIRST, ""), (SECOND, "")]


@pytest.mark.exhaustive
def test_what_is_left_of_a_video_can_be_retried_and_what_was_rejected_stays_out(corpus: Path, built: SourceSet) -> None:
    """The only sample of a video is rejected, and the other long clip had failed: the video failed now."""
    decided = rejects(corpus.parent / "d.csv", NEAR)
    done("takedown", corpus, "--decisions", decided)
    is_sound(corpus)
    assert reasons(corpus, "video") == {"short": "all_clips_dropped"}
    before = published(corpus)
    assert "failed again" in done("retry", corpus, "--config", built.config)
    assert published(corpus) == before
    assert NEAR not in keys(corpus, "plan")


@pytest.mark.exhaustive
def test_a_long_clip_that_had_failed_can_be_rejected(corpus: Path, tmp_path: Path) -> None:
    far = "short-000090000-000094300"
    done("takedown", corpus, "--decisions", rejects(tmp_path / "d.csv", far))
    is_sound(corpus)
    assert reasons(corpus, "clip") == {far: "rejected"}
    assert not rows(corpus, "frames_past_end")


def test_what_the_corpus_does_not_know_is_named(corpus: Path, tmp_path: Path) -> None:
    before = published(corpus)
    decided = rejects(tmp_path / "d.csv", "v1-000000000-000000007", "nobody", SECOND)
    with pytest.raises(
        CorpusError, match=r"does not know 1 video and 1 sample; nothing was changed[\s\S]*nobody\n  v1-0"
    ):
        done("takedown", corpus, "--decisions", decided)
    assert published(corpus) == before
    strangers = rejects(tmp_path / "strangers.csv", "v1-000000000-000000007", "nobody")
    printed = done("takedown", corpus, "--decisions", strangers, "--ignore-unknown")
    assert "Unknown, ignored: 1 video and 1 sample." in printed and "None of them is in this corpus" in printed
    assert published(corpus) == before


def test_decisions_that_reject_nothing_change_nothing(corpus: Path, tmp_path: Path) -> None:
    decided = rejects(tmp_path / "d.csv", FIRST, decision="ok")
    rejects(decided, SECOND)
    rejects(decided, SECOND, decision="none")
    assert "No decision rejects anything" in done("takedown", corpus, "--decisions", decided)
    with pytest.raises(ConfigError, match="--videos FILE, --decisions FILE, or both"):
        done("takedown", corpus)
    assert "version" not in manifest(corpus)


def test_curators_who_differ_stop_every_command_before_it_works(corpus: Path, built: SourceSet, tmp_path: Path) -> None:
    ann, bob = (
        rejects(tmp_path / "ann.csv", SECOND),
        rejects(tmp_path / "bob.csv", SECOND, curator="Bob", decision="ok"),
    )
    both, before = ("--decisions", ann, "--decisions", bob), published(corpus)
    for command in (("takedown", corpus), ("plan", built.config), ("build", built.config)):
        with pytest.raises(ConfigError, match=rf"differ on 1 subject[\s\S]*{SECOND}: Ann: reject \(2026.*Bob: ok"):
            done(*command, *both)
    with pytest.raises(ConfigError, match="no such file"):
        done("build", built.config, "--decisions", tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="--decisions and --plan exclude each other"):
        done("build", built.config, "--plan", tmp_path, "--decisions", ann)
    assert published(corpus) == before
    for policy, samples in (
        (OnConflict.STRICTEST, [SECOND]),
        (OnConflict.LATEST, [SECOND]),
    ):  # at the same time: the stricter
        asked = read_asked(None, [str(ann), str(bob)], policy, "")
        assert list(asked.samples) == samples
        assert asked.told([], asked.samples) == {"videos": 0, "samples": 1, "curators": ["Ann"]}


@pytest.mark.exhaustive
def test_an_edited_plan_does_not_bring_it_back(corpus: Path, built: SourceSet, tmp_path: Path) -> None:
    sources = source_set(tmp_path / "own", VIDEOS[:2], **SETTINGS)
    build(sources)
    shutil.copytree(sources.output / "plan", tmp_path / "edited")
    done("takedown", sources.output, "--decisions", rejects(tmp_path / "d.csv", SECOND))
    with pytest.raises(CorpusError, match="is not in the plan that was edited"):
        build(sources, plan=str(tmp_path / "edited"), overwrite=True)
    with pytest.raises(CorpusError, match="videos or samples were taken down"):
        build(sources, overwrite=True)
    assert SECOND not in keys(sources.output)


# -- plan and build ----------------------------------------------------------------------------------------------------


def test_the_plan_remembers_the_decisions(decided: SourceSet, tmp_path: Path) -> None:
    before = published(decided.output)
    same, other = decided.folder / "d.csv", rejects(tmp_path / "other.csv", FIRST)
    assert "nothing to do" in done("build", decided.config)
    assert "nothing to do" in done("build", decided.config, "--decisions", same)
    for file in (other, rejects(tmp_path / "ok.csv", FIRST, decision="ok")):
        with pytest.raises(CorpusError, match="made with other decisions"):
            done("build", decided.config, "--decisions", file)
    assert published(decided.output) == before


@pytest.mark.exhaustive
def test_other_decisions_make_another_plan(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[:3], **SETTINGS)
    decided = rejects(tmp_path / "d.csv", SECOND)
    done("plan", sources.config, "--decisions", decided, "--probe", "none")
    assert "Using the plan" in done("build", sources.config)
    assert SECOND not in keys(sources.output)
    before = published(sources.output)
    assert "nothing to do" in done("build", sources.config)
    assert "nothing to do" in done("build", sources.config, "--decisions", decided)
    with pytest.raises(CorpusError, match="made with other decisions"):
        done("build", sources.config, "--decisions", rejects(tmp_path / "other.csv", FIRST))
    (sources.output / "corpus.json").unlink()
    done("build", sources.config, "--decisions", tmp_path / "other.csv", "--probe", "none")
    assert keys(sources.output) & {FIRST, SECOND} == {SECOND}, "other decisions, another plan"
    done("build", sources.config, "--decisions", decided, "--overwrite", "--probe", "none")
    assert published(sources.output) == before
    printed = done("build", sources.config, "--overwrite", "--probe", "none")
    assert "applied 1 rejection; without --decisions, what was rejected comes back" in printed
    assert SECOND in keys(sources.output) and "decisions" not in manifest(sources.output)
    assert "nothing to do" in done(
        "build", sources.config, "--decisions", rejects(tmp_path / "ok.csv", FIRST, decision="ok")
    )


@pytest.mark.exhaustive
def test_the_order_of_decisions_changes_no_byte(built: SourceSet, tmp_path: Path) -> None:
    found: list[dict[str, str]] = []
    for number, order in enumerate(([FIRST, "v3", "v2-000000400-000004700"], [FIRST, "v2-000000400-000004700", "v3"])):
        sources = source_set(tmp_path / str(number), VIDEOS, **SETTINGS)
        one = rejects(sources.folder / "one.csv", *order)
        rejects(sources.folder / "two.parquet", *sorted(order[1:], reverse=bool(number))[:2], curator="Bob")
        modes = ["--", "--direct_running_mode=multi_processing", "--direct_num_workers=2"] if number else []
        options = ["--decisions", one, "--decisions", sources.folder / "two.parquet", "--probe", "none"]
        CliRunner().invoke(app, ["plan", str(sources.config), *map(str, options)], obj=modes[1:])
        plan = sorted((sources.output / "plan").iterdir()) + sorted((sources.output / "ledger").iterdir())
        found.append({path.name: path.read_bytes().hex() for path in plan})
    assert found[0] == found[1] and "_plan.json" in found[0]


def test_what_was_rejected_does_not_come_back_by_another_cut(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[1:2], **SETTINGS | {"merge": {"min_sentences": 2, "max_sentences": 3}})
    decided = rejects(tmp_path / "d.csv", SECOND, note="blurred")  # sentences 5 to 8
    done("plan", sources.config, "--decisions", decided, "--probe", "none")
    cut = {row["key"]: [s["clip_id"] for s in row["sentences"]] for row in rows_of(sources.output, "plan")}
    assert list(cut.values()) == [["v1.1", "v1.2", "v1.3"]]
    out = {row["subject_id"]: row["detail"] for row in rows(sources.output, "rejected") if row["subject"] == "clip"}
    assert len(out) == 2
    assert set(out.values()) == {
        f"shares at least half of its time with {SECOND}: reject by Ann at 2026-11-25T18:20:05Z: misaligned: blurred"
    }


@pytest.mark.exhaustive
def test_a_video_of_which_all_is_rejected_or_filtered_has_one_row(tmp_path: Path) -> None:
    limits = {"max_words_per_second": 3.0}
    fast = Video("w", (*spoken(4), *((s, e, "a b c d e f g h") for s, e, _ in spoken(4, 4400))), LAST_MAN)
    sources = source_set(tmp_path, [fast, VIDEOS[0]], **SETTINGS | {"filters": limits})
    done(
        "build", sources.config, "--probe", "none", "--decisions", rejects(tmp_path / "d.csv", "w-000000000-000004300")
    )
    is_sound(sources.output)
    assert reasons(sources.output, "video") == {"w": "all_clips_filtered"}
    assert sorted(reasons(sources.output, "clip").values()) == ["fast_speech", "rejected"]
    (detail,) = [row["detail"] for row in ledger(sources.output) if row["subject"] == "video"]
    assert detail.startswith("all 2 of its long clips")


@pytest.mark.exhaustive
def test_a_retry_applies_the_decisions_of_the_plan(tmp_path: Path) -> None:
    """A video could not be read when decisions were applied: what was rejected of it stays out when it is planned at last."""
    found = []
    for name in ("whole", "missing"):
        sources = source_set(tmp_path / name, VIDEOS[:3], **SETTINGS)
        source = sources.folder / "videos" / "v1.mp4"
        if name == "missing":
            source.unlink()
        done(
            "build", sources.config, "--decisions", rejects(sources.folder / "d.csv", SECOND, "v0-000000000-000004300")
        )
        if name == "missing":
            assert manifest(sources.output)["decisions"]["applied"] == 1
            source.symlink_to(LAST_MAN)
            beside = sources.output / "staging" / "rejects.json"
            kept = beside.read_bytes()
            beside.unlink()
            with pytest.raises(CorpusError, match="not the decisions that the plan was made with"):
                done("retry", sources.output, "--config", sources.config)
            beside.write_bytes(kept)
            done("retry", sources.output, "--config", sources.config)
        is_sound(sources.output)
        found.append((files(sources.output, "plan", "shards", "index"), manifest(sources.output)["decisions"]))
        assert FIRST in keys(sources.output) and SECOND not in keys(sources.output)
    assert found[0] == found[1]


# -- merge -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut_otherwise(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """Some of the videos in long clips of two sentences, so that each of the others is two of these."""
    small = SETTINGS | {"name": "other", "merge": {"min_sentences": 2, "max_sentences": 2}}
    sources = source_set(tmp_path_factory.mktemp("other"), VIDEOS[1:3], **small)
    build(sources)
    return sources


def merged(target: Path, corpora: Iterable[Path]) -> Path:
    done("merge", *corpora, "--output", target)
    is_sound(target)
    return target


@pytest.mark.exhaustive
def test_what_was_rejected_in_one_stays_out_of_the_merged(
    corpus: Path, cut_otherwise: SourceSet, tmp_path: Path
) -> None:
    done("takedown", corpus, "--decisions", rejects(tmp_path / "d.csv", SECOND))
    both = merged(tmp_path / "both", [cut_otherwise.output, corpus])
    texts = {s["text"] for row in rows_of(both, "plan") if row["video_id"] == "v1" for s in row["sentences"]}
    assert texts == {f"secret1 number {n}." for n in range(1, 5)}
    notes = [row for row in rows(both, "rejected") if row["subject"] == "note"]
    assert [(row["subject_id"], row["stage"]) for row in notes] == [(SECOND, "takedown")]
    again = merged(tmp_path / "again", [cut_otherwise.output, both])
    assert keys(again) == keys(both), "and not from a third either"


@pytest.mark.exhaustive
def test_a_merge_heeds_what_a_plan_left_out(built: SourceSet, tmp_path: Path) -> None:
    sources = source_set(tmp_path / "decided", VIDEOS[1:4], **SETTINGS | {"name": "decided"})
    done("build", sources.config, "--probe", "none", "--decisions", rejects(tmp_path / "d.csv", FIRST, SECOND, "v2"))
    assert {row["video_id"] for row in rows_of(sources.output, "index")} == {"v3"}
    both = merged(tmp_path / "both", [built.output, sources.output])
    assert {row["video_id"] for row in rows_of(both, "index")} == {"v0", "v3", "a/b", "short"}
    assert reasons(both, "video") == {"v1": "all_clips_filtered", "v2": "rejected"}
    assert "decisions" not in manifest(both) and "decisions" in manifest(both)["history"][0]["of"][1]


@pytest.mark.parametrize("order", [("ann.csv", "bob.csv"), ("bob.csv", "ann.csv")])
def test_the_latest_counts_where_that_is_asked(built: SourceSet, tmp_path: Path, order: Sequence[str]) -> None:
    later = Decision("sample", SECOND, "ok", curator="Bob", decided_at="2026-12-01")
    rejects(tmp_path / "ann.csv", SECOND)
    write_decisions(str(tmp_path / "bob.csv"), [later])
    shutil.copytree(built.output, tmp_path / "corpus")
    options = [word for name in order for word in ("--decisions", tmp_path / name)]
    assert "No decision rejects" in done("takedown", tmp_path / "corpus", *options, "--on-conflict", "latest")
