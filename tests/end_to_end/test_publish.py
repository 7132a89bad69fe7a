"""`longtake publish`: to a hub (a server on loopback that speaks its HTTP API), to object stores, to a folder, and back."""

import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import corpora
import fake_hub
import object_stores
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sources import LAST_MAN, MAMMALS, Video, build, longtake_here, source_set, spoken

import longtake
from longtake.pipeline.publish import transfer
from longtake.schemas import remote, storage, tables

VIDEOS = [
    Video(f"v{i}", spoken(4, 500 * i, says=f"video {i} sentence"), MAMMALS if i == 1 else LAST_MAN) for i in range(3)
]
ACCEPT = "--accept-licences"
#: Three shards, their indexes, two files of the plan, the card, croissant.json, corpus.json; nothing was dropped, so no ledger.
COUNT = 11


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of three videos in three shards, and files beside it that nobody may see."""
    settings = {"frames": {"short_side": 32, "per_sentence": 2}, "shards": {"samples": 1}}
    sources = source_set(tmp_path_factory.mktemp("made"), VIDEOS, **settings)
    build(sources)
    corpus = sources.output
    (corpus / "decisions.csv").write_text("subject,subject_id,decision,note\nvideo,x,ok,SECRET\n")
    (corpus / "audit").mkdir()
    (corpus / "audit" / "report.html").write_text("SECRET")
    (corpus / "shards" / ".tmp-123").write_text("SECRET")
    (corpus / "plan" / "notes.txt").write_text("SECRET")
    return corpus


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "corpus"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[fake_hub.Hub]:
    from huggingface_hub import HfFileSystem, constants

    with fake_hub.hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)  # made of the endpoint at import
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_ENDPOINT", server.url)  # for the processes of `longtake verify`
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_TOKEN", fake_hub.TOKEN)
        monkeypatch.setattr(remote, "_FIRST_PAUSE", 0.01)
        HfFileSystem.clear_instance_cache()
        yield server
        HfFileSystem.clear_instance_cache()


def wanted(corpus: Path) -> dict[str, bytes]:
    """What may become public, by the contract in docs/format.md."""
    told = json.loads((corpus / "corpus.json").read_text())
    names = [shard["name"].removesuffix(".tar") for shard in told["shards"]]
    paths = [corpus / name for name in ("corpus.json", "croissant.json", "README.md", "plan/_plan.json")]
    paths += [corpus / "shards" / f"{name}.tar" for name in names] + [
        corpus / "index" / f"{name}.parquet" for name in names
    ]
    paths += [path for folder in ("plan", "ledger") for path in (corpus / folder).glob("*.parquet")]
    return {str(path.relative_to(corpus)): path.read_bytes() for path in paths}


def found(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def public(hub: fake_hub.Hub, name: str = "me/test") -> dict[str, bytes]:
    repository = hub.repositories[name]
    return {path: repository.read(path) for path in repository.tree if path != ".gitattributes"}


def publish(corpus: Path | str, target: Path | str, *options: str) -> str:
    done = longtake_here("publish", str(corpus), str(target), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(corpus: Path | str, target: Path | str, *options: str) -> str:
    done = longtake_here("publish", str(corpus), str(target), *options)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_without_yes_it_only_says_what_would_become_public(corpus: Path, tmp_path: Path, hub: fake_hub.Hub) -> None:
    for target in (tmp_path / "public", "hf://datasets/me/test"):
        told = publish(corpus, target)
        assert re.search(r"shards/ +│ +3 │", told) and re.search(rf"all +│ +{len(wanted(corpus))} │", told)
        assert f"test, version 1, to {target}" in told
        assert "Frames and texts of 3 videos (train: 3 samples with 24 frames)" in told
        assert "Licence CC BY-SA 3.0: 3 samples" in told
        assert "Think twice: the card names no contact" in told
        assert told.endswith(f"Nothing was published. To publish, add: --yes {ACCEPT}\n")
    assert not (tmp_path / "public").exists() and not hub.repositories
    assert not any(asked.startswith(("POST", "PUT")) for asked in hub.asked)


def test_to_the_hub_and_back(corpus: Path, tmp_path: Path, hub: fake_hub.Hub) -> None:
    address = "hf://datasets/me/test"
    assert f"{COUNT} files sent, 0 there already; all hashes agree" in publish(
        corpus, address, "--yes", ACCEPT, "--private"
    )
    assert public(hub) == wanted(corpus)
    repository = hub.repositories["me/test"]
    assert repository.private and [told for told, _ in repository.commits] == ["initial commit", "test, version 1"]
    assert not any(b"SECRET" in data for data in (*repository.large.values(), *public(hub).values()))

    done = longtake_here("verify", address)
    assert done.returncode == 0 and "every check passed" in done.stdout, done.stdout
    opened, local = longtake.open(address), longtake.open(str(corpus))
    assert opened.plan().equals(local.plan()) and opened.ledger().equals(local.ledger())
    assert all((a.frames == b.frames).all() for a, b in zip(opened, local, strict=True))
    back = tmp_path / "back"
    publish(address, back, "--yes", ACCEPT)
    assert found(back) == wanted(corpus)

    hub.asked.clear()
    assert f"0 files sent, {COUNT} there already" in publish(corpus, address, "--yes", ACCEPT)
    assert len(repository.commits) == 2 and not any(
        "/commit/" in asked or asked.startswith("PUT") for asked in hub.asked
    )


def test_a_branch_of_the_repository_is_read_by_its_name(hub: fake_hub.Hub) -> None:
    from longtake.pipeline.publish.hub import HubDataset, hub_dataset
    from longtake.schemas.errors import ConfigError

    assert hub_dataset("hf://datasets/me/test") == HubDataset("me/test")
    assert hub_dataset("hf://datasets/me/test@v2/") == HubDataset("me/test", "v2")
    for wrong in (
        "hf://me/test",
        "hf://datasets/me",
        "hf://datasets/me/test/x",
        "hf://models/me/test",
        "hf://datasets/../x",
    ):
        with pytest.raises(ConfigError, match="not a dataset of the hub; write hf://datasets/OWNER/NAME"):
            hub_dataset(wrong)


def test_an_interrupted_publication_goes_on_and_shows_nothing_before_its_end(
    corpus: Path, hub: fake_hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "longtake.pipeline.publish.hub._IN_COMMIT", 1000
    )  # so that these small tars are sent before the commit
    hub.uploads_left = 3
    assert "permission denied" in refused(corpus, "hf://datasets/me/test", "--yes", ACCEPT)
    assert len(hub.repositories["me/test"].large) == 3 and not public(hub)
    hub.uploads_left, hub.asked = None, []
    publish(corpus, "hf://datasets/me/test", "--yes", ACCEPT)
    assert public(hub) == wanted(corpus)
    sent = [asked for asked in hub.asked if asked.startswith("PUT")]
    assert len(sent) == len(hub.repositories["me/test"].large) - 3


def test_many_files_come_in_several_commits_and_corpus_json_in_the_last(
    corpus: Path, hub: fake_hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longtake.pipeline.publish.hub._OPERATIONS", 4)
    publish(corpus, "hf://datasets/me/test", "--yes", ACCEPT)
    trees = [tree for _, tree in hub.repositories["me/test"].commits]
    assert ["corpus.json" in tree for tree in trees] == [False, False, False, True]
    assert public(hub) == wanted(corpus)


def test_what_did_not_arrive_is_named(corpus: Path, hub: fake_hub.Hub) -> None:
    hub.forget_uploads = True
    told = refused(corpus, "hf://datasets/me/test", "--yes", ACCEPT)
    assert "shards/train-000000.tar is not as it was sent. Run the same command again." in told


def test_the_hub_refuses_in_one_line(corpus: Path, hub: fake_hub.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    told = refused(corpus, "hf://datasets/me/test", "--yes", ACCEPT)
    assert "the credentials are unknown, wrong or expired" in told and "hf auth login" in told
    done = longtake_here("show", "hf://datasets/me/nothing")
    told = done.stdout + done.stderr
    assert "there is no repository hf://datasets/me/nothing. Create it, or correct the path." in told
    with pytest.raises(storage.StorageError, match=r"can only be read\. Write to a local path"):
        storage.write_bytes("hf://datasets/me/test/x", b"")


def test_nothing_that_was_taken_down_stays(corpus: Path, tmp_path: Path, hub: fake_hub.Hub) -> None:
    folder, address = tmp_path / "public", "hf://datasets/me/test"
    for target in (folder, address):
        publish(corpus, target, "--yes", ACCEPT)
    (sample,) = (sample for sample in longtake.open(str(corpus)) if sample.video_id == "v1")
    text, frame = b"video 1 sentence number 2", sample.jpegs[0]
    ids = tmp_path / "ids.txt"
    ids.write_text("v1\n")
    done = longtake_here("takedown", str(corpus), "--videos", str(ids))
    assert done.returncode == 0, done.stderr
    told = publish(corpus, address)
    assert "Deleted at the destination, as not part of this version: 2 files: index/train-00000" in told
    assert "the commits before, and their files, are deleted on the hub too" in told
    assert "The ledger keeps the ids of" in told
    for target in (folder, address):
        publish(corpus, target, "--yes", ACCEPT)
    assert found(folder) == public(hub) == wanted(corpus)
    repository = hub.repositories["me/test"]
    kept = [*repository.large.values(), *(file.data for _, tree in repository.commits for file in tree.values())]
    assert len(repository.commits) == 1 and not any(text in data or frame in data for data in kept)
    assert longtake_here("verify", address).returncode == 0

    # Interrupted between the commit and the deletion: the next run finishes it.
    repository.large["0" * 64] = frame
    publish(corpus, address, "--yes", ACCEPT)
    assert "0" * 64 not in repository.large


def test_a_corpus_that_holds_what_its_ledger_took_down_is_refused(corpus: Path, tmp_path: Path) -> None:
    row = {
        "video_id": "v1",
        "subject": "video",
        "subject_id": "v1",
        "stage": "takedown",
        "reason": "taken_down",
        "detail": "",
    }
    table = tables.table([row], tables.LEDGER)
    storage.write_parquet(str(corpus / "ledger" / "part-takedown-00000.parquet"), table)
    told = refused(corpus, tmp_path / "public", "--yes", ACCEPT)
    assert "holds sample v1-" in told and "taken down. Nothing is published" in told
    assert not (tmp_path / "public").exists()


def test_what_curators_rejected_is_taken_out_first(corpus: Path, tmp_path: Path) -> None:
    key = next(row["key"] for row in pq.read_table(corpus / "index" / "train-000001.parquet").to_pylist())
    log = "subject,subject_id,decision,label,note,curator,decided_at\n"
    log += f"sample,{key},ok,,,Bo,2026-11-02\nvideo,{key},reject,,,Ann,2026-11-02\n"
    log += "sample,gone-000000000-000000001,reject,,,Ann,\n"
    (corpus / "decisions.csv").write_text(log)  # there is no such video, nor such a sample any more
    assert "Not yet" not in publish(corpus, tmp_path / "public")
    (corpus / "decisions.csv").write_text(log + f"sample,{key},reject,,,Ann,2026-11-02\n")
    assert f"Not yet: {key}: rejected in {corpus}/decisions.csv" in publish(corpus, tmp_path / "public")
    told = refused(corpus, tmp_path / "public", "--yes", ACCEPT)
    assert f"longtake takedown {corpus} --decisions {corpus}/decisions.csv" in told
    assert not (tmp_path / "public").exists()
    done = longtake_here(
        "takedown",
        str(corpus),
        "--decisions",
        str(corpus / "decisions.csv"),
        "--on-conflict=strictest",
        "--ignore-unknown",
    )
    assert done.returncode == 0, done.stderr
    assert "all hashes agree" in publish(corpus, tmp_path / "public", "--yes", ACCEPT)
    (corpus / "decisions.csv").write_text("subject\n")
    assert "decisions.csv" in refused(corpus, tmp_path / "public")


def test_licences_and_contact_are_asked_about(made: Path, tmp_path: Path) -> None:
    from longtake.pipeline.publish.public_files import PublicFacts, objections

    assert objections(PublicFacts(1, (("CC BY 4.0", 3), ("Public domain", 1), ("CC0", 2)), (), 0, 0), "a@b.org") == []
    stated = (("CC BY-NC 4.0", 2), ("", 3), ("my own licence", 1), ("CC BY-ND 4.0", 1), ("CC BY 4.0", 9))
    told = objections(PublicFacts(1, stated, (), 0, 0), "")
    assert len(told) == 5 and told[-1] == "the card names no contact for requests to take videos down"
    assert "2 of 16 samples have a licence that is non-commercial (NC): CC BY-NC 4.0" in told
    assert any(line.startswith("3 of 16 samples have a licence that is not stated") for line in told)
    assert any(line.startswith("1 of 16 samples have a licence that is no derivatives (ND)") for line in told)
    assert any("my own licence" in line for line in told)
    told_off = refused(made, tmp_path / "public", "--yes")
    assert "names no contact" in told_off and ACCEPT in told_off and not (tmp_path / "public").exists()


def test_a_folder_is_filled_again_after_an_interruption_and_only_by_the_same_corpus(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, plain, copied = tmp_path / "public", transfer._copy, list[str]()

    def failing(file: transfer.PublicFile, where: object) -> None:
        if len(copied) == 4:
            raise OSError(28, "No space left on device", str(target))
        copied.append(file.path)
        plain(file, where)  # type: ignore[arg-type]

    monkeypatch.setattr(transfer, "_copy", failing)
    assert "No space left" in refused(corpus, target, "--yes", ACCEPT)
    assert "not a finished corpus" in longtake_here("verify", str(target)).stdout
    monkeypatch.setattr(transfer, "_copy", plain)
    assert f"{COUNT - 4} files sent, 4 there already" in publish(corpus, target, "--yes", ACCEPT)
    assert found(target) == wanted(corpus)

    shard = target / "shards" / "train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert f"1 file sent, {COUNT - 1} there already" in publish(corpus, target, "--yes", ACCEPT)
    assert found(target) == wanted(corpus)

    other = Path(shutil.copytree(corpus, tmp_path / "other"))
    corpora.edit_manifest(other, lambda told: told.update(name="another"))
    assert "holds another corpus, 'test'" in refused(other, target, "--yes", ACCEPT)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("")
    assert "not empty, and not a corpus: it has dear.txt" in refused(corpus, tmp_path / "letters", "--yes", ACCEPT)
    for inside in (corpus, corpus / "public", corpus.parent):
        assert "the same place, or one lies in the other" in refused(corpus, inside, "--yes", ACCEPT)
    assert "--private is for hf://datasets" in refused(corpus, tmp_path / "new", "--private")


def test_a_corpus_that_does_not_verify_is_not_published(corpus: Path, tmp_path: Path) -> None:
    shard = corpus / "shards" / "train-000001.tar"
    with tarfile.open(shard) as tar:
        offset = tar.getmembers()[-1].offset_data
    data = bytearray(shard.read_bytes())
    data[offset + 50] ^= 1
    shard.write_bytes(BytesIO(data).getvalue())
    told = refused(corpus, tmp_path / "public", "--yes", ACCEPT)
    assert "does not verify" in told and "train-000001.tar" in told and not (tmp_path / "public").exists()
    shard.unlink()
    assert f"{shard}: missing. Check the corpus" in refused(corpus, tmp_path / "public")


def test_addresses_that_show_where_sources_lay_are_pointed_out(corpus: Path, tmp_path: Path) -> None:
    for path in (corpus / "index").glob("*.parquet"):
        corpora.edit_table(path, lambda rows: [row.update(uri=f"/home/ann/{row['video_id']}.mp4") for row in rows])
    told = publish(corpus, tmp_path / "public")
    assert "shows where source videos lay: /home/ann/v0.mp4 and 2 more" in told


def test_to_a_store_in_memory_and_a_second_time(corpus: Path) -> None:
    target = "memory://publish-test/c"
    try:
        assert f"{COUNT} files sent" in publish(corpus, target, "--yes", ACCEPT)
        assert [sample.key for sample in longtake.open(target)] == [sample.key for sample in longtake.open(str(corpus))]
        assert f"0 files sent, {COUNT} there already" in publish(corpus, target, "--yes", ACCEPT)
    finally:
        MemoryFileSystem().rm("/publish-test", recursive=True)


@pytest.mark.slow
@pytest.mark.skipif(bool(object_stores.missing()), reason=f"not installed: {object_stores.missing()}")
@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_to_a_bucket_and_back(corpus: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_stores.emulators() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        target = storage.join(object_stores.new_bucket(kind), "public")
        assert f"{COUNT} files sent" in publish(corpus, target, "--yes", ACCEPT)
        assert longtake_here("verify", target).returncode == 0
        assert object_stores.download(target, tmp_path / "back") and found(tmp_path / "back") == wanted(corpus)
        storage.write_bytes(storage.join(target, "shards", "train-000009.tar"), b"of an earlier version")
        assert "Deleted at the destination" in publish(corpus, target, "--yes", ACCEPT)
        assert not storage.exists(storage.join(target, "shards", "train-000009.tar"))
