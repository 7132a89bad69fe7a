"""Frames: those of the shards and nothing else, whatever is asked for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import corpora
import pytest
from browsing import ALPHA, HOST, build, client_of, served
from flask.testing import FlaskClient


def frame(client: FlaskClient, key: str, number: object = 0, **headers: str) -> Any:
    return client.get(f"/frame/{key}/{number}.jpg", headers={**HOST, **headers})


def members(root: Path, key: str) -> dict[str, bytes]:
    for shard in (root / "shards").iterdir():
        found = {name: data for name, data in corpora.read_members(shard) if name.startswith(f"{key}.")}
        if found:
            return found
    raise KeyError(key)


def test_each_frame_is_that_of_the_shard(client: FlaskClient, built: Path) -> None:
    own = members(built, ALPHA)
    frames = json.loads(own[f"{ALPHA}.json"])["frame_pts_ms"]
    for number in range(len(frames)):
        answer = frame(client, ALPHA, number)
        assert answer.status_code == 200
        assert answer.mimetype == "image/jpeg"
        assert answer.data == own[f"{ALPHA}.{number:03d}.jpg"]
    assert frame(client, ALPHA, len(frames)).status_code == 404
    assert frame(client, ALPHA, "middle").data == own[f"{ALPHA}.{len(frames) // 2:03d}.jpg"]


def test_a_frame_is_kept_by_the_browser_alone_and_not_sent_twice(client: FlaskClient) -> None:
    first = frame(client, ALPHA)
    assert first.headers["Cache-Control"].startswith("private")
    again = frame(client, ALPHA, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/frame/nothing/0.jpg",
        "/frame/nothing/middle.jpg",
        "/frame/zz-000000000-000000001/0.jpg",
        "/frame/..%2F..%2Fetc%2Fpasswd/0.jpg",
        "/frame/../../etc/passwd/0.jpg",
        f"/frame/{ALPHA}/-1.jpg",
        f"/frame/{ALPHA}/999999999999999999999.jpg",
        f"/frame/{ALPHA}%00/0.jpg",
        f"/frame/{ALPHA}/0.json",
        f"/frame/{ALPHA}/..%2f0.jpg",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/static/../templates/list.html",
        "/shards/train-000000.tar",
        "/corpus.json",
        "/decisions.csv",
        "/audit/browse/",
    ],
)
def test_no_other_file_is_served(client: FlaskClient, path: str) -> None:
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 404
    assert b"root:" not in answer.data
    assert b"import" not in answer.data


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[tuple[Path, FlaskClient]]:
    root = tmp_path / "out"
    build(root)
    server = served(root)
    yield root, client_of(server)
    server.close()


def shard_of(root: Path) -> Path:
    return next(
        path for path in (root / "shards").iterdir() if any(n.startswith(ALPHA) for n, _ in corpora.read_members(path))
    )


def is_placeholder(answer: Any) -> bool:
    return (answer.status_code, answer.mimetype) == (404, "image/svg+xml") and b"no picture" in answer.data


def test_a_damaged_frame_is_a_picture_that_says_so(damaged: tuple[Path, FlaskClient]) -> None:
    root, client = damaged
    shard = shard_of(root)
    data, own = shard.read_bytes(), members(root, ALPHA)
    picture = own[f"{ALPHA}.000.jpg"]
    shard.write_bytes(data.replace(picture, picture[:200] + b"\0" * (len(picture) - 200)))
    assert is_placeholder(frame(client, ALPHA, 0))
    assert frame(client, ALPHA, 1).status_code == 200
    shard.write_bytes(data[:1000])
    assert is_placeholder(frame(client, ALPHA, 1))
    shard.unlink()
    assert is_placeholder(frame(client, ALPHA, 1))
    assert client.get(f"/sample/{ALPHA}", headers=HOST).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"shard": "../../../../etc/passwd"},
        {"shard": "train-000000"},
        {"key": "alpha-000000001-000000002"},
        {"members": [{"name": f"{ALPHA}.000.jpg", "offset": -5, "size": 10}]},
        {"members": [{"name": f"{ALPHA}.000.jpg", "offset": 0, "size": 1 << 40}]},
        {"members": [{"name": "/etc/passwd", "offset": 0, "size": 100}]},
        {"members": None},
        {"sentences": None},
    ],
)
def test_an_index_that_lies_leads_nowhere(damaged: tuple[Path, FlaskClient], change: dict[str, Any]) -> None:
    root, client = damaged

    def edit(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["key"] == ALPHA:
                row.update(change)

    for file in (root / "index").iterdir():
        if file.stem == shard_of(root).stem:
            assert file.stem != change.get("shard")
            corpora.edit_table(file, edit)
    assert is_placeholder(frame(client, ALPHA, 0))
