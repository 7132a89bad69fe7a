"""Which files of a corpus become public when it is published, and what its publisher should know before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from longtake.pipeline.corpus.checked_table import UNREADABLE
from longtake.pipeline.corpus.withdrawn import read_withdrawn
from longtake.pipeline.publish.attestation import ATTESTATION, SIGNATURE
from longtake.pipeline.publish.audited import current_attestation
from longtake.pipeline.publish.licences import restricted
from longtake.schemas import storage
from longtake.schemas.decisions import OnConflict, read_decisions, settle
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest

#: Folders of a corpus. At a destination, a file in them that is not part of this version is deleted.
FOLDERS = ("shards", "index", "plan", "ledger")
MANIFEST, CARD, CROISSANT = "corpus.json", "README.md", "croissant.json"


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A file that becomes public: its path in the corpus, and its size. `sha256` is known for shards, else ""."""

    path: str
    source: str
    size: int
    sha256: str = ""

    @property
    def folder(self) -> str:
        """Its folder in the corpus; "" for the files beside corpus.json."""
        return self.path.rpartition("/")[0]


def public_files(layout: Layout, manifest: CorpusManifest) -> list[PublicFile]:
    """The files of a corpus, corpus.json last. Only what belongs to this version: no staging, audit, decisions or leftovers.

    Raises CorpusError if a file is missing.
    """
    found = []
    for folder in FOLDERS:
        for entry in storage.list_entries(layout.path(folder)):
            if not entry.is_temporary and entry.name.endswith((".tar", ".parquet", "_plan.json")):
                found.append(PublicFile(f"{folder}/{entry.name}", entry.path, entry.size))
    listed = {f"shards/{shard.name}": shard for shard in manifest.shards}
    wanted = listed.keys() | {f"index/{shard.name.removesuffix('.tar')}.parquet" for shard in manifest.shards}
    if missing := sorted(wanted - {file.path for file in found}):
        raise CorpusError(f"{layout.path(missing[0])}: missing. Check the corpus with: longtake verify")
    kept = [
        PublicFile(file.path, file.source, file.size, listed[file.path].sha256 if file.path in listed else "")
        for file in found
        if file.path in wanted or file.folder not in ("shards", "index")
    ]
    for name in (ATTESTATION, SIGNATURE) if current_attestation(layout) is not None else ():
        kept.append(PublicFile(name, layout.path(name), storage.size_and_tag(layout.path(name))[0]))
    for name in (CARD, CROISSANT, MANIFEST):
        path = layout.path(name)
        if storage.exists(path):
            kept.append(PublicFile(name, path, storage.size_and_tag(path)[0]))
        elif name != CROISSANT:
            raise CorpusError(f"{path}: missing. Check the corpus with: longtake verify")
    return kept


@dataclass(frozen=True, slots=True)
class PublicFacts:
    """What becomes public, beside frames and text. `licences` counts samples by what their records state."""

    videos: int
    licences: tuple[tuple[str, int], ...]
    addresses: tuple[str, ...]  # uris that show a path or bucket of whoever built the corpus
    withdrawn: int  # source videos and samples of which the ledger says that they were taken down or rejected
    notes: int  # of these, with a note
    rejected: tuple[str, ...] = ()  # samples and videos that curators rejected and that are still in the corpus


def public_facts(layout: Layout, manifest: CorpusManifest) -> PublicFacts:
    """Read the facts from index, ledger and decisions.

    Raises CorpusError if a table is damaged or holds what was taken down, and ConfigError if the decisions are unreadable.
    """
    withdrawn, rejects = read_withdrawn(layout), _rejects(layout)
    rejected = dict[str, None]()
    videos, licences, addresses = set[str](), Counter[str](), set[str]()
    for shard in manifest.shards:
        path = layout.shard_index(shard.name.removesuffix(".tar"))
        for row in _rows(path, ["key", "video_id", "uri", "license"]):
            if withdrawn and withdrawn.clip(row["video_id"], row["key"]):
                raise CorpusError(
                    f"{path}: holds sample {row['key']}, which the ledger says was taken down. Nothing is published. "
                    "Check the corpus with: longtake verify"
                )
            here = ("sample", row["key"]), ("video", row["video_id"])
            rejected |= {name: None for subject, name in here if (subject, name) in rejects}
            videos.add(row["video_id"])
            licences[" ".join((row["license"] or "").split())] += 1
            if row["uri"].startswith("/") or (
                storage.scheme(row["uri"]) in ("file", "gs", "s3") and "://" in row["uri"]
            ):
                addresses.add(row["uri"])
    rows = [
        row
        for path in storage.list_files(layout.ledger, ".parquet")
        for row in _rows(path, ["subject", "reason", "detail"])
        if row["reason"] in ("taken_down", "rejected") and row["subject"] != "sentence"
    ]
    counted = tuple(sorted(licences.items(), key=lambda one: (-one[1], one[0])))
    notes = sum(bool(row["detail"]) for row in rows)
    return PublicFacts(len(videos), counted, tuple(sorted(addresses)), len(rows), notes, tuple(rejected))


def _rejects(layout: Layout) -> frozenset[tuple[str, str]]:
    """The samples and videos that curators rejected. If curators differ, the reject counts."""
    if not storage.exists(layout.decisions):
        return frozenset()
    settled = settle(read_decisions(layout.decisions), OnConflict.STRICTEST)
    return frozenset(one.about for one in settled if one.decision == "reject")


def _rows(path: str, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        rows: list[dict[str, str]] = storage.read_parquet(path, columns=list(columns)).to_pylist()
    except (*UNREADABLE, KeyError) as error:
        raise CorpusError(f"{path}: unreadable: {error}. Check the corpus with: longtake verify") from None
    return rows


def objections(facts: PublicFacts, contact: str) -> list[str]:
    """Why the corpus should not be published without a second thought: licences that restrict use, and no contact."""
    total = sum(number for _, number in facts.licences)
    lines = [
        f"{names.total():,} of {total:,} samples have a licence that is {why}: {', '.join(sorted(names))[:200]}"
        for why, names in sorted(restricted(dict(facts.licences)).items())
    ]
    return lines if contact else [*lines, "the card names no contact for requests to take videos down"]
