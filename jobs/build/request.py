"""Requests to `longtake plan` and `longtake build`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from apache_beam.options.pipeline_options import PipelineOptions

from longtake.pipeline.filters.rejects import Rejects
from longtake.pipeline.run.runner import is_local, pipeline_options
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout


class ProbeMode(StrEnum):
    """How closely `plan` looks at the sources."""

    NONE = "none"
    HEADER = "header"
    PACKETS = "packets"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A corpus to plan or to build.

    Attributes:
        config: its configuration.
        probe: how closely planning looks at the sources.
        workers: decoder processes, on a cluster for each worker process; 0: one for each core.
        beam_args: options for Apache Beam, as on a command line.
        rejects: what curators rejected; None where no decisions are given.
        plan: the folder of an edited plan to build; None: the one in the output, or a new one.
        overwrite: replace a finished corpus.
        save_embeddings: keep the embeddings of sentences for the next plan.
        wait: stay until the job ends; otherwise leave it to its runner.
    """

    config: CorpusConfig
    probe: ProbeMode = ProbeMode.HEADER
    workers: int = 0
    beam_args: Sequence[str] = ()
    rejects: Rejects | None = None
    plan: str | None = None
    overwrite: bool = False
    save_embeddings: bool = False
    wait: bool = True

    @property
    def layout(self) -> Layout:
        """The paths of the corpus."""
        return Layout(self.config.root)

    def options(self) -> PipelineOptions:
        """Return Beam's options. Raises ConfigError."""
        return pipeline_options(list(self.beam_args), self.workers)

    def check_wait(self) -> None:
        """Raise ConfigError if a job is left to a runner that ends with this process."""
        if not self.wait and is_local(self.options()):
            raise ConfigError(
                "--no-wait: the local runner ends with this process; name another one, as in -- --runner=DataflowRunner"
            )
