import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

from longtake.pipeline.runner import cores, is_local, pipeline_options
from longtake.schemas.settings import ConfigError


def test_without_a_runner_it_is_ours_with_threads_that_wait_for_the_slots() -> None:
    for arguments in ([], ["--runner=DirectRunner"]):
        options = pipeline_options(arguments, 3)
        assert is_local(options)
        assert options.view_as(DirectOptions).direct_running_mode == "multi_threading"
        assert options.view_as(DirectOptions).direct_num_workers >= 3


def test_what_is_asked_for_is_kept() -> None:
    options = pipeline_options(["--direct_running_mode=in_memory", "--direct_num_workers=1"], 3)
    assert options.view_as(DirectOptions).direct_running_mode == "in_memory"
    assert options.view_as(DirectOptions).direct_num_workers == 1
    other = pipeline_options(["--runner=FlinkRunner"], 3)
    assert other.view_as(StandardOptions).runner == "FlinkRunner"
    assert not is_local(other)


@pytest.mark.parametrize("name", ["DaskRunner", "dask", "apache_beam.runners.dask.dask_runner.DaskRunner"])
def test_a_runner_that_loses_data_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="DaskRunner loses outputs"):
        pipeline_options([f"--runner={name}"], 1)


def test_elements_come_through_whole() -> None:
    """Beam's own threads flush buffers by time and cut elements in two (LocalRunner says more)."""
    from apache_beam.testing.util import assert_that, equal_to

    with beam.Pipeline(options=pipeline_options([], 2)) as root:
        sizes = (
            root
            | beam.Create(range(200))
            | beam.Map(lambda n: (n % 7, "x" * (n * 50)))
            | beam.GroupByKey()
            | beam.Map(lambda pair: (pair[0], sum(map(len, pair[1]))))
        )
        assert_that(sizes, equal_to([(k, sum(n * 50 for n in range(k, 200, 7))) for k in range(7)]))


def test_cores_are_those_that_may_be_used() -> None:
    assert cores() >= 1
