"""Ids that begin with a dash."""

import json
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from longtake.jobs.cli import app
from longtake.jobs.dashed_ids import with_ids_last

GROUP = typer.main.get_command(app)
COMMANDS = {name: GROUP.get_command(click.Context(GROUP), name) for name in ("explain", "show", "takedown")}  # type: ignore[attr-defined]


@pytest.mark.parametrize("video_id", ["-oQX3f1lk7Y", "-abc", "--x_9-Y", "-0"])
@pytest.mark.parametrize("command", ["explain", "show", "takedown"])
def test_an_id_is_told_from_options_wherever_it_stands(command: str, video_id: str) -> None:
    flag = next(o for p in COMMANDS[command].params for o in p.opts if o.startswith("--") and not p.is_flag)
    for args in (
        ["c", video_id],
        ["c", video_id, flag, "-v"],
        [flag, "-v", "c", video_id],
        ["c", flag, "-v", "--", video_id],
    ):
        made = with_ids_last(COMMANDS[command], args)
        if "--" in args:
            assert made in (args, [flag, "-v", "--", "c", video_id])
        else:
            assert made == [*([flag, "-v"] if flag in args else []), "--", "c", video_id]


@pytest.mark.parametrize("command", ["explain", "show", "takedown"])
@pytest.mark.parametrize("args", [["c", "-p"], ["c", "--", "-p"]])
def test_one_letter_is_an_option_unless_two_dashes_stand_before_it(command: str, args: list[str]) -> None:
    assert with_ids_last(COMMANDS[command], args) == args


@pytest.mark.parametrize("args", [["c", "v"], ["c", "--probe", "none", "v"], ["c", "v", "--prob"], ["-h"], ["c", "-"]])
def test_all_else_stays_as_it_was_typed(args: list[str]) -> None:
    assert with_ids_last(COMMANDS["explain"], args) == args


def test_explain_shows_a_video_whose_id_begins_with_a_dash(tmp_path: Path) -> None:
    (tmp_path / "subs").mkdir()
    (tmp_path / "subs" / "-oQX.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nSo we go on and on.\n")
    (tmp_path / "videos.jsonl").write_text(json.dumps({"video_id": "-oQX", "uri": "v.mp4"}) + "\n")
    (tmp_path / "corpus.yaml").write_text(
        "name: x\noutput: out\nsource: {videos: videos.jsonl, text: {format: auto, path: 'subs/{video_id}.srt'}}\n"
        "merge: {min_sentences: 1}\n"
    )
    shown = CliRunner().invoke(app, ["explain", str(tmp_path / "corpus.yaml"), "-oQX", "--probe", "none"])
    assert shown.exit_code == 0, shown.output
    assert "So we go on and on." in shown.output
    wrong = CliRunner().invoke(app, ["explain", str(tmp_path / "corpus.yaml"), "-oQX", "--prob", "none"])
    assert wrong.exit_code == 2
    assert "No such option" in wrong.output
