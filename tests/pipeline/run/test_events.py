"""The log: quiet unless asked, one line for each event, nothing that acts on a terminal, no credentials."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from longtake.pipeline.run.events import FORM, LEVEL, Event, event, log_as_asked, redacted
from longtake.schemas.errors import ConfigError


@pytest.fixture(autouse=True)
def _silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(FORM, "")
    monkeypatch.setenv(LEVEL, "")
    yield
    monkeypatch.setenv(FORM, "")
    monkeypatch.setenv(LEVEL, "")
    log_as_asked()


def logged(monkeypatch: pytest.MonkeyPatch, form: str = "", level: str = "", json_lines: bool = False) -> list[str]:
    monkeypatch.setenv(FORM, form)
    monkeypatch.setenv(LEVEL, level)
    stream = io.StringIO()
    log_as_asked(json_lines, stream)
    for grade in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        event(grade, "task_done", video_id=f"v{grade}", frames=7, ratio=0.5, nothing=None)
    return stream.getvalue().splitlines()


def test_quiet_by_default(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert logged(monkeypatch) == []
    assert capfd.readouterr() == ("", "")


def test_one_line_of_json_for_each_event(monkeypatch: pytest.MonkeyPatch) -> None:
    for lines in (logged(monkeypatch, "json"), logged(monkeypatch, json_lines=True)):
        found = [json.loads(line) for line in lines]
        assert [line["level"] for line in found] == ["info", "warning", "error"]
        assert found[0] | {"time": ""} == {
            "time": "", "level": "info", "event": "task_done", "video_id": "v20", "frames": 7, "ratio": 0.5, "nothing": None,
        }  # fmt: skip
        assert found[0]["time"].endswith("Z")


def test_text_and_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(logged(monkeypatch, level="debug")) == 4
    (line,) = logged(monkeypatch, "text", "error")
    assert line.split(maxsplit=1)[1] == "error   task_done video_id=v40 frames=7 ratio=0.5"


@pytest.mark.parametrize(("form", "level"), [("xml", ""), ("", "loud")])
def test_what_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, form: str, level: str) -> None:
    with pytest.raises(ConfigError, match="must be one of"):
        logged(monkeypatch, form, level)


@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_acts_on_a_terminal(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv(FORM, form)
    hostile = "\x1b]0;owned\x07\x9b31m\nforged: line\r\u202e\x00" + "x" * 10_000
    text = str(Event("task_failed", {"video_id": hostile, "detail": hostile}))
    assert text.isprintable()
    assert len(text) < 2000
    assert "owned" in text


@pytest.mark.parametrize(
    "secret",
    [
        "https://user:hunter2@host/v.mp4",
        "https://b.s3.amazonaws.com/v?X-Amz-Signature=hunter2&X-Amz-Date=1",
        "https://b.s3.amazonaws.com/v?X-Amz-Credential=hunter2",
        "https://blob/v?sv=1&sig=hunter2",
        "https://storage.googleapis.com/v?GoogleAccessId=a&Signature=hunter2",
        "Authorization: Bearer hunter2hunter2",
        "aws_secret_access_key = hunter2",
        '{"password": "hunter2"}',
        "token:hunter2",
        "--s3_secret_access_key=hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n",
    ],
)
def test_credentials_are_struck_out(secret: str) -> None:
    assert "hunter2" not in redacted(f"cannot read {secret}")
    assert "hunter2" not in str(Event("job_failed", {"error": f"cannot read {secret}"}))


@pytest.mark.parametrize(
    "harmless", ["videos/v1.mp4: Invalid data found", "no such file", "s3://bucket/a/b.mp4", "at 3:07 the key frame"]
)
def test_what_is_no_secret_stays(harmless: str) -> None:
    assert redacted(harmless) == harmless
