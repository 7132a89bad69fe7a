"""retry, takedown, merge, reshard: what they give is what a build would have given, and nothing is lost on the way."""

import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import DirectOptions
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
from typer.testing import CliRunner, Result

from longtake.jobs.cli import app
from longtake.jobs.versions import revise
from longtake.pipeline.verify import verify
from longtake.schemas import storage, tables
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

SETTINGS = {
    "frames": {"short_side": 32, "per_sentence": 2},
    "shards": {"samples": 4},
    "split": {"train": 0.7, "val": 0.3},
    "max_failed": 0.9,
}
VIDEOS = [Video(f"v{i}", spoken(4 + i % 2, 500 * i, says=f"secret{i}"), LAST_MAN) for i in range(10)]
TAKEN = "v3"


def run(*arguments: str, input: str | None = None) -> Result:
    """A command in this process."""
    return CliRunner().invoke(app, [*map(str, arguments)], obj=list(ONE_THREAD), input=input, env={"COLUMNS": "160"})


def done(*arguments: str, input: str | None = None) -> str:
    """What a command prints that succeeds."""
    result = run(*arguments, input=input)
    if result.exception is not None:
        raise result.exception
    return result.output


def is_sound(corpus: Path) -> bool:
    report = verify(str(corpus), workers=1)
    assert not report.faults, [str(fault) for fault in report.faults]
    assert not list(corpus.parent.glob(".*.next"))
    return report.compared


def files(corpus: Path, *folders: str) -> dict[str, str]:
    """The digests of the files in some folders of a corpus, but for the figures of the plan."""
    return {
        path: digest
        for path, digest in published(corpus).items()
        if path.partition("/")[0] in folders and not path.endswith("_plan.json")
    }


def facts(corpus: Path) -> Record:
    """corpus.json without what only tells its history."""
    return {name: value for name, value in manifest(corpus).items() if name not in ("version", "history")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    sources = source_set(tmp_path_factory.mktemp("built"), VIDEOS, **SETTINGS)
    build(sources)
    assert {name: split["shards"] for name, split in manifest(sources.output)["splits"].items()} == {
        "train": 2,
        "val": 1,
    }
    return sources


@pytest.fixture
def corpus(built: SourceSet, tmp_path: Path) -> Path:
    """A copy of the corpus, free to change."""
    shutil.copytree(built.output, tmp_path / "corpus")
    return tmp_path / "corpus"


def built_without(folder: Path, missing: Sequence[str], keep_records: bool) -> SourceSet:
    """A build of sources without the files of some videos, or without the videos."""
    videos = [video for video in VIDEOS if keep_records or video.video_id not in missing]
    sources = source_set(folder, videos, **SETTINGS)
    for name in missing:
        (folder / "videos" / f"{name}.mp4").unlink(missing_ok=True)
    build(sources)
    return sources


# -- takedown ----------------------------------------------------------------------------------------------------------


def test_taken_down_shards_are_those_of_a_build_that_could_not_decode_the_video(corpus: Path, tmp_path: Path) -> None:
    printed = done("takedown", corpus, "--videos", "-", "--note", "asked for", input=f"{TAKEN}\n")
    assert "1 video taken down" in printed
    assert is_sound(corpus)
    lost = built_without(tmp_path / "lost", [TAKEN], keep_records=True)
    assert files(corpus, "shards", "index") == files(lost.output, "shards", "index")
    assert manifest(corpus)["counts"] == manifest(lost.output)["counts"]
    assert TAKEN not in {row["video_id"] for row in rows_of(corpus, "plan")}


@pytest.mark.exhaustive
def test_takedown_and_reshard_give_the_bytes_of_a_build_that_never_had_the_video(corpus: Path, tmp_path: Path) -> None:
    done("takedown", corpus, "--videos", "-", input=f"{TAKEN}\n")
    done("reshard", corpus)
    assert is_sound(corpus)
    never = built_without(tmp_path / "never", [TAKEN], keep_records=False)
    assert files(corpus, "shards", "index", "plan") == files(never.output, "shards", "index", "plan")
    counts, without = manifest(corpus)["counts"], manifest(never.output)["counts"]
    for subject, count in without.items():
        assert counts[subject]["kept"] == count["kept"]
        assert counts[subject]["in"] - counts[subject]["dropped"] == count["kept"]


def test_nothing_of_a_taken_down_video_is_left(corpus: Path) -> None:
    jpegs = frames_of(corpus, TAKEN)
    (corpus / "notes.txt").write_text("mine")
    done("takedown", corpus, "--videos", "-", "--note", "asked for", input=f"{TAKEN}\n")
    everything = b"".join(path.read_bytes() for path in corpus.rglob("*") if path.is_file())
    assert jpegs and not any(jpeg in everything for jpeg in jpegs)
    text = "".join(
        json.dumps(pq.read_table(path).to_pylist(), default=str) for path in sorted(corpus.rglob("*.parquet"))
    )
    assert "secret4" in text and "secret3" not in text
    assert b"secret4" in everything and b"secret3" not in everything
    assert [path.name for path in (corpus / "staging").iterdir() if path.is_dir()] == []
    assert (corpus / "notes.txt").read_text() == "mine", "what is no part of a corpus stays"
    rows = [row for row in ledger(corpus) if row["video_id"] == TAKEN]
    assert {row["stage"] for row in rows} == {"takedown"}
    assert {row["reason"] for row in rows} == {"taken_down"}
    assert [row["detail"] for row in rows if row["subject"] == "video"] == ["asked for"]
    entry = manifest(corpus)["history"][-1]
    assert {name: entry[name] for name in ("version", "command", "videos", "note")} == {
        "version": 2,
        "command": "takedown",
        "videos": 1,
        "note": "asked for",
    }


def frames_of(corpus: Path, video_id: str) -> list[bytes]:
    """All frames of a video that no other video has too: the sources are one file, and times overlap."""
    own: set[bytes] = set()
    others: set[bytes] = set()
    for path in sorted((corpus / "shards").iterdir()):
        with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    data = tar.extractfile(member).read()  # type: ignore[union-attr]
                    (own if member.name.startswith(f"{video_id}-") else others).add(data)
    return sorted(own - others)


def test_embeddings_of_nobody_else_do_not_come_back(corpus: Path) -> None:
    """Nothing of embeddings/ is left to write, and what a killed `plan --save-embeddings` left is not looked into."""
    rows = {"video_id": [TAKEN], "clip_id": [f"{TAKEN}.1"]}
    storage.write_parquet(str(corpus / "embeddings" / "part-00007.parquet"), pa.table(rows))
    (corpus / "embeddings" / ".tmp-left").write_bytes(b"secret3")
    done("takedown", corpus, "--videos", "-", input=f"{TAKEN}\n")
    assert is_sound(corpus)
    assert not (corpus / "embeddings").exists()


def test_shards_without_the_video_are_not_written_anew(corpus: Path) -> None:
    (home,) = {row["shard"] for row in rows_of(corpus, "index") if row["video_id"] == TAKEN}
    before = {path.name: path.stat().st_ino for path in (corpus / "shards").iterdir()}
    done("takedown", corpus, "--videos", "-", input=f"{TAKEN}\n")
    after = {path.name: path.stat().st_ino for path in (corpus / "shards").iterdir()}
    assert {name for name in before if before[name] != after.get(name)} == {f"{home}.tar"}


def test_ids_that_nobody_knows_are_named_and_nothing_is_changed(corpus: Path) -> None:
    before = published(corpus)
    ids = corpus.parent / "ids.txt"
    ids.write_text(f"{TAKEN}\nnobody\n\n")
    with pytest.raises(CorpusError, match=r"does not know 1 video; nothing was changed[\s\S]*nobody"):
        done("takedown", corpus, "--videos", ids)
    assert published(corpus) == before
    assert "Unknown, ignored: 1 video." in done("takedown", corpus, "--videos", ids, "--ignore-unknown")
    assert is_sound(corpus)
    assert "already taken down: nothing to do" in done("takedown", corpus, "--videos", ids, "--ignore-unknown")
    assert manifest(corpus)["version"] == 2


def test_a_small_corpus_is_revised_by_one_thread(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further thread takes a CPU-second to start."""
    threads, whole = [], revise.run_pipeline

    def run_pipeline(graph: Any, options: Any, *more: Any) -> None:
        threads.append(options.view_as(DirectOptions).direct_num_workers)
        whole(graph, options, *more)

    monkeypatch.setattr(revise, "run_pipeline", run_pipeline)
    CliRunner().invoke(app, ["reshard", str(corpus), "--samples", "3"], obj=[], catch_exceptions=False)
    assert threads == [1, 1]
    assert is_sound(corpus)


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [(None, (), "no such file"), ("\n \n", (), "no id in it"), (f"{TAKEN}\n", ("--note", "a\x1bb"), "on one line")],
)
def test_wrong_input_of_a_takedown_is_refused(
    corpus: Path, content: str | None, options: Sequence[str], said: str
) -> None:
    ids = corpus.parent / "ids.txt"
    if content is not None:
        ids.write_text(content)
    with pytest.raises(ConfigError, match=said):
        done("takedown", corpus, "--videos", ids, *options)
    assert manifest(corpus).get("version") is None


@pytest.mark.slow
def test_a_taken_down_video_does_not_come_back(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS[:5], **SETTINGS)
    build(sources)
    done("takedown", sources.output, "--videos", "-", input=f"{TAKEN}\n")
    before = published(sources.output)
    with pytest.raises(CorpusError, match="videos or samples were taken down from this corpus"):
        build(sources, overwrite=True)
    assert published(sources.output) == before
    assert "nothing to do" in build(sources)
    (sources.output / "corpus.json").unlink()
    build(sources)  # from the plan, which does not hold it any more
    assert TAKEN not in {row["video_id"] for row in rows_of(sources.output, "index")}
    assert is_sound(sources.output)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_video_that_failed_can_be_taken_down_too(tmp_path: Path) -> None:
    sources = built_without(tmp_path, [TAKEN], keep_records=True)
    done("takedown", sources.output, "--videos", "-", input=f"{TAKEN}\n")
    assert is_sound(sources.output)
    assert reasons(sources.output, "video") == {TAKEN: "taken_down"}
    assert TAKEN not in {row["video_id"] for row in rows_of(sources.output, "plan")}


def test_all_videos_cannot_be_taken_down(corpus: Path) -> None:
    before = published(corpus)
    with pytest.raises(CorpusError, match="no sample would be left"):
        done("takedown", corpus, "--videos", "-", input="\n".join(video.video_id for video in VIDEOS))
    assert published(corpus) == before
    assert is_sound(corpus)


# -- retry -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", [pytest.param("none", marks=pytest.mark.exhaustive), "header"])
def test_a_retry_gives_what_a_build_without_the_failures_gives(built: SourceSet, tmp_path: Path, probe: str) -> None:
    """With probe header the failures come before the plan, with none after it."""
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    for name in ("v3", "v7"):
        (tmp_path / "videos" / f"{name}.mp4").unlink()
    build(sources, probe=probe)
    assert reasons(sources.output, "video") == {"v3": "missing", "v7": "missing"}
    for name in ("v3", "v7"):
        (tmp_path / "videos" / f"{name}.mp4").symlink_to(LAST_MAN)
    printed = done("retry", sources.output, "--config", sources.config, "--reason", "missing")
    assert is_sound(sources.output)
    assert re.search(r"2 │ +0 │", printed)
    wanted = built
    if probe == "header":
        wanted = source_set(tmp_path / "clean", VIDEOS, **SETTINGS)
        build(wanted, probe=probe)
    assert files(sources.output, "shards", "index", "plan") == files(wanted.output, "shards", "index", "plan")
    assert facts(sources.output) == facts(wanted.output)
    assert ledger(sources.output) == ledger(wanted.output)
    assert manifest(sources.output)["history"][-1]["command"] == "retry"
    assert "nothing to do" in build(sources, probe=probe)
    assert "nothing to do" in done("retry", sources.output, "--config", sources.config)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_only_what_failed_for_the_reasons_is_tried(tmp_path: Path) -> None:
    sources = source_set(tmp_path, VIDEOS, **SETTINGS)
    (tmp_path / "videos" / "v3.mp4").unlink()
    (tmp_path / "videos" / "v7.mp4").unlink()
    (tmp_path / "videos" / "v7.mp4").write_bytes(b"")
    build(sources)
    for name in ("v3", "v7"):
        (tmp_path / "videos" / f"{name}.mp4").unlink(missing_ok=True)
        (tmp_path / "videos" / f"{name}.mp4").symlink_to(LAST_MAN)
    done("retry", sources.output, "--config", sources.config, "--reason", "empty_file,timeout")
    assert reasons(sources.output, "video") == {"v3": "missing"}
    assert is_sound(sources.output)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_what_fails_again_changes_nothing(tmp_path: Path) -> None:
    sources = built_without(tmp_path, ["v3"], keep_records=True)
    before = published(sources.output)
    assert "Everything failed again: the corpus is unchanged" in done(
        "retry", sources.output, "--config", sources.config
    )
    assert published(sources.output) == before
    assert is_sound(sources.output)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_retry_with_a_higher_limit(tmp_path: Path) -> None:
    videos = [*VIDEOS[:4], Video("long", spoken(4))]
    sources = source_set(tmp_path, videos, **SETTINGS, limits={"duration_ms": 20_000})
    build(sources)
    assert reasons(sources.output, "video") == {"long": "limit_exceeded"}
    sources.change(limits={"duration_ms": 200_000})
    done("retry", sources.output, "--config", sources.config, "--reason", "limit_exceeded")
    assert reasons(sources.output, "video") == {}
    assert is_sound(sources.output)
    assert "nothing to do" in build(sources)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("slow", "no such reason"),
        ("edited_out", "not a failure"),
        ("taken_down", "not a failure"),
        (",", "names no reason"),
    ],
)
def test_reasons_that_cannot_be_retried_are_refused(corpus: Path, built: SourceSet, reason: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        done("retry", corpus, "--config", built.config, "--reason", reason)


def test_a_retry_with_other_settings_is_refused(tmp_path: Path) -> None:
    sources = built_without(tmp_path, ["v3"], keep_records=True)
    sources.change(frames={"short_side": 64, "per_sentence": 2})
    with pytest.raises(CorpusError, match=r"made with other settings than .*: frames"):
        done("retry", sources.output, "--config", sources.config)


# -- reshard -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        pytest.param(("--samples", "2"), {"shards": {"samples": 2}}, marks=pytest.mark.exhaustive),
        (
            ("--samples", "100", "--split", "train=0.5,test=0.5"),
            {"shards": {"samples": 100}, "split": {"train": 0.5, "test": 0.5}},
        ),
    ],
)
def test_a_resharded_corpus_is_one_built_that_way(
    corpus: Path, tmp_path: Path, arguments: Sequence[str], settings: dict[str, Any]
) -> None:
    printed = done("reshard", corpus, *arguments)
    assert "resharded" in printed
    assert is_sound(corpus)
    other = source_set(tmp_path / "other", VIDEOS, **SETTINGS | settings)
    build(other)
    assert files(corpus, "shards", "index", "plan") == files(other.output, "shards", "index", "plan")
    ours, theirs = facts(corpus), facts(other.output)
    assert {k: v for k, v in ours.items() if k != "fingerprint"} == {
        k: v for k, v in theirs.items() if k != "fingerprint"
    }
    assert "nothing to do" in done("reshard", corpus, *arguments)
    done("reshard", corpus, "--samples", "4", "--split", "train=0.7,val=0.3")
    assert manifest(corpus)["version"] == 3


@pytest.mark.parametrize("split", ["train", "train=0.5", "train=0.5,train=0.5", "a-b=1", "train=x"])
def test_splits_that_cannot_be_are_refused(corpus: Path, split: str) -> None:
    with pytest.raises(ConfigError, match="--split"):
        done("reshard", corpus, "--split", split)


# -- merge -------------------------------------------------------------------------------------------------------------


def two_halves(folder: Path, overlap: int = 0) -> tuple[Path, Path]:
    one = source_set(folder / "one", VIDEOS[: 5 + overlap], **SETTINGS | {"name": "one"})
    other = source_set(folder / "other", VIDEOS[5:], **SETTINGS | {"name": "other"})
    build(one)
    build(other)
    return one.output, other.output


def test_merged_halves_are_the_corpus_of_both(built: SourceSet, tmp_path: Path) -> None:
    one, other = two_halves(tmp_path)
    before = published(one), published(other)
    merged = tmp_path / "merged"
    done("merge", one, other, "--output", merged, "--name", "test")
    assert is_sound(merged)
    assert files(merged, "shards", "index", "plan") == files(built.output, "shards", "index", "plan")
    assert manifest(merged)["counts"] == manifest(built.output)["counts"]
    assert manifest(merged)["config"] == manifest(built.output)["config"]
    assert [entry["name"] for entry in manifest(merged)["history"][0]["of"]] == ["one", "other"]
    assert (published(one), published(other)) == before
    again = tmp_path / "again"
    done("merge", other, one, "--output", again, "--name", "test")
    assert files(again, "shards", "index", "plan") == files(merged, "shards", "index", "plan")
    with pytest.raises(CorpusError, match="holds a finished corpus"):
        done("merge", one, other, "--output", merged)


@pytest.mark.exhaustive
def test_of_a_video_in_two_corpora_the_first_that_has_samples_stays(built: SourceSet, tmp_path: Path) -> None:
    one, other = two_halves(tmp_path, overlap=2)
    done("takedown", other, "--videos", "-", "--note", "please", input="v9\n")
    merged = tmp_path / "merged"
    done("merge", one, other, "--output", merged)
    assert is_sound(merged)
    videos = [video.video_id for video in VIDEOS]
    assert {row["video_id"] for row in rows_of(merged, "index")} == set(videos) - {"v9"}
    records = [row for row in ledger(merged) if row["subject"] == "record"]
    assert {(row["video_id"], row["reason"]) for row in records} == {("v5", "duplicate_id"), ("v6", "duplicate_id")}
    assert records[0]["detail"] == "other has video v5 again; that of one is used"
    assert reasons(merged, "video") == {"v9": "taken_down"}
    assert manifest(merged)["counts"]["videos"] == {"in": 10, "kept": 9, "dropped": 1}


@pytest.mark.exhaustive
@pytest.mark.slow
def test_what_was_taken_down_in_one_stays_out_of_the_merged(tmp_path: Path) -> None:
    one, other = two_halves(tmp_path, overlap=2)
    done("takedown", other, "--videos", "-", "--note", "please", input="v5\n")
    merged = tmp_path / "merged"
    done("merge", one, other, "--output", merged)
    assert is_sound(merged)
    assert "v5" not in {row["video_id"] for table in ("index", "plan") for row in rows_of(merged, table)}
    assert reasons(merged, "video") == {"v5": "taken_down"}


@pytest.mark.exhaustive
def test_what_a_failed_merge_left_is_no_part_of_the_next(tmp_path: Path) -> None:
    one, other = two_halves(tmp_path)
    merged = tmp_path / "merged"
    left = Drop("v0", Subject.VIDEO, "v0", Stage.DECODE, Reason.TIMEOUT, "")
    storage.write_bytes(str(merged / "staging" / "lock"), b"")
    storage.write_parquet(str(merged / "carried" / "part-00007.parquet"), tables.ledger_table([left]))
    done("merge", one, other, "--output", merged)
    assert is_sound(merged)
    assert reasons(merged, "video") == {}


def test_corpora_that_do_not_fit_are_refused(corpus: Path, tmp_path: Path) -> None:
    other = source_set(tmp_path / "other", VIDEOS[:2], **SETTINGS | {"frames": {"short_side": 64, "per_sentence": 2}})
    build(other)
    with pytest.raises(CorpusError, match=r"differ in the settings of frames.*frames\.short_side: 32 and 64"):
        done("merge", corpus, other.output, "--output", tmp_path / "merged")
    with pytest.raises(ConfigError, match="two or more"):
        done("merge", corpus, "--output", tmp_path / "merged")
    with pytest.raises(ConfigError, match="given twice"):
        done("merge", corpus, f"{corpus}/", "--output", tmp_path / "merged")
    with pytest.raises(ConfigError, match="is one of the corpora"):
        done("merge", corpus, other.output, "--output", corpus)
    with pytest.raises(CorpusError, match="not a finished corpus"):
        done("merge", corpus, tmp_path, "--output", tmp_path / "merged")
    assert not os.path.exists(tmp_path / "merged")


@pytest.mark.parametrize("command", ["retry", "takedown", "merge", "reshard"])
def test_help_has_examples(command: str) -> None:
    printed = done(command, "--help")
    assert "Examples:" in printed and f"longtake {command} " in printed


@pytest.mark.parametrize("command", [("retry",), ("takedown", "--videos", "ids.txt"), ("reshard",)])
def test_what_is_no_corpus_is_refused_and_left_alone(built: SourceSet, tmp_path: Path, command: Sequence[str]) -> None:
    (tmp_path / "ids.txt").write_text("v1\n")
    name, *more = [str(tmp_path / a) if a == "ids.txt" else a for a in command]
    config = ["--config", str(built.config)] if name == "retry" else []
    with pytest.raises(CorpusError, match="no such folder"):
        done(name, tmp_path / "nothing", *more, *config)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.txt"]
