"""What each worker process does before it works."""

from collections.abc import Mapping

from longtake.pipeline.run.events import log_in_pool
from longtake.schemas.versions import check_versions


def begin_work(launcher: Mapping[str, str]) -> None:
    """Compare the versions here with those of the `launcher`, and log where somebody reads it. Call it in `setup` of a DoFn.

    Raises CorpusError if versions differ.
    """
    check_versions(launcher)
    log_in_pool()
