"""Tokens of curators: made, found, revoked; the file lets nobody in."""

import json
from pathlib import Path

import pytest

from longtake.schemas.curators import add_curator, find_curator, hash_of, read_curators, revoke_curator, session_of
from longtake.schemas.errors import ConfigError


def test_a_token_is_made_found_and_revoked(tmp_path: Path) -> None:
    path = str(tmp_path / "curators.json")
    with pytest.raises(ConfigError, match="no token to revoke"):
        revoke_curator(path, "Ann")
    assert read_curators(path) == [] and not list(tmp_path.iterdir())  # nobody made a file
    ann, eve = add_curator(path, " Ann "), add_curator(path, "Eve", adjudicates=True)
    known = read_curators(path)
    assert [(one.name, one.adjudicates, one.is_active) for one in known] == [("Ann", False, True), ("Eve", True, True)]
    found = find_curator(known, session_of(ann))
    assert found is not None and found.name == "Ann"
    with pytest.raises(ConfigError, match="has a token already"):
        add_curator(path, "Ann")
    revoke_curator(path, "Ann")
    assert find_curator(read_curators(path), session_of(ann)) is None
    with pytest.raises(ConfigError, match="no token to revoke"):
        revoke_curator(path, "Ann")
    again = add_curator(path, "Ann")
    known = read_curators(path)
    assert [one.name for one in (find_curator(known, session_of(t)) for t in (again, eve)) if one] == ["Ann", "Eve"]
    assert find_curator(known, session_of(ann)) is None


def test_the_file_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "curators.json"
    token = add_curator(str(path), "Ann")
    [kept] = read_curators(str(path))
    text = path.read_text()
    assert token not in text and session_of(token) not in text
    for guess in (kept.hash, token, hash_of(token), ""):  # neither as a session nor as a token
        assert find_curator([kept], guess) is None
        assert find_curator([kept], session_of(guess)) is None or guess == token


@pytest.mark.parametrize("text", ["{", "[]", '{"curators": [{"name": "Ann"}]}', '{"curators": 7}', "[" * 9999])
def test_what_is_no_file_of_curators_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "curators.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"curators.json: not a file of curators"):
        read_curators(str(path))


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 101])
def test_who_cannot_be_a_curator(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        add_curator(str(tmp_path / "curators.json"), name)
    assert not (tmp_path / "curators.json").exists() or json.loads((tmp_path / "curators.json").read_text())
