"""What all commands have in common: exit codes, --set, --json, -q and -v, output in a pipe, colour, completion."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fsspec.registry import _registry
from sources import LAST_MAN, SourceSet, Video, command, longtake, longtake_here, source_set, spoken

from longtake.jobs.commands import GROUPS, NEEDS
from longtake.pipeline.run import optional_models
from longtake.schemas.extras import missing_extra

COMMANDS = [name for commands in GROUPS.values() for name in commands]
TINY = {"frames": {"short_side": 16, "per_sentence": 1}}
WIDE = "a-video-with-a-long-name-that-no-narrow-column-holds-" * 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[SourceSet, dict[str, Any], str]:
    """A corpus; what --json printed when it was built, and what went to standard error."""
    videos = [Video("v", spoken(4), LAST_MAN), Video(WIDE, spoken(4), LAST_MAN, "wide")]
    sources = source_set(tmp_path_factory.mktemp("made"), videos, **TINY)
    shares = ["--set", "split={train: 0.9999, val: 0.0001}"]
    built = longtake_here("build", str(sources.config), "--probe=none", "--workers=1", *shares, "--json")
    assert built.returncode == 0, built.stderr
    return sources, json.loads(built.stdout), built.stderr


def document(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    """The JSON that is alone on standard output."""
    assert done.returncode == code, done.stderr
    assert done.stdout.isascii()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# -- exit codes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_use_is_2_for_every_command(name: str) -> None:
    done = longtake_here(name, "--no-such-option")
    assert done.returncode == 2
    assert "No such option" in done.stderr
    assert longtake_here(name, "--help").returncode == 0


@pytest.mark.parametrize("name", NEEDS)
def test_a_missing_extra_is_3_and_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {
        "status": ["c"], "diff": ["c", "d"], "clean": ["c"],
        "explain": ["c.yaml", "v"], "takedown": ["c"], "merge": ["c", "d", "-o", "e"], "reshard": ["c"], "retry": ["c"],
        "curate": ["c", "--policy", "p"], "removals": ["c"], "card": ["c"], "attest": ["c"],
        "audit": ["c"], "map": ["c"], "browse": ["c"], "queues": ["c"], "evaluate": ["r", "c"],
        "embed": ["r", "c", "-o", "t.parquet"],
    }  # fmt: skip
    package, extra = "torch" if NEEDS[name] == ("train",) else "apache_beam", ",".join(NEEDS[name])
    monkeypatch.setitem(sys.modules, package, None)
    done = longtake_here(name, *arguments.get(name, []))
    assert done.returncode == 3
    assert done.stdout == ""
    assert (
        done.stderr == f"longtake: longtake {name} needs {package}. Install it with: pip install 'longtake[{extra}]'\n"
    )


def test_an_extra_that_a_setting_or_an_option_needs_is_3_before_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(4), LAST_MAN)], **TINY)
    (tmp_path / "train.yaml").write_text("corpus: out\noutput: run\nsteps: 1\n")
    config = str(sources.config)
    for package, extra, arguments in (
        ("py3langid", "text", ["plan", config, "--set", "filters.languages=[en]"]),
        ("sentence_transformers", "text", ["plan", config, "--set", "coherence.enabled=true"]),
        ("decord", "decord", ["build", config, "--set", "frames.decoder=decord"]),
        ("wandb", "wandb", ["train", str(tmp_path / "train.yaml"), "--set", "log_to=[wandb]"]),
        ("s3fs", "aws", ["verify", "s3://bucket/corpus"]),
        ("gcsfs", "gcp", ["show", "gs://bucket/corpus"]),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            patch.setattr(optional_models, "_LOADED", {})  # nor a model that another test has loaded
            for protocol in ("s3", "gs"):  # other tests may have loaded them
                patch.delitem(_registry, protocol, raising=False)
            done = longtake_here(*arguments, "--probe=none") if arguments[0] == "plan" else longtake_here(*arguments)
        assert done.returncode == 3, (package, done.stderr)
        last = done.stderr.splitlines()[-1]
        assert last.endswith(f"needs {package}. Install it with: pip install 'longtake[{extra}]'"), last
        assert "Traceback" not in done.stderr
    assert not sources.output.exists() or not list(sources.output.rglob("*.parquet"))


def test_an_extra_that_only_a_worker_misses_is_3_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise missing_extra("words of Thai", "decord", "decord")

    monkeypatch.setattr("longtake.pipeline.plan.video.plan_clips", missing)
    sources = source_set(tmp_path, [Video("v", spoken(4), LAST_MAN)], **TINY)
    done = longtake_here("plan", str(sources.config), "--probe=none")
    assert done.returncode == 3
    assert done.stderr == "longtake: words of Thai needs decord. Install it with: pip install 'longtake[decord]'\n"


def test_places_that_are_not_there_are_2(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for arguments in (
        ["verify", gone], ["show", gone], ["status", gone], ["clean", gone], ["diff", gone, gone], ["browse", gone],
        ["map", gone],
        ["audit", gone], ["reshard", gone], ["takedown", gone, "--videos", __file__], ["merge", gone, gone + "2", "-o", "x"],
    ):  # fmt: skip
        done = longtake_here(*arguments)
        assert done.returncode == 2, arguments
        assert done.stderr == f"longtake: {gone}: no such folder. Name the `output` of a configuration.\n"
        assert done.stdout == ""
    assert (
        longtake_here("verify", __file__).stderr
        == f"longtake: {__file__}: a file, not a folder. Name the folder of a corpus.\n"
    )
    assert not (tmp_path / "gone").exists()


# -- --set -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "{config}"], ["build", "{config}"], ["explain", "{config}", "v"], ["retry", "{out}", "--config={config}"],
        ["verify", "{out}", "--sources", "--config={config}"], ["audit", "{out}", "--config={config}"],
    ],
)  # fmt: skip
def test_a_bad_change_fails_before_work_on_every_command(
    made: tuple[SourceSet, dict[str, Any], str], arguments: list[str]
) -> None:
    sources = made[0]
    words = [word.format(config=sources.config, out=sources.output) for word in arguments]
    done = longtake_here(*words, "--set", "merge.min_sentences=x")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("longtake: --set merge.min_sentences: Input should be a valid integer")


def test_a_change_without_a_configuration_is_refused(made: tuple[SourceSet, dict[str, Any], str]) -> None:
    for name in ("verify", "audit"):
        done = longtake_here(name, str(made[0].output), "--set", "seed=1")
        assert (done.returncode, done.stderr) == (2, "longtake: --set changes a configuration: give --config too\n")


def test_a_change_decides_the_plan_and_the_hint_repeats_it(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(6), LAST_MAN)], **TINY)
    changes = ["--set", "merge.min_sentences=3", "--set", "name=two words"]
    done = longtake_here("plan", str(sources.config), "--probe=none", *changes, "--json")
    found = document(done)
    assert found["config"]["merge"]["min_sentences"] == 3
    assert found["counts"]["clips"] == {"in": 1, "kept": 1, "dropped": 0} or found["counts"]["clips"]["kept"] >= 1
    assert done.stderr.splitlines()[-1] == (
        f"Build it with: longtake build {sources.config} --set merge.min_sentences=3 --set 'name=two words'"
    )


# -- --json ------------------------------------------------------------------------------------------------------------


def test_build_prints_the_corpus(made: tuple[SourceSet, dict[str, Any], str]) -> None:
    sources, found, errors = made
    assert set(found) == {"corpus", "name", "version", "fingerprint", "counts", "splits", "bytes", "warnings"}
    assert found["corpus"] == str(sources.output)
    assert found["counts"]["videos"] == {"in": 2, "kept": 2, "dropped": 0}
    assert found["splits"] == {"train": {"samples": 2, "frames": 8, "shards": 1}}
    assert found["bytes"] == sum(path.stat().st_size for path in sources.output.glob("shards/*"))
    (warning,) = found["warnings"]
    assert warning.startswith("The split val has no sample: there are too few videos, or its share is too small.")
    assert errors.count(f"warning: {warning}\n") == 2  # of the plan, and of the corpus
    assert "built in" in errors


def test_verify_prints_its_findings(made: tuple[SourceSet, dict[str, Any], str], tmp_path: Path) -> None:
    root = str(made[0].output)
    found = document(longtake_here("verify", root, "--json"))
    assert found == {
        "corpus": root, "passed": True, "name": "test", "shards": 1, "samples": 2, "frames": 8, "faults": [], "number": 0,
        "compared": True, "drawn": None,
    }  # fmt: skip
    sources = ["--sources", "--config", str(made[0].config)]
    compared = document(longtake_here("verify", root, "--json", *sources))["sources"]
    assert compared == {"samples": 2, "videos": 2, "frames": 8, "faults": [], "unjudged": []}
    (tmp_path / "x").mkdir()
    unfinished = document(longtake_here("verify", str(tmp_path / "x"), "--json"), code=1)
    assert not unfinished["passed"] and "not a finished corpus" in unfinished["error"]


def test_show_prints_samples(made: tuple[SourceSet, dict[str, Any], str], tmp_path: Path) -> None:
    root = str(made[0].output)
    listed = document(longtake_here("show", root, "--limit", "1", "--json"))
    assert (listed["corpus"], listed["total"], len(listed["samples"])) == (root, 2, 1)
    one = document(longtake_here("show", root, "v", "--json", cwd=tmp_path))
    assert (one["others"], one["sound"]) == (0, True)
    assert [sentence["text"] for sentence in one["sample"]["sentences"]] == [
        f"sentence number {n}." for n in range(1, 5)
    ]
    assert one["sample"]["meta"] == {"n": [1]}
    assert list(tmp_path.iterdir()) == []
    assert document(longtake_here("show", root, "none", "--json"), code=1)["dropped"] == []


def test_audit_prints_its_checks(made: tuple[SourceSet, dict[str, Any], str], tmp_path: Path) -> None:
    root, output = str(made[0].output), str(tmp_path / "audit")
    found = document(longtake_here("audit", root, "--frames=0", "--verify=none", "-o", output, "--json"))
    written = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert found == written | {"corpus": root, "folder": output}


# -- how much, and how it looks ----------------------------------------------------------------------------------------


def test_quiet_leaves_the_answer_and_warnings(made: tuple[SourceSet, dict[str, Any], str], tmp_path: Path) -> None:
    root = str(made[0].output)
    assert longtake_here("verify", root, "-q").stdout == ""
    assert "2 of 2 samples" in longtake_here("-q", "show", root).stdout
    sources = source_set(tmp_path, [Video("v", spoken(4), LAST_MAN)], split={"train": 0.9999, "val": 0.0001})
    done = longtake_here("plan", str(sources.config), "--probe=none", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("warning: The split val has no sample")


def test_verbose_shows_events_and_the_trace_of_an_error(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(4), LAST_MAN)])
    done = longtake_here("plan", str(sources.config), "--probe=none", "-vv")
    assert done.returncode == 0
    assert " info    job_started runner=" in done.stderr
    assert " debug   video_planned video_id=v clips=1" in done.stderr
    failed = longtake_here("plan", "none.yaml", "-v")
    assert failed.returncode == 2
    assert "Traceback" in failed.stderr and failed.stderr.splitlines()[-1].startswith(
        "longtake: none.yaml: no such file"
    )
    assert "Traceback" not in longtake_here("plan", "none.yaml").stderr


def test_a_pipe_gets_whole_lines(made: tuple[SourceSet, dict[str, Any], str]) -> None:
    narrow = {"COLUMNS": "20"}
    lines = longtake_here("show", str(made[0].output), env=narrow).stdout.splitlines()
    assert len(lines) == 4
    assert all(line.split()[-3:] == ["s", "4", "12"] for line in lines[1:3])
    assert max(map(len, lines)) > 120
    status = longtake_here("status", str(made[0].output), env=narrow).stdout
    assert "Only names and sizes were checked. Check the contents with: longtake verify" in status
    diff = longtake_here("diff", str(made[0].output), str(made[0].output), env=narrow).stdout
    assert "same key, other uri, url, license or meta" in diff


def on_a_terminal(*arguments: str, **env: str) -> str:
    master, slave = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"} | env
    process = subprocess.Popen(command(*arguments), stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    data = b""
    while True:
        try:
            if not (part := os.read(master, 1 << 16)):
                break
        except OSError:  # the other end is closed
            break
        data += part
    process.wait()
    os.close(master)
    return data.decode()


def test_no_color_is_heeded() -> None:
    color = re.compile(r"\x1b\[[0-9;]*m")
    assert color.findall(on_a_terminal("verify", "/no/such/place"))
    assert not color.findall(on_a_terminal("verify", "/no/such/place", NO_COLOR="1"))


def test_the_shell_can_complete_commands_and_options() -> None:
    def completed(*words: str) -> list[str]:
        env = {"_LONGTAKE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return longtake(env=env).stdout.split()

    assert completed("longtake", "re") == ["retry", "removals", "reshard"]
    assert "--sources" in completed("longtake", "verify", "--s")
