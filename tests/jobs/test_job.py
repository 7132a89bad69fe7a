"""What every command with a pipeline does around it."""

import apache_beam as beam
import pytest
from rich.console import Console

from longtake.jobs.job import _explained, run_pipeline
from longtake.pipeline.run.runner import pipeline_options
from longtake.schemas.errors import CorpusError


@pytest.mark.parametrize(("raised", "seen"), [(KeyboardInterrupt, KeyboardInterrupt), (ValueError, CorpusError)])
def test_ctrl_c_while_a_step_is_at_work_is_no_failure_of_the_step(
    raised: type[BaseException], seen: type[BaseException]
) -> None:
    def work(_: int) -> None:
        raise raised

    options = pipeline_options(["--direct_running_mode=in_memory"], 1)
    with pytest.raises(seen):
        run_pipeline(lambda root: root | beam.Create([1]) | beam.Map(work), options, Console(quiet=True), lambda *_: "")


#: What Spark 3.5 said, shortened, when its executors could not start.
SPARK = """Pipeline App failed in state FAILED: java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext.
This stopped SparkContext was created at:

org.apache.spark.api.java.JavaSparkContext.<init>(JavaSparkContext.scala:58)
org.apache.beam.vendor.guava.v32_1_2_jre.com.google.common.util.concurrent.InterruptibleTask.run(InterruptibleTask.java:75)
java.base/java.util.concurrent.ThreadPoolExecutor$Worker.run(ThreadPoolExecutor.java:635)
java.base/java.lang.Thread.run(Thread.java:840)
"""
#: An error of Python in a worker, as a runner in Java hands it on.
FROM_A_WORKER = """Pipeline x failed in state FAILED: java.lang.RuntimeException: Error from SDK harness for instruction 7: \
Traceback (most recent call last):
  File "worker.py", line 1, in work
ZeroDivisionError: division by zero [while running 'Decode']

	at org.apache.beam.runners.fnexecution.control.FnApiControlClient.accept(FnApiControlClient.java:180)
	... 3 more
"""


def test_a_cluster_that_is_gone_is_told_as_such() -> None:
    """What Flink 1.19's job server said after its job manager was killed."""
    told = str(
        _explained(RuntimeError("Pipeline x failed in state FAILED: java.net.ConnectException: Connection refused\n"))
    )
    assert told.startswith(
        "The cluster does not answer its job server any more (java.net.ConnectException: Connection refused)."
    )
    assert told.endswith("run the same command again: it goes on where it was.")


def test_a_failure_in_java_is_told_by_its_cause() -> None:
    told = str(_explained(RuntimeError(SPARK))).splitlines()
    assert told[0] == (
        "The pipeline failed: java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext."
    )
    assert told[-1] == "java.base/java.lang.Thread.run(Thread.java:840)", "the whole message stays below"
    assert str(_explained(RuntimeError(FROM_A_WORKER))).startswith(
        "The pipeline failed: ZeroDivisionError: division by zero\n"
    )
