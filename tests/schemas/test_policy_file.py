"""`policy.yaml`: what it may say; a wrong one is told with file and line."""

import hashlib
from pathlib import Path

import pytest

from longtake.schemas.errors import ConfigError
from longtake.schemas.policy import read_policy

WHOLE = """name: house-2026
licences: {allowed: [cc-by-4.0, CC0]}
thresholds:
  black: {max: 0.1, missing: drop}
  duration: {min: 10, max: 240}
quotas:
  - {by: language, most: 0.6}
  - {by: meta.channel, samples: 500}
  - {by: language, value: en, most: 0.5}
checks: {required: [accounting], warnings: forbid}
review: {samples: 200, accept: 0.02}
agreement: {subjects: 100, alpha: 0.67}
"""


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return str(path)


def test_a_whole_policy_is_read_with_its_hash(tmp_path: Path) -> None:
    found = read_policy(written(tmp_path, WHOLE))
    assert found.policy.thresholds["black"].missing == "drop"
    assert [quota.most for quota in found.policy.quotas] == [0.6, None, 0.5]
    assert found.sha256 == hashlib.sha256(WHOLE.encode()).hexdigest()
    assert found.title == f"house-2026 ({found.sha256[:12]})"
    assert read_policy(written(tmp_path, "name: x\n")).policy.quotas == ()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("licences: {allowed: [x]}\n", None, "name: Field required"),
        ("name: a/b\n", 1, "name: String should match"),
        ("name: x\nlicences: {allowed: []}\n", 2, "at least 1 item"),
        ("name: x\nthresholds:\n  blak: {max: 1}\n", 2, "blak is no measure; there are duration"),
        ("name: x\nthresholds:\n  black: {}\n", 3, "give min, max or both"),
        ("name: x\nthresholds:\n  black:\n    min: 2\n    max: 1\n", 3, r"min \(2\) is above max \(1\)"),
        ("name: x\nthresholds:\n  black: {max: .nan}\n", 3, "finite number"),
        ("name: x\nquotas:\n  - {by: language}\n", 3, "one of the two"),
        ("name: x\nquotas:\n  - {by: language, most: 1.5}\n", 3, "less than 1"),
        ("name: x\nquotas:\n  - {by: langage, most: 0.5}\n", 3, "no column 'langage'. Did you mean language"),
        ("name: x\nchecks:\n  required: [split_video]\n", 3, "no check 'split_video'. Did you mean split_videos"),
        ("name: x\nquotas:\n  - {by: 'a\" b', most: 0.5}\n", 3, "String should match"),
        ("name: x\nreview: {samples: 10, accept: 2}\n", 2, "less than or equal to 1"),
        ("name: x\nthreshold: {}\n", 2, "no such setting. Did you mean thresholds"),
        ("name: x\nname: y\n", 2, "given twice"),
    ],
)
def test_a_wrong_policy_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    where = f":{line}: " if line else ": "
    with pytest.raises(ConfigError, match=f"policy.yaml{where}.*{said}"):
        read_policy(written(tmp_path, text))


def test_no_file_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file. It holds the policy of a house"):
        read_policy(str(tmp_path / "none.yaml"))
