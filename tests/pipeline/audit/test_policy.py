"""Policies on a corpus: which samples they drop, against a plain computation, and what each line and curve says."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsing
import corpora
import numpy as np
import pytest

from longtake.pipeline.audit import policy_choice
from longtake.pipeline.audit.agreement import agreement
from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.policy import judge
from longtake.pipeline.audit.policy_choice import Choice, choose, quota_columns
from longtake.pipeline.audit.result import AuditCheck, CheckStatus, Estimate, PolicyLine
from longtake.pipeline.audit.sampling import text_columns
from longtake.schemas import storage
from longtake.schemas.decision import Decision
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout
from longtake.schemas.policy import GROUPS, Policy, PolicyFile, Quota

CHANNELS = ("news", "news", "news", "cats", "cats", "talk", "")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of browse, its samples copied twelvefold with other channels, languages and scores."""
    made = Path(browsing.build(tmp_path_factory.mktemp("policy") / "corpus").root)
    dice = random.Random(4)

    def many(rows: list[dict[str, Any]]) -> None:
        for row in list(rows):
            for n in range(12):
                meta = {"channel": dice.choice(CHANNELS)} if n else {}
                start = row["start_ms"] + 1000 * n
                key = f"{row['key'].rsplit('-', 2)[0]}-{start:09d}-{row['end_ms']:09d}"
                scores = {"score_black": None if n == 3 else dice.random(), "language": dice.choice(["en", "fr", None])}
                new = row | {"key": key, "start_ms": start, "meta": json.dumps(meta)} | scores
                rows.append(new) if n else row.update(scores)

    for part in storage.list_files(str(made / "index"), ".parquet"):
        corpora.edit_table(Path(part), many)
    return made


@pytest.fixture(scope="module")
def database(root: Path) -> Iterator[Database]:
    found = Database(Layout(str(root)))
    yield found
    found.close()


def policy(**values: Any) -> PolicyFile:
    return PolicyFile(Policy.model_validate({"base": ".", "name": "house", **values}), "ab" * 32)


def rows_of(database: Database) -> dict[str, dict[str, Any]]:
    rows = database.records("SELECT key, start_ms, end_ms, license, language, score_black, meta FROM 'index/*.parquet'")
    return {row["key"]: row for row in rows}


def kept(choice: Choice) -> set[str]:
    return set(choice.keys[choice.kept])


def test_thresholds_and_licences_drop_what_breaks_them(database: Database) -> None:
    rules = {"black": {"max": 0.5, "missing": "drop"}, "duration": {"min": 12, "max": 19.75}}
    choice = choose(database, policy(thresholds=rules, licences={"allowed": ["cc-by-4.0"]}))
    rows = rows_of(database)
    assert len(rows) == 132

    def fits(row: dict[str, Any]) -> bool:
        seconds = (row["end_ms"] - row["start_ms"]) / 1000
        dark = row["score_black"]
        return row["license"] == "CC BY 4.0" and dark is not None and dark <= 0.5 and 12 <= seconds <= 19.75

    wanted = {key for key, row in rows.items() if fits(row)}
    assert 0 < len(wanted) < 66
    assert kept(choice) == wanted
    assert choice.reason.keys() == rows.keys() - wanted
    for key, reason in choice.reason.items():  # the first rule that it breaks, with its value
        if rows[key]["license"] != "CC BY 4.0":
            assert reason == "licences.allowed only cc-by-4.0"
        elif rows[key]["score_black"] is None:
            assert reason == "thresholds.black.max at most 0.5: no value"
        elif rows[key]["score_black"] > 0.5:
            assert reason == f"thresholds.black.max at most 0.5: {rows[key]['score_black']:.4g}"
        else:
            assert reason.startswith("thresholds.duration.")


def test_missing_values_fail_are_dropped_or_kept(database: Database) -> None:
    lacking = {key for key, row in rows_of(database).items() if row["score_black"] is None}
    assert len(lacking) == 11
    for missing in ("keep", "drop", "fail"):
        choice = choose(database, policy(thresholds={"black": {"max": 1, "missing": missing}}))
        assert (lacking <= kept(choice)) == (missing != "drop")
        assert choice.rules[0].lacks == (11 if missing == "fail" else 0)


def channel(row: dict[str, Any]) -> str:
    return str(json.loads(row["meta"]).get("channel", ""))


@pytest.mark.parametrize("share", [0.3, 0.35])
def test_no_value_has_more_than_its_share(database: Database, share: float) -> None:
    rows = rows_of(database)
    before = Counter(channel(row) for row in rows.values())
    after = Counter(
        channel(rows[key]) for key in kept(choose(database, policy(quotas=[{"by": "meta.channel", "most": share}])))
    )
    total = sum(after.values())
    assert max(after.values()) <= share * total + 1e-9
    cap = max(after.values())
    assert all(after[name] == min(n, cap) for name, n in before.items())  # nothing else was dropped
    larger = {name: min(n, cap + 1) for name, n in before.items()}
    assert max(larger.values()) > share * sum(larger.values())  # and a larger cap breaks it


def test_one_value_has_at_most_its_share_and_others_stay(database: Database) -> None:
    rows = rows_of(database)
    found = kept(choose(database, policy(quotas=[{"by": "language", "value": "en", "most": 0.2}])))
    english = sum(rows[key]["language"] == "en" for key in found)
    others = sum(row["language"] != "en" for row in rows.values())
    assert len(found) - english == others
    assert english / len(found) <= 0.2 < (english + 1) / (len(found) + 1)


def test_quotas_that_depend_on_each_other_all_hold(database: Database) -> None:
    rows = rows_of(database)
    quotas = [{"by": "meta.channel", "samples": 14}, {"by": "language", "value": "fr", "most": 0.25},
              {"by": "host", "value": "", "most": 0.5}]  # fmt: skip
    choice = choose(database, policy(quotas=quotas))
    found = [rows[key] for key in kept(choice)]
    assert max(Counter(map(channel, found)).values()) <= 14
    assert sum(row["language"] == "fr" for row in found) <= 0.25 * len(found)
    assert len(found) > 20
    assert kept(choose(database, policy(quotas=quotas))) == kept(choice)
    assert kept(choose(database, policy(quotas=quotas, seed=5))) != kept(choice)


def test_what_the_corpus_does_not_have_is_told(database: Database) -> None:
    assert text_columns(database) == set(GROUPS)  # known before any corpus is opened
    with pytest.raises(ConfigError, match=r"this corpus has no column 'topic'; use meta.NAME, or one of .*language"):
        quota_columns(database, (Quota.model_construct(by="topic", most=0.5),))


def test_quotas_that_do_not_come_to_hold_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_choice, "_ROUNDS", 3)
    spoken = np.array(["en", "de"] * 100, object)
    quotas = (Quota(by="language", value="en", most=0.5), Quota(by="language", value="de", most=0.4999))
    choice = Choice(np.arange(200).astype(object), np.ones(200), np.ones(200, bool))
    with pytest.raises(ConfigError, match="after 3 rounds some still do not hold"):
        policy_choice._apply_quotas(choice, quotas, [spoken, spoken])


def test_a_share_that_nothing_meets_keeps_nothing(database: Database) -> None:
    choice = choose(database, policy(quotas=[{"by": "meta.none", "most": 0.5}]))
    assert not choice.kept.any()


def lines(database: Database, file: PolicyFile, **facts: Any) -> dict[str, PolicyLine]:
    asked = {"checks": (), "estimates": (), "agreement": None} | facts
    return {line.rule: line for line in judge(database, file, **asked).lines}


def check(status: CheckStatus) -> AuditCheck:
    return AuditCheck("balance_hosts", "Balanced", status, "It leans.")


def test_lines_on_checks_review_and_agreement(database: Database) -> None:
    file = policy(
        checks={"required": ["balance_hosts"], "warnings": "forbid"},
        review={"samples": 20, "accept": 0.05},
        agreement={"subjects": 3, "alpha": 0.2},
    )
    nothing = lines(database, file)
    assert not any(line.passes for name, line in nothing.items() if name not in ("checks", "checks.warnings"))
    assert nothing["checks.required"].found.startswith("was not made")
    warned = lines(database, file, checks=(check(CheckStatus.WARN),))
    assert not warned["checks.required"].passes and not warned["checks.warnings"].passes and warned["checks"].passes
    assert not lines(database, policy(), checks=(check(CheckStatus.FAIL),))["checks"].passes
    good = Estimate("reject", 0.01, 0.0, 0.04, 0.95, 30, 30, "1 % rejected")
    verdicts = [
        Decision("sample", f"v-{n:09d}-{n + 1:09d}", said, curator=name)
        for n, said in enumerate(["ok", "reject", "flag", "ok"] * 2)
        for name in ("Ann", "Bob")
    ]
    met = lines(database, file, checks=(check(CheckStatus.PASS),), estimates=(good,), agreement=agreement(verdicts))
    assert all(line.passes for line in met.values())
    worse = Estimate("reject", 0.01, 0.0, 0.06, 0.95, 10, 30, "1 % rejected")
    unmet = lines(database, file, estimates=(worse,))
    assert not unmet["review.samples"].passes and not unmet["review.accept"].passes


def test_curves_are_the_counts_at_each_threshold(database: Database) -> None:
    rules = {"black": {"max": 0.5, "missing": "keep"}, "duration": {"min": 12}}
    verdict = judge(database, policy(thresholds=rules), (), (), None)
    rows = rows_of(database).values()
    hours = {row["key"]: (row["end_ms"] - row["start_ms"]) / 3.6e6 for row in rows}
    black, duration = verdict.curves
    assert black.bound in [point[0] for point in black.points]
    for level, samples, spent, both, _ in black.points:
        stays = [row for row in rows if row["score_black"] is None or row["score_black"] <= level]
        assert samples == pytest.approx(len(stays) / len(rows))
        assert spent == pytest.approx(sum(hours[row["key"]] for row in stays) / sum(hours.values()))
        long = [row for row in stays if row["end_ms"] - row["start_ms"] >= 12_000]
        assert both == pytest.approx(len(long) / len(rows))
    at_bound = next(point for point in duration.points if point[0] == 12)
    assert at_bound[3] == pytest.approx(verdict.kept_samples / verdict.samples)
    assert at_bound[4] == pytest.approx(verdict.kept_hours / verdict.hours)
    assert [point[1] for point in duration.points] == sorted((point[1] for point in duration.points), reverse=True)


def test_a_score_that_nobody_computed_has_no_curve(database: Database) -> None:
    verdict = judge(database, policy(thresholds={"relevance": {"min": 0.2}}), (), (), None)
    assert verdict.curves[0].points == ()
    assert not verdict.passes
    assert "132 samples without a value" in verdict.lines[0].found


def test_nothing_is_written(root: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    copy = Database(Layout(str(shutil.copytree(root, tmp_path / "copy"))))
    judge(copy, policy(), (), (), None)
    copy.close()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
