"""`longtake build FOLDER OUTPUT`: real videos, with what yt-dlp and Whisper leave beside them, become a corpus in one command."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from sources import (
    DEMO,
    LAST_MAN,
    MAMMALS,
    POLAR_MAMMALS,
    ledger,
    longtake_here,
    manifest,
    reasons,
    rows_of,
    spoken,
    subtitles,
)

from longtake.pipeline.find.folder import find_videos

SETTINGS = [f"--set={change}" for change in ("frames.short_side=64", "merge.min_sentences=2", "frames.per_sentence=2")]


def whisper(path: Path) -> None:
    """What Whisper writes beside a video: JSON, SRT, WebVTT, TSV and text."""
    segments = [{"id": n, "start": a / 1000, "end": b / 1000, "text": f" {t}"} for n, (a, b, t) in enumerate(spoken(6))]
    path.with_suffix(".json").write_text(json.dumps({"text": "", "segments": segments, "language": "en"}))
    for kind in ("srt", "vtt"):
        path.with_suffix(f".{kind}").write_text(subtitles(spoken(6, says="not used"), kind))
    path.with_suffix(".tsv").write_text("start\tend\ttext\n0\t1000\tno\n")
    path.with_suffix(".txt").write_text("no\n")


@pytest.fixture(scope="module")
def lectures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five videos, one of them without text, in a folder of their own."""
    folder = tmp_path_factory.mktemp("work") / "lectures"
    (folder / "week 1").mkdir(parents=True)
    shutil.copy(MAMMALS, folder / "mammals.mp4")
    shutil.copy(DEMO / "subs" / "mammals.en.vtt", folder)
    (folder / "mammals.info.json").write_text('{"id": "x", "title": "Mammals"}')
    shutil.copy(POLAR_MAMMALS, folder / "week 1" / "Polar Mammals [a-b_c].webm")
    shutil.copy(DEMO / "subs" / "polar-mammals.en.vtt", folder / "week 1" / "Polar Mammals [a-b_c].en.vtt")
    shutil.copy(LAST_MAN, folder / "week 1" / "talk.mp4")
    whisper(folder / "week 1" / "talk")
    shutil.copy(LAST_MAN, folder / "silent.mp4")
    (folder / "late.mp4.part").write_bytes(b"")
    (folder / "late.en.srt").write_text(subtitles(spoken(4), "srt"))
    return folder


@pytest.fixture(scope="module")
def corpus(lectures: Path) -> tuple[Path, str]:
    """The corpus of that folder, and what the command printed."""
    done = longtake_here("build", "lectures", "out/lectures", *SETTINGS, cwd=lectures.parent)
    assert done.returncode == 0, done.stderr
    return lectures.parent / "out" / "lectures", done.stdout


def test_it_says_what_it_found_and_what_it_used(corpus: tuple[Path, str]) -> None:
    root, printed = corpus
    assert (
        "Found 4 videos in lectures. Transcripts beside them: vtt for 3, json for 1, srt for 1, tsv for 1." in printed
    )
    assert (
        "1 video without a transcript: the ledger will say no_text. To recognise the speech: longtake build " in printed
    )
    assert "Names to look at, with a row each in the ledger: 1 missing, 1 transcript_without_video." in printed
    assert "Wrote out/lectures.yaml, the configuration that is used." in printed
    written = root.with_suffix(".yaml").read_text()
    assert yaml.safe_load(written) == {
        "name": "lectures",
        "output": "lectures",
        "source": {"folder": "../lectures"},
        "frames": {"short_side": 64, "per_sentence": 2},
        "merge": {"min_sentences": 2},
    }


def test_the_corpus_holds_what_was_said_beside_each_video(corpus: tuple[Path, str]) -> None:
    root, _ = corpus
    said = {row["video_id"]: row["paragraph"] for row in rows_of(root, "index")}
    assert said.keys() == {"mammals", "week 1/Polar Mammals [a-b_c]", "week 1/talk"}
    assert said["week 1/talk"].startswith("Sentence number 1.") or said["week 1/talk"].startswith("sentence number 1.")
    assert "not used" not in said["week 1/talk"]
    assert {row["uri"] for row in rows_of(root, "plan")} >= {"../lectures/week 1/talk.mp4"}
    assert reasons(root, "video") == {"late": "missing", "silent": "no_text"}
    assert reasons(root, "record") == {"late.en.srt": "transcript_without_video"}
    assert not [row for row in ledger(root) if row["subject"] == "note"], "formats of one text are no choice"
    assert manifest(root)["counts"]["videos"] == {"in": 5, "kept": 3, "dropped": 2}


def test_it_is_sound_and_complete_and_says_so_when_it_is_asked_again(corpus: tuple[Path, str], lectures: Path) -> None:
    root, _ = corpus
    done = longtake_here("verify", str(root), "--sources", "--config", str(root.with_suffix(".yaml")))
    assert done.returncode == 0, done.stdout
    again = longtake_here("build", "lectures", "out/lectures", cwd=lectures.parent)
    assert "Using out/lectures.yaml, which is there already." in again.stdout
    assert "is already complete: nothing to do" in again.stdout
    told = longtake_here("explain", str(root.with_suffix(".yaml")), "week 1/talk")
    assert "../lectures/week 1/talk.json (auto)" in told.stdout


@pytest.fixture
def changed(corpus: tuple[Path, str], lectures: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the folder and its corpus, to be changed."""
    shutil.copytree(lectures.parent, tmp_path / "work")
    return tmp_path / "work" / "lectures", tmp_path / "work" / "out" / "lectures"


def _add_video(folder: Path) -> None:
    shutil.copy(LAST_MAN, folder / "new.mp4")


def _remove_video(folder: Path) -> None:
    (folder / "silent.mp4").unlink()


def _edit_transcript(folder: Path) -> None:
    (folder / "mammals.en.vtt").write_text(subtitles(spoken(3), "vtt"))


@pytest.mark.parametrize("change", [_add_video, _remove_video, _edit_transcript])
def test_a_changed_folder_is_noticed(changed: tuple[Path, Path], change: Callable[[Path], None]) -> None:
    folder, root = changed
    change(folder)
    done = longtake_here("build", "lectures", "out/lectures", cwd=folder.parent)
    assert done.returncode == 1
    assert f"{root} holds a corpus whose inputs have changed since" in done.stderr


def test_a_download_that_ends_later_is_added_by_retry(changed: tuple[Path, Path]) -> None:
    folder, root = changed
    shutil.copy(LAST_MAN, folder / "late.mp4")
    (folder / "late.mp4.part").unlink()
    done = longtake_here("retry", str(root), "--config", str(root.with_suffix(".yaml")))
    assert done.returncode == 0, done.stderr
    assert "late" in {row["video_id"] for row in rows_of(root, "index")}
    assert reasons(root, "video") == {"silent": "no_text"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "lectures"], "lectures: a folder. Name its configuration, or the output as well"),
        (["plan", "nowhere", "out2"], "nowhere: no such folder"),
        (["plan", "lectures/week 2", "out2"], "lectures/week 2: no video in it"),
        (["build", "corpus.yaml", "out2"], "out2: corpus.yaml is a file, which names its output itself; give no other output"),
        (["plan", "lectures", "out2", "--set", "merge.min_sentence=2"], "--set: merge.min_sentence: no such setting. Did you"),
        (["build", "lectures", "out2"], "longtake build lectures out2 --set 'source.text.format=[auto,asr]' --set source.text"),
        (["plan", "lectures", "other"], "other.yaml: the configuration of another corpus. Choose another output, or move"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_is_written(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "lectures" / "week 2").mkdir(parents=True)
    (tmp_path / "lectures" / "a.mp4").write_bytes(b"")
    source = {"videos": "videos.jsonl"}
    for name in ("corpus.yaml", "other.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump({"name": "t", "output": "o", "source": source}))
    before = sorted(tmp_path.rglob("*"))
    done = longtake_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


class _Site(SimpleHTTPRequestHandler):
    """A folder as a web site, without a line for each request."""

    def log_message(self, *_: object) -> None:
        pass


def test_what_yt_dlp_itself_leaves_is_found_without_renaming(tmp_path: Path) -> None:
    downloader = pytest.importorskip("yt_dlp").YoutubeDL
    site, folder = tmp_path / "site", tmp_path / "folder"
    site.mkdir()
    shutil.copy(LAST_MAN, site / "talk.mp4")
    for language in ("en", "fr"):
        (site / f"{language}.vtt").write_text(subtitles(spoken(3, says=language), "vtt"))
    tracks = "".join(f'<track kind="subtitles" srclang="{one}" src="{one}.vtt">' for one in ("en", "fr"))
    (site / "page.html").write_text(
        f'<html><title>A talk: 1/2?</title><video><source src="talk.mp4" type="video/mp4">{tracks}</video></html>'
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Site, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        options = {"quiet": True, "paths": {"home": str(folder)}, "writesubtitles": True, "allsubtitles": True}
        with downloader({**options, "writeinfojson": True, "writedescription": True}) as tool:
            assert tool.download([f"http://127.0.0.1:{server.server_port}/page.html"]) == 0
        server.shutdown()
    (found,) = find_videos(str(folder))
    (video,) = found.videos
    assert {language for _, language in video.transcripts} == {"en", "fr"}
    assert (folder / video.path).read_bytes() == LAST_MAN.read_bytes()
    assert found.drops == []
    assert {path.suffix for path in folder.iterdir()} == {".mp4", ".vtt", ".json"}, (
        "with the metadata that are no transcript"
    )
