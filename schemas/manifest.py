"""corpus.json: the contents of a finished corpus. It holds no time, host or path of the machine that made it."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from longtake.schemas import storage
from longtake.schemas.errors import CorpusError, NoCorpusError
from longtake.schemas.layout import FORMAT, Layout
from longtake.schemas.publication import Publication


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Count(_Part):
    """For one kind of subject: how many came in, were kept, and were dropped."""

    total: int
    kept: int
    dropped: int

    def to_json(self) -> dict[str, int]:
        return {"in": self.total, "kept": self.kept, "dropped": self.dropped}

    @classmethod
    def from_json(cls, raw: dict[str, int]) -> "Count":
        return cls(total=raw["in"], kept=raw["kept"], dropped=raw["dropped"])

    @property
    def balances(self) -> bool:
        return self.total == self.kept + self.dropped


class ShardRecord(_Part):
    """One published shard. `name` is the file name, with `.tar`."""

    name: str
    split: str
    samples: int
    frames: int
    bytes: int
    sha256: str


class CorpusManifest(_Part):
    """The content of corpus.json."""

    format: int
    name: str
    versions: dict[str, str]
    config: dict[str, Any]
    fingerprint: str
    counts: dict[str, Count]
    shards: tuple[ShardRecord, ...]
    version: int = 1
    history: tuple[dict[str, Any], ...] = ()  # what made each version after the first: docs/versions.md
    decisions: dict[str, Any] | None = None  # of curators, used by the plan: docs/format.md
    publication: Publication = Publication()

    def splits(self) -> dict[str, dict[str, int]]:
        """Samples, frames and shards per split."""
        out: dict[str, dict[str, int]] = {}
        for shard in self.shards:
            split = out.setdefault(shard.split, {"samples": 0, "frames": 0, "shards": 0})
            split["samples"] += shard.samples
            split["frames"] += shard.frames
            split["shards"] += 1
        return out

    def empty_splits(self) -> list[str]:
        """The splits that the configuration asks for and that have no sample."""
        held = self.splits()
        return [name for name, share in self.config.get("split", {}).items() if share > 0 and name not in held]

    def to_bytes(self) -> bytes:
        """The content of the file."""
        whole = self.model_dump(mode="json")
        if not self.history:  # a build writes neither
            del whole["version"], whole["history"]
        if self.decisions is None:
            del whole["decisions"]
        if not self.publication:
            del whole["publication"]
        whole["counts"] = {subject: count.to_json() for subject, count in self.counts.items()}
        whole["splits"] = self.splits()
        return (json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def finished_manifest(layout: Layout) -> CorpusManifest:
    """Return the manifest of a finished corpus. Raises CorpusError if the corpus is unfinished or the manifest broken,
    NoCorpusError if there is no folder."""
    manifest = read_manifest(layout)
    if manifest is None:
        raise unfinished(layout.root)
    return manifest


def unfinished(root: str) -> CorpusError:
    """Return the error for a corpus without corpus.json: NoCorpusError if there is no such folder."""
    if storage.is_file(root):
        return NoCorpusError(f"{root}: a file, not a folder. Name the folder of a corpus.")
    if not storage.exists(root):
        return NoCorpusError(f"{root}: no such folder. Name the `output` of a configuration.")
    return CorpusError(f"{root}: not a finished corpus: it has no corpus.json. Finish it with: longtake build")


def read_manifest(layout: Layout) -> CorpusManifest | None:
    """Return the manifest of a finished corpus, None if the corpus is unfinished. Raises CorpusError for a broken manifest."""
    if not storage.exists(layout.manifest):
        return None
    try:
        raw = json.loads(storage.read_bytes(layout.manifest))
        if raw["format"] != FORMAT:
            raise CorpusError(f"{layout.manifest}: format {raw['format']}, but this version of longtake reads {FORMAT}")
        raw["counts"] = {subject: Count.from_json(count) for subject, count in raw["counts"].items()}
        raw.pop("splits")
        return CorpusManifest.model_validate(raw)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise CorpusError(f"{layout.manifest}: not a readable corpus.json: {error}") from None
