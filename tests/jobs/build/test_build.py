"""What `longtake build` says to people: progress, results, and the cause of a failure."""

import errno
import os
from collections import Counter
from pathlib import Path

import grpc
import pytest
from sources import LAST_MAN, Video, build, rows_of, source_set, spoken

from longtake.jobs.build.report import building_line
from longtake.jobs.job import _explained
from longtake.jobs.lock import locked
from longtake.pipeline.plan.summary import PlanSummary
from longtake.schemas.config import load_config
from longtake.schemas.errors import CorpusError
from longtake.schemas.manifest import Count
from longtake.schemas.wording import human_bytes


def plan(clips: int) -> PlanSummary:
    counts = {"clips": Count(total=clips, kept=clips, dropped=0)}
    splits = {"train": {"samples": clips, "frames": 8, "shards": 3}, "val": {"samples": 0, "frames": 0, "shards": 2}}
    return PlanSummary("f", {}, "none", counts, 0, {}, {}, {}, {}, splits, {})


def test_progress_says_how_much_how_fast_and_how_long() -> None:
    counts = Counter(clips=1000, dropped=250, frames=60_000, video_ms=7_200_000)
    line = building_line(counts, 120, plan(5000))
    for text in (
        "1,250 of 5,000 long clips",
        "500 frames/s",
        "1.00 h of video per minute",
        "250 dropped",
        "about 6 min left",
    ):
        assert text in line
    assert "starting" in building_line(Counter(), 0, plan(10))
    assert "packing 2 of 5 shards" in building_line(Counter(clips=10, shards=2), 5, plan(10))


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (2.5e9, "2.5 GB"), (3e15, "3000.0 TB")]
)
def test_sizes_for_people(number: float, text: str) -> None:
    assert human_bytes(number) == text


def test_the_cause_of_a_failure_is_found_under_what_beam_wraps_it_in() -> None:
    def failing(cause: BaseException) -> str:
        return str(_explained(RuntimeError(f"Traceback:\n  {type(cause).__name__}: {cause} [while running 'Decode']")))

    full = failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x.frag"))
    assert "no space left on device" in full
    assert "run the same command again" in full
    assert failing(CorpusError("3 of 4 videos failed.")) == "3 of 4 videos failed."
    assert "division by zero" in failing(ZeroDivisionError("division by zero"))
    prism = "Pipeline job-002 failed in state FAILED: bundle inst006 stage-017 failed:SDK worker disconnected: worker[job-002]"
    spark = (
        "Pipeline BeamApp failed in state FAILED: org.apache.spark.SparkException: Job aborted due to stage failure: \n"
        "Aborting TaskSet 1.0 because task 0 (partition 0)\ncannot run anywhere due to node and executor excludeOnFailure.\n"
        "Lost task 0.0 in stage 1.0 (TID 13) (worker1 executor 0): java.util.concurrent.ExecutionException: "
        "org.apache.beam.vendor.grpc.v1p60p1.io.grpc.StatusRuntimeException: CANCELLED: client cancelled\n"
        "\tat java.base/java.util.concurrent.CompletableFuture.reportGet(CompletableFuture.java:396)"
    )
    for text in (prism, spark):
        assert str(_explained(RuntimeError(text))).startswith("A worker process died. Run the same command again")


def test_a_server_that_does_not_answer_is_named_in_one_line() -> None:
    with grpc.insecure_channel("localhost:1") as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/nobody/There")(b"", timeout=20)
    told = str(_explained(raised.value))
    assert told.startswith("The runner's server does not answer any more (")
    assert "\n" not in told


def test_a_lock_is_for_one_and_goes_with_it(tmp_path: Path) -> None:
    with locked(str(tmp_path)):
        with pytest.raises(CorpusError, match="another longtake"), locked(str(tmp_path)):
            pass
        with locked(str(tmp_path / "other")):
            pass
    with locked(str(tmp_path)):
        pass


def test_the_summary_at_the_end(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(5), LAST_MAN)], frames={"short_side": 16, "per_sentence": 1})
    printed = build(sources)
    assert load_config(str(sources.config)).root == str(sources.output)
    for text in (
        "test: built in",
        "long clips",
        "train: 2 samples, 5 frames in 1 shard",
        "h of video decoded",
        "longtake verify",
    ):
        assert text in printed
    assert len(rows_of(sources.output, "index")) == 2
