"""The paths of all files in a corpus."""

from dataclasses import dataclass

from longtake.schemas import storage

FORMAT = 1  # of a corpus; a change to docs/format.md raises it
MEMBER_JSON, MEMBER_TEXT = "json", "txt"
#: The lock of an output on an object store: the names of its objects in staging/, how often the holder renews the newest one, and
#: how long another command watches one that does not change before it takes over (jobs/lease.py).
LEASE_PREFIX = "lock-"
LEASE_RENEWED_S, LEASE_S = 10.0, 60.0


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a corpus below `root`, a local folder or a URI."""

    root: str

    def path(self, *parts: str) -> str:
        """A path below the root."""
        return storage.join(self.root, *parts)

    @property
    def manifest(self) -> str:
        """corpus.json: written last; its presence means that the corpus is complete."""
        return self.path("corpus.json")

    @property
    def card(self) -> str:
        return self.path("README.md")

    @property
    def croissant(self) -> str:
        """Croissant metadata."""
        return self.path("croissant.json")

    @property
    def plan(self) -> str:
        return self.path("plan")

    @property
    def ledger(self) -> str:
        return self.path("ledger")

    @property
    def embeddings(self) -> str:
        """Embeddings that `longtake plan --save-embeddings` keeps; not part of the corpus."""
        return self.path("embeddings")

    @property
    def decisions(self) -> str:
        """Decisions of curators; not part of the corpus. The file is in the root, where new versions do not touch it."""
        return self.path("decisions.csv")

    @property
    def curators(self) -> str:
        """The curators whom a shared server knows, with hashes of their tokens; not part of the corpus."""
        return self.path("curators.json")

    @property
    def shards(self) -> str:
        return self.path("shards")

    @property
    def index(self) -> str:
        return self.path("index")

    @property
    def staging(self) -> str:
        """Fragments and markers; not part of the corpus, removed by `longtake clean`."""
        return self.path("staging")

    def shard(self, name: str) -> str:
        """The tar of a shard, by its name without `.tar`."""
        return self.path("shards", f"{name}.tar")

    def shard_index(self, name: str) -> str:
        """The index of a shard, by its name without `.tar`."""
        return self.path("index", f"{name}.parquet")


def shard_name(split: str, number: int) -> str:
    """The name of a shard, without `.tar`."""
    return f"{split}-{number:06d}"


def part_name(number: int, prefix: str = "part") -> str:
    """The file name of one part of a table."""
    return f"{prefix}-{number:05d}.parquet"


def frame_member(number: int, frames: int) -> str:
    """Return the extension of a frame in a sample of `frames` frames: three digits, or more if sorting by name needs them."""
    return f"{number:0{max(3, len(str(frames - 1)))}d}.jpg"
