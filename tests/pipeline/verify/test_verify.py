"""`verify` finds each kind of damage and reports it as what it is, and nothing else."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import corpora
import fsspec
import pytest
from corpora import edit_shard, edit_table
from damage import DELTA, INDEX, SHARD, VAL
from damage_to_shards import MANIFEST_DAMAGE, SHARD_DAMAGE
from damage_to_tables import ACCOUNT_DAMAGE, INDEX_DAMAGE, RULE_DAMAGE

from longtake.pipeline.corpus.faults import Fault, FaultList
from longtake.pipeline.verify import Report, verify
from longtake.schemas.errors import CorpusError


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound")
    corpora.build(root)
    shutil.rmtree(root / "staging")
    return root


@pytest.fixture
def corpus(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "corpus"))


def check(root: Path, **options: Any) -> Report:
    return verify(str(root), **{"workers": 1, **options})


DAMAGE = MANIFEST_DAMAGE | SHARD_DAMAGE | INDEX_DAMAGE | RULE_DAMAGE | ACCOUNT_DAMAGE


@pytest.mark.parametrize("name", DAMAGE)
def test_reports_exactly_the_damage(corpus: Path, name: str) -> None:
    damage, expected = DAMAGE[name]
    damage(corpus)
    report = check(corpus)
    found = [(fault.where, fault.what) for fault in report.faults]
    unexpected = [f for f in found if not any(f[0] == where and what in f[1] for where, what in expected)]
    unseen = [e for e in expected if not any(where == e[0] and e[1] in what for where, what in found)]
    assert (unexpected, unseen) == ([], [])
    assert report.number >= len(expected)
    for fault in report.faults:
        assert str(fault).isprintable()


def test_a_sound_corpus_has_no_fault(sound: Path) -> None:
    report = check(sound)
    assert report == Report("small", 3, 9, 54, (), 0, True, None)


def test_processes_change_nothing(corpus: Path) -> None:
    SHARD_DAMAGE["jpeg-cut"][0](corpus)
    INDEX_DAMAGE["index-words"][0](corpus)
    assert check(corpus, workers=2) == check(corpus, workers=1)


def test_an_unfinished_corpus_is_no_corpus(corpus: Path) -> None:
    (corpus / "corpus.json").unlink()
    with pytest.raises(
        CorpusError, match=r"not a finished corpus: it has no corpus\.json\. Finish it with: longtake build"
    ):
        check(corpus)


def test_emptied_shards_move_the_later_ones_up(tmp_path: Path) -> None:
    """A planned shard that decoding emptied leaves no gap, and that is no fault."""
    corpora.build(tmp_path, ("delta", "epsilon"))
    assert check(tmp_path).faults == ()


def test_a_corpus_in_an_object_store(sound: Path) -> None:
    store, root = fsspec.filesystem("memory"), f"memory://{uuid.uuid4().hex}"
    for path in sound.rglob("*"):
        if path.is_file():
            store.pipe_file(f"{root}/{path.relative_to(sound)}", path.read_bytes())
    assert verify(root, workers=1).faults == ()
    store.rm_file(f"{root}/{SHARD}")
    assert [str(fault) for fault in verify(root, workers=1).faults] == [f"{SHARD}: missing"]
    store.rm(root, recursive=True)


class TestSample:
    def test_says_how_many_were_read(self, sound: Path) -> None:
        assert check(sound, sample=4).drawn == 4
        assert check(sound, sample=100).drawn == 9
        assert check(sound, sample=0).drawn == 0

    def test_reads_only_the_drawn(self, corpus: Path) -> None:
        """With every sample damaged, as many are reported as were drawn; the same ones for the same seed."""
        for name in ("train-000000", "train-000001", VAL):
            edit_shard(corpus, name, lambda m: m.__setitem__(slice(0, None), [_spoilt(*x) for x in m]), index=False)
        chosen = {seed: {f.where for f in check(corpus, sample=3, seed=seed).faults} for seed in range(4)}
        assert {len(where) for where in chosen.values()} == {3}
        assert chosen[1] == {f.where for f in check(corpus, sample=3, seed=1, workers=2).faults}
        assert len(set(map(frozenset, chosen.values()))) > 1

    @pytest.mark.parametrize(
        "name", ["jpeg-cut", "text", "json-key", "tar-mtime", "tar-link", "data-changed", "tar-padding"]
    )
    def test_finds_what_the_whole_check_finds(self, corpus: Path, name: str) -> None:
        damage, expected = SHARD_DAMAGE[name]
        damage(corpus)
        found = [(fault.where, fault.what) for fault in check(corpus, sample=9).faults]
        assert [e for e in expected if not any(w == e[0] and e[1] in what for w, what in found)] == []

    @pytest.mark.parametrize(
        "name", [*(name for name in ACCOUNT_DAMAGE if name != "key-twice-in-corpus"), *RULE_DAMAGE, "index-row-missing"]
    )
    def test_checks_all_tables(self, corpus: Path, name: str) -> None:
        damage, expected = DAMAGE[name]
        damage(corpus)
        found = [(fault.where, fault.what) for fault in check(corpus, sample=0).faults]
        of_tables = [e for e in expected if not e[0].startswith("shards/")]
        assert [e for e in of_tables if not any(w == e[0] and e[1] in what for w, what in found)] == []

    def test_members_must_fill_the_tar(self, corpus: Path) -> None:
        INDEX_DAMAGE["index-offset"][0](corpus)
        assert [f.where for f in check(corpus, sample=0).faults] == [f"{INDEX} {DELTA}"]
        assert {f.where for f in check(corpus, sample=9).faults} == {f"{INDEX} {DELTA}", f"{SHARD} {DELTA}"}

    def test_the_last_member_ends_with_the_tar(self, corpus: Path) -> None:
        edit_table(corpus / INDEX, lambda rows: rows[-1]["members"][-1].update(size=1))
        (fault,) = check(corpus, sample=0).faults
        assert (fault.where, "its members make a tar of" in fault.what) == (INDEX, True)

    def test_members_of_another_sample(self, corpus: Path) -> None:
        edit_table(
            corpus / INDEX,
            lambda rows: [a.update(offset=b["offset"]) for a, b in zip(*map(members_of, rows), strict=True)],
        )
        faults = {(f.where, f.what) for f in check(corpus, sample=9).faults}
        assert (f"{SHARD} {DELTA}", "its files are not where the index says") in faults

    def test_a_missing_or_short_shard(self, corpus: Path) -> None:
        (corpus / SHARD).write_bytes((corpus / SHARD).read_bytes()[:-700])
        assert {f.where for f in check(corpus, sample=0).faults} == {SHARD}
        (corpus / SHARD).unlink()
        assert ("missing" in str(check(corpus, sample=0).faults[0])) is True


def members_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = row["members"]
    return found


def _spoilt(name: str, data: bytes) -> tuple[str, bytes]:
    return (name, b"\xff" + data[1:]) if name.endswith("txt") else (name, data)


def test_many_faults_of_a_file_are_counted_not_listed() -> None:
    faults = FaultList("plan")
    faults.add_each(range(50), "wrong", str)
    assert faults.number == 50
    assert len(faults.lines()) == 21
    assert faults.lines()[-1] == Fault("plan", "and 30 more faults in this file")


def test_what_a_fault_says_is_safe_for_a_terminal() -> None:
    assert str(Fault("shards/a\n.tar", "\x1b]0;x\x07\u202e é 日")) == r"shards/a\n.tar: \x1b]0;x\x07\u202e é 日"
