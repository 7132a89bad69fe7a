"""`longtake browse`: it serves until Ctrl-C, and says in a line what is wrong."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from browsing import build
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.schemas.errors import ConfigError, CorpusError, MissingExtraError


@pytest.fixture(autouse=True)
def _own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@contextmanager
def running(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The command in a process of its own, its address, and what it said before."""
    command = [sys.executable, "-m", "longtake.jobs.cli", "browse", str(root), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = ""
    try:
        while not (found := re.search(r"^Open (\S+)$", said, re.M)):
            line = process.stdout.readline()
            assert line, said
            said += line
        yield process, found[1], said
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_ctrl_c(tmp_path: Path, number: signal.Signals) -> None:
    build(tmp_path / "out")
    with running(tmp_path / "out", "--curator", "Ann") as (process, address, said):
        assert "small: 11 samples" in said
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        with urllib.request.urlopen(address) as answer:  # noqa: S310
            page = answer.read().decode()
        assert 'data-curator="Ann"' in page
        assert answer.headers["Server"] == "longtake"
        for path in ("?q=phoques", "sql?sql=FROM+samples", "?state=any"):  # each in a thread of its own
            urllib.request.urlopen(address + path).read()  # noqa: S310
        with closing(http.client.HTTPConnection(address.split("/")[2])) as kept:  # as a browser keeps one
            kept.request("GET", "/")
            kept.getresponse().read()
            process.send_signal(number)
            assert process.wait(timeout=20) == 0
        assert process.stdout is not None
        assert process.stdout.read().strip() == "Ctrl-C ends it."  # no traceback after it


def test_others_get_an_address_with_a_token(tmp_path: Path) -> None:
    build(tmp_path / "out")
    with running(tmp_path / "out", "--host", "0.0.0.0") as (_, address, said):  # noqa: S104
        token = re.search(r"\?token=([\w-]{40,})$", address)
        assert token
        assert said.count(token[1]) == 1
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address.partition("?")[0])  # noqa: S310


def test_a_port_in_use_is_said_to_be(tmp_path: Path) -> None:
    build(tmp_path / "out")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["browse", str(tmp_path / "out"), "--port", port])
    assert isinstance(result.exception, ConfigError)
    assert f"port {port} is in use" in str(result.exception)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--host", "no.such.host.invalid"], ConfigError, "--host"),
        (["--token-file", "nowhere"], ConfigError, "--token-file"),
        (["--decisions", "marks.txt"], ConfigError, r"\.csv or \.parquet"),
        (["--embeddings", "nowhere.parquet"], OSError, "nowhere"),
    ],
)
def test_what_cannot_be_used_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], error: type[Exception], message: str
) -> None:
    build(tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "marks.txt").write_text("")
    result = CliRunner().invoke(app, ["browse", "out", "--port", "0", *options])
    assert isinstance(result.exception, error)
    assert re.search(message, str(result.exception))


def test_an_unfinished_corpus_is_refused(tmp_path: Path) -> None:
    build(tmp_path / "out")
    (tmp_path / "out" / "corpus.json").unlink()
    result = CliRunner().invoke(app, ["browse", str(tmp_path / "out")])
    assert isinstance(result.exception, CorpusError)
    assert "not a finished corpus" in str(result.exception)


def test_what_is_not_installed_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "waitress", None)
    result = CliRunner().invoke(app, ["browse", str(tmp_path)])
    assert isinstance(result.exception, MissingExtraError)
    assert str(result.exception) == "longtake browse needs waitress. Install it with: pip install 'longtake[audit]'"
