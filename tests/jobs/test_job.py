"""What every command with a pipeline does around it."""

import apache_beam as beam
import pytest
from rich.console import Console

from longtake.jobs.job import run_pipeline
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
