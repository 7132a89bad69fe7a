"""Publish a corpus as a dataset on the Hugging Face hub: resumable, in one commit, checked by hash."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longtake.pipeline.publish.public_files import CROISSANT, FOLDERS, MANIFEST, PublicFile
from longtake.pipeline.publish.transfer import Progress, digest
from longtake.schemas import remote, storage
from longtake.schemas.errors import ConfigError, CorpusError
from longtake.schemas.extras import missing_extra
from longtake.schemas.manifest import CorpusManifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_ADDRESS = re.compile(r"hf://datasets/(\w[A-Za-z0-9._-]*/\w[A-Za-z0-9._-]*)(?:@([^/\s]+))?/?", re.ASCII)
_IN_COMMIT = 1 << 20  # bytes of a file that travels in the commit itself
_OPERATIONS = 500  # of one commit; the hub answers very large ones too late


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A dataset repository on the hub, and one of its branches."""

    repository: str
    branch: str = "main"

    @property
    def uri(self) -> str:
        """Its address, as `longtake` reads it."""
        return f"hf://datasets/{self.repository}" + ("" if self.branch == "main" else f"@{self.branch}")


def hub_dataset(address: str) -> HubDataset:
    """The dataset that an address names. Raises ConfigError."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ConfigError(
            f"{address}: not a dataset of the hub; write hf://datasets/OWNER/NAME or hf://datasets/OWNER/NAME@BRANCH"
        )
    return HubDataset(match[1], match[2] or "main")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in the repository. Its hash is the SHA-256 of its bytes if the hub keeps it as a large file, else git's."""

    path: str
    size: int
    sha256: str
    blob: str

    def is_same(self, file: PublicFile, sha256: str) -> bool:
        """Whether it has the bytes of `file`, whose SHA-256 is known."""
        if self.size != file.size:
            return False
        return self.sha256 == sha256 if self.sha256 else self.blob == _git_blob(storage.read_bytes(file.source))


def published_files(target: HubDataset) -> dict[str, HubFile]:
    """The files in the repository by path; none if it does not exist. Raises OSError."""
    try:
        return remote.attempt(target.uri, lambda _: {file.path: file for file in _tree(target)})
    except FileNotFoundError:
        return {}


def check_repository(manifest: CorpusManifest, target: HubDataset, there: dict[str, HubFile]) -> None:
    """Raise CorpusError if the repository holds another corpus."""
    if MANIFEST not in there:
        return
    remote.forget_listings(target.uri)
    try:
        name = json.loads(storage.read_bytes(storage.join(target.uri, MANIFEST)))["name"]
    except (ValueError, KeyError, TypeError):
        name = None
    if name != manifest.name:
        raise CorpusError(f"{target.uri} holds another corpus, {name!r}. Choose another destination.")


def stale_paths(files: Sequence[PublicFile], there: dict[str, HubFile]) -> list[str]:
    """The files in the repository that are not part of this version of the corpus: what a publication deletes."""
    wanted = {file.path for file in files}
    ours = (path for path in there if path == CROISSANT or path.partition("/")[0] in FOLDERS)
    return sorted(set(ours) - wanted)


def publish(
    files: Sequence[PublicFile], manifest: CorpusManifest, target: HubDataset, private: bool, progress: Progress
) -> str:
    """Make the repository hold exactly these files, beside files that are not part of a corpus.

    Large files are uploaded first, which after an interruption goes on where it was; then one commit shows them all, corpus.json
    with the last. Afterwards the hub's own list of hashes must be that of the files.

    Args:
        files: The files, corpus.json last.
        manifest: The corpus.
        target: The dataset.
        private: Create the repository as a private one, if there is none.
        progress: Told of each file.

    Returns:
        The address of the last commit; "" if all was there already. Raises CorpusError if a shard is not as corpus.json says or
        a file did not arrive, OSError if the hub refuses.
    """
    api = _api()
    remote.attempt(
        target.uri,
        lambda _: api.create_repo(target.repository, repo_type="dataset", private=private or None, exist_ok=True),
    )
    if target.branch != "main":
        branch = partial(api.create_branch, target.repository, branch=target.branch, repo_type="dataset", exist_ok=True)
        remote.attempt(target.uri, lambda _: branch())
    there = published_files(target)
    stale = stale_paths(files, there)
    hashes = {file.path: _checked(file) for file in files}
    additions = []
    for file in files:
        if file.path in there and there[file.path].is_same(file, hashes[file.path]):
            progress(file, "there already")
            continue
        additions.append(remote.attempt(target.uri, partial(_uploaded, api, file, target)))
        progress(file, "sent")
    url = _commit(api, additions, stale, target, manifest, MANIFEST in there)
    remote.forget_listings(target.uri)
    if manifest_forgets(manifest):
        remote.attempt(target.uri, lambda _: _forget(api, target))
    _check_arrived(files, hashes, target)
    return url


def manifest_forgets(manifest: CorpusManifest) -> bool:
    """Whether a takedown is in the history of the corpus: then the repository may not keep earlier versions either."""
    return any(entry["command"] == "takedown" for entry in manifest.history)


def _checked(file: PublicFile) -> str:
    found = digest(file.source)
    if file.sha256 and found != file.sha256:
        raise CorpusError(f"{file.source}: not as corpus.json says. Check the corpus with: longtake verify")
    return found


def _uploaded(api: "HfApi", file: PublicFile, target: HubDataset, _: Any) -> Any:
    """Return the operation that adds a file; if it is large, its bytes are on the hub then."""
    from huggingface_hub import CommitOperationAdd

    with storage.as_local(file.source) as local:
        if file.size <= _IN_COMMIT or not file.path.endswith((".tar", ".parquet")):
            return CommitOperationAdd(file.path, Path(local).read_bytes())
        operation = CommitOperationAdd(file.path, local)
        api.preupload_lfs_files(
            target.repository, [operation], repo_type="dataset", revision=target.branch, num_threads=1
        )
        return operation


def _commit(
    api: "HfApi",
    additions: Sequence[Any],
    stale: Sequence[str],
    target: HubDataset,
    manifest: CorpusManifest,
    replaces: bool,
) -> str:
    from huggingface_hub import CommitOperationDelete

    operations = [*map(CommitOperationDelete, stale), *additions]
    parts = [operations[first : first + _OPERATIONS] for first in range(0, len(operations), _OPERATIONS)]
    if len(parts) > 1 and replaces:  # until the last commit there is no finished corpus
        parts[0].insert(0, CommitOperationDelete(MANIFEST))
    url = ""
    for number, part in enumerate(parts, 1):
        told = f"{manifest.name}, version {manifest.version}" + (f", part {number}" if len(parts) > 1 else "")

        def send(_: Any, part: Any = part, told: str = told) -> Any:
            return api.create_commit(
                target.repository, part, commit_message=told, repo_type="dataset", revision=target.branch, num_threads=1
            )

        url = str(remote.attempt(target.uri, send).commit_url)
    return url


def _forget(api: "HfApi", target: HubDataset) -> None:
    """Delete earlier versions for good: the history of the branch, and large files that no file of it names."""
    commits = api.list_repo_commits(target.repository, repo_type="dataset", revision=target.branch)
    if len(commits) > 1:
        api.super_squash_history(target.repository, branch=target.branch, repo_type="dataset")
    kept = {file.sha256 for file in _tree(target)}
    left = [one for one in api.list_lfs_files(target.repository, repo_type="dataset") if one.file_oid not in kept]
    if left:
        api.permanently_delete_lfs_files(target.repository, left, repo_type="dataset")


def _check_arrived(files: Sequence[PublicFile], hashes: dict[str, str], target: HubDataset) -> None:
    there = published_files(target)
    wrong = [
        file.path for file in files if file.path not in there or not there[file.path].is_same(file, hashes[file.path])
    ]
    if wrong := wrong + stale_paths(files, there):
        raise CorpusError(
            f"{target.uri}: {wrong[0]} is not as it was sent{f', nor are {len(wrong) - 1} others' if wrong[1:] else ''}. "
            "Run the same command again."
        )


def _tree(target: HubDataset) -> Iterator[HubFile]:
    from huggingface_hub import RepoFile

    for one in _api().list_repo_tree(target.repository, recursive=True, revision=target.branch, repo_type="dataset"):
        if isinstance(one, RepoFile):
            yield HubFile(one.path, one.size, one.lfs.sha256 if one.lfs else "", one.blob_id)


def _git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _api() -> "HfApi":
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise missing_extra("hf://", error.name or "huggingface_hub", "hub") from None
    disable_progress_bars()
    return HfApi()
