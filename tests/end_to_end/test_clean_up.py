"""The clean-up of docs/audit.md, driven through a real browser: nothing planted is left, in as many clicks as documented, and the
agreement is what others compute."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.exhaustive  # it builds, audits and revises a corpus with a browser open: a minute of CPU


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    command = [sys.executable, str(ROOT / "benchmarks" / "clean_up.py"), "--quick", "--results", str(folder)]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"LONGTAKE_BENCH_CACHE": str(folder)}
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict:
    return json.loads((folder / "clean_up.json").read_text())["results"]


def test_all_that_was_planted_is_gone_and_nothing_else(found: dict) -> None:
    assert found["planted"] == dict.fromkeys(("black", "frozen", "captions", "copy", "french", "licence"), 2)
    assert (found["clips"], found["kept"], found["left"], found["good_dropped"]) == (52, 40, {}, 0)
    by_step = {step["step"]: step["found"] for step in found["steps"]}
    assert by_step["policy"] == {"black": 2, "frozen": 2, "licence": 2}
    assert by_step["in bulk"] == {"copy": 2, "french": 2}
    assert by_step["queues"] == {"captions": 2}
    assert sum(map(Counter, by_step.values()), Counter()) == Counter(found["planted"])


def test_what_one_curator_overlooked_the_other_found(found: dict) -> None:
    assert len(found["overlooked"]) == found["settled"] == 1


def test_it_takes_as_many_clicks_as_documented(found: dict) -> None:
    """The clicks do not depend on the size of the corpus; a key is pressed for each clip of a queue."""
    ann, bob = found["curators"]["Ann"], found["curators"]["Bob"]
    documented = (ROOT / "docs" / "audit.md").read_text()
    for name, one in (("Ann", ann), ("Bob", bob)):
        assert f"{name} {one['clicks']} clicks" in documented
    queued = 42  # what the policy and the bulk left; each judges all of it
    assert ann["keys"] == len("Ann") + len("\n") + 2 * len("b") + queued + found["settled"]
    assert bob["keys"] == len("Bob") + len("\n") + queued


def test_agreement_is_what_others_compute(folder: Path, found: dict) -> None:
    with (folder / "clean-up" / "judged.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["basis"]]
    said = {
        name: {row["subject_id"]: row["decision"] for row in rows if row["curator"] == name} for name in ("Ann", "Bob")
    }
    both = sorted(said["Ann"].keys() & said["Bob"].keys())
    ann, bob = ([said[name][key] for key in both] for name in ("Ann", "Bob"))
    told, (pair,) = found["agreement"]["alpha"], found["agreement"]["pairs"]
    assert (told["units"], pair["kappa"]["units"]) == (len(both), len(both)) == (found["judged_twice"],) * 2
    # Krippendorff's alpha for nominal data of two coders, from the coincidence matrix (Computing Krippendorff's
    # Alpha-Reliability, 2011, B): 1 - (n - 1) sum of o_ck / sum of n_c n_k, over c other than k.
    values = Counter([*ann, *bob])
    differ = 2 * sum(a != b for a, b in zip(ann, bob, strict=True))
    apart = sum(values[a] * values[b] for a in values for b in values if a != b)
    assert told["value"] == pytest.approx(1 - (2 * len(both) - 1) * differ / apart)
    metrics = pytest.importorskip("sklearn.metrics")
    assert pair["kappa"]["value"] == pytest.approx(metrics.cohen_kappa_score(ann, bob))
    assert pair["same"] == pytest.approx(metrics.accuracy_score(ann, bob))


def test_the_version_is_signed(found: dict) -> None:
    assert found["verified"].startswith("ann@example.org signed clean-up, version ")
    assert 'Good "longtake-attestation" signature for ann@example.org' in found["verified"]
    assert found["rejected"].endswith("20 of 20 reviewed")
