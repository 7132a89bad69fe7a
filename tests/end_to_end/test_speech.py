"""Videos without text become a corpus: recognised, stored, reused, put into given spans, compared with transcripts."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import media
import pytest
import sources
import yaml
from sources import LAST_MAN, SourceSet, ledger, longtake_here, manifest, published, reasons, rows_of, subtitles

from longtake.schemas import tables

SPANS = [(0, 2500), (3000, 7000), (7000, 9200), (9500, 12_000), (12_500, 13_900)]
ASR = [field.name for field in tables.SPEECH]
GUIDE = Path(__file__).parents[2] / "docs" / "sources.md"


def videos(folder: Path, text: dict[str, Any], records: list[dict[str, Any]], **settings: Any) -> SourceSet:
    """A source set of records whose URIs are files of any place."""
    folder.mkdir(parents=True, exist_ok=True)
    source = {"videos": sources.write_rows(folder / "videos.jsonl", records), "text": text}
    found = SourceSet(folder)
    small = sources.SMALL | {"merge": {"min_sentences": 1, "max_sentences": 2}, "max_failed": 1.0}
    found.change(**small | {"source": source} | settings)
    return found


def asr(whisper: str, **more: Any) -> dict[str, Any]:
    return {"format": "asr", "model": whisper} | more


@pytest.fixture(scope="module")
def heard(whisper: str, tmp_path_factory: pytest.TempPathFactory) -> SourceSet:
    """A finished corpus from videos without text: two copies of one, one without sound, one without speech, a broken one and a
    missing one."""
    folder = tmp_path_factory.mktemp("heard")
    twin, broken = folder / "twin.mp4", folder / "broken.mp4"
    shutil.copy(LAST_MAN, twin)
    broken.write_bytes(b"no video" * 100)
    files = {"a": LAST_MAN, "b": twin, "mute": media.encode("mute.mp4"), "hum": media.encode("hum.mp4", audio=True)}
    files |= {"broken": broken, "missing": folder / "nowhere.mp4"}
    found = videos(folder, asr(whisper), [{"video_id": name, "uri": str(path)} for name, path in files.items()])
    sources.build(found)
    return found


def test_speech_becomes_samples(heard: SourceSet) -> None:
    rows = rows_of(heard.output, "plan")
    assert {row["video_id"] for row in rows} == {"a", "b"}
    texts = {name: " ".join(row["paragraph"] for row in rows if row["video_id"] == name) for name in ("a", "b")}
    assert texts["a"] == texts["b"] and "since I inherited the world" in texts["a"]
    for row in rows:
        assert row["asr_logprob"] < 0 and 0 <= row["asr_no_speech"] <= 1 and row["asr_compression"] > 0
        assert row["asr_language"] == "en" and row["asr_language_probability"] > 0.9 and row["asr_agreement"] is None
        assert {sentence["timing"] for sentence in row["sentences"]} <= {"words", "interpolated"}
    assert longtake_here("verify", str(heard.output)).returncode == 0


def test_every_video_without_speech_has_its_row(heard: SourceSet) -> None:
    found = reasons(heard.output, "video")
    assert found == {"mute": "no_audio", "hum": "no_speech", "broken": "unreadable", "missing": "missing"}
    assert {row["stage"] for row in ledger(heard.output)} == {"read"}


def test_corpus_json_names_model_version_and_device(heard: SourceSet) -> None:
    versions = manifest(heard.output)["versions"]
    assert re.fullmatch(r"whisper-base sha256:[0-9a-f]{16}", versions["speech-model"])
    assert versions["speech-device"] == "cpu int8" and versions["faster-whisper"].startswith("1.2.")
    assert str(heard.folder) not in (heard.output / "corpus.json").read_text()


def reuse(heard: SourceSet, output: Path) -> None:
    """Give an output what another one has recognised."""
    shutil.copytree(heard.output / "staging" / "speech", output / "staging" / "speech")
    (output / "staging" / "lock").touch()  # an output of Longtake, not a folder of somebody else


def transcripts(corpus: Path) -> dict[Path, int]:
    """The stored transcripts and when they were written."""
    found = [path for path in (corpus / "staging" / "speech").glob("*/??/*.json") if len(path.stem) == 64]
    return {path: path.stat().st_mtime_ns for path in found}


def test_a_later_plan_reads_what_is_stored(heard: SourceSet, tmp_path: Path) -> None:
    before = transcripts(heard.output)
    assert len(before) == 3, "one of speech, for both copies; one without speech; one without sound"
    other = SourceSet(heard.folder, heard.settings | {"output": str(tmp_path / "out")})
    other.folder = tmp_path
    shutil.copy(heard.folder / "videos.jsonl", tmp_path)
    reuse(heard, tmp_path / "out")
    kept = transcripts(tmp_path / "out")
    for path in kept:  # no run of the model can write these words
        path.write_text(path.read_text().replace("inherited", "invented"))
    kept = transcripts(tmp_path / "out")
    other.change(merge={"min_sentences": 1, "max_sentences": 1})
    sources.build(other)
    assert transcripts(tmp_path / "out") == kept
    assert any("invented the world" in row["paragraph"] for row in rows_of(tmp_path / "out", "plan"))


def test_the_same_bytes_whatever_the_slots(heard: SourceSet, whisper: str, tmp_path: Path) -> None:
    again = SourceSet(tmp_path, heard.settings)
    shutil.copy(heard.folder / "videos.jsonl", tmp_path)
    again.change()
    sources.build(again, workers=1)
    assert published(again.output) == published(heard.output)


def test_a_takedown_leaves_no_transcript(heard: SourceSet, tmp_path: Path) -> None:
    shutil.copytree(heard.output, tmp_path / "out")
    (tmp_path / "ids").write_text("b\n")
    done = longtake_here("takedown", str(tmp_path / "out"), "--videos", str(tmp_path / "ids"))
    assert done.returncode == 0, done.stderr
    assert not transcripts(tmp_path / "out")
    assert {row["video_id"] for row in rows_of(tmp_path / "out", "plan")} == {"a"}
    assert all(row["asr_language"] == "en" for row in rows_of(tmp_path / "out", "plan"))
    assert longtake_here("verify", str(tmp_path / "out")).returncode == 0


def test_verify_reads_the_stored_speech_again(heard: SourceSet) -> None:
    check = ("verify", str(heard.output), "--config", str(heard.config), "--sources")
    told = longtake_here(*check)
    assert told.returncode == 0 and "everything compared matches the sources" in told.stdout
    stored = heard.output / "staging" / "speech"
    stored.rename(heard.folder / "elsewhere")
    try:
        told = longtake_here(*check)
    finally:
        (heard.folder / "elsewhere").rename(stored)
    assert told.returncode == 0 and "its speech has not been recognised yet" in told.stdout


def test_explain_shows_what_was_heard(heard: SourceSet) -> None:
    told = longtake_here("explain", str(heard.config), "a")
    assert told.returncode == 0 and "its sound, recognised by" in told.stdout and "inherited the world" in told.stdout
    assert "no speech in 4.0" in longtake_here("explain", str(heard.config), "hum").stdout


def test_words_go_into_given_spans(whisper: str, heard: SourceSet, tmp_path: Path) -> None:
    clips = [
        {"clip_id": f"a.{n}.mp4", "span": [sources.timecode(s), sources.timecode(e)]} for n, (s, e) in enumerate(SPANS)
    ]
    mute = {"video_id": "mute", "uri": str(media.encode("mute.mp4")), "clip": [clips[0] | {"clip_id": "m.0"}]}
    found = videos(tmp_path, asr(whisper), [{"video_id": "a", "uri": str(LAST_MAN), "clip": clips}, mute])
    reuse(heard, found.output)
    sources.build(found)
    said = {s["clip_id"]: s for row in rows_of(found.output, "plan") for s in row["sentences"]}
    assert list(said) == [f"a.{n}.mp4" for n in range(4)]
    assert [(s["start_ms"], s["end_ms"]) for s in said.values()] == SPANS[:4]
    words = [re.sub(r"[^a-z0-9 ]", "", s["text"].lower()) for s in said.values()]
    assert words[0] == "december 1965" and words[1].endswith("inherited the world") and words[2].endswith("three years")
    assert reasons(found.output, "sentence") == {"a.4.mp4": "no_speech", "m.0": "no_audio"}
    assert reasons(found.output, "video") == {"mute": "no_audio"}
    counts = manifest(found.output)["counts"]
    assert counts["sentences"] == {"in": 6, "kept": 4, "dropped": 2}


OWN_TEXT = [
    (0, 1940, "December, 1965."),
    (3460, 6660, "Is that all it has been since I inherited the world?"),
    (7020, 8900, "Only three years."),
    (9940, 11_760, "Seems like a hundred million."),
]
OTHER_TEXT = [
    (0, 3000, "Now the thing about the piano is that some keys are white."),
    (3000, 9000, "The others are black, as they are on an organ."),
]


def test_what_is_there_first_and_speech_for_the_rest(whisper: str, heard: SourceSet, tmp_path: Path) -> None:
    (tmp_path / "subs").mkdir(parents=True)
    (tmp_path / "subs" / "own.vtt").write_text(subtitles([(0, 2000, "Words of the file.")], "vtt"))
    (tmp_path / "subs" / "empty.vtt").write_text("WEBVTT\n\nnothing here")
    text = asr(whisper) | {"format": ["vtt", "asr"], "path": "subs/{video_id}.vtt"}
    records = [{"video_id": name, "uri": str(LAST_MAN)} for name in ("own", "empty", "absent")]
    found = videos(tmp_path, text, records)
    reuse(heard, found.output)
    sources.build(found)
    texts = {row["video_id"]: row["paragraph"] for row in rows_of(found.output, "plan")}
    assert texts["own"] == "Words of the file."
    assert "hundred million" in texts["empty"] and "hundred million" in texts["absent"]
    languages = {row["video_id"]: row["asr_language"] for row in rows_of(found.output, "plan")}
    assert languages == {"own": None, "empty": "en", "absent": "en"}
    (note,) = [row for row in ledger(found.output) if row["subject"] == "note"]
    assert (note["subject_id"], note["reason"]) == ("empty", "transcript_unreadable")
    assert note["detail"].endswith("the speech was recognised instead")
    assert longtake_here("verify", str(found.output)).returncode == 0


def test_a_folder_is_enough(whisper: str, tmp_path: Path) -> None:
    (tmp_path / "talks").mkdir()
    for name in ("own", "bare"):
        shutil.copy(LAST_MAN, tmp_path / "talks" / f"{name}.mp4")
    (tmp_path / "talks" / "own.en.vtt").write_text(subtitles([(0, 2000, "Words of the file.")], "vtt"))
    changes = ("source.text.format=[auto,asr]", f"source.text.model={whisper}", "merge.min_sentences=1")
    words = [str(tmp_path / "talks"), str(tmp_path / "out"), *(word for one in changes for word in ("--set", one))]
    told = longtake_here("plan", "--dry-run", *words)
    assert "Speech to recognise: 1 video of 2" in told.stdout, told.stderr
    told = longtake_here("build", *words)
    assert "1 video without a transcript: the speech is recognised." in told.stdout, told.stderr
    texts = {row["video_id"]: row["paragraph"] for row in rows_of(tmp_path / "out", "plan")}
    assert texts["own"] == "Words of the file." and "hundred million" in texts["bare"]


def test_transcripts_get_times_and_strangers_are_dropped(whisper: str, heard: SourceSet, tmp_path: Path) -> None:
    (tmp_path / "subs").mkdir(parents=True)
    late = [(start + 1500, end + 1500, words) for start, end, words in OWN_TEXT]
    (tmp_path / "subs" / "late.vtt").write_text(subtitles(late, "vtt"))
    (tmp_path / "subs" / "other.vtt").write_text(subtitles(OTHER_TEXT, "vtt"))
    text = {"format": "vtt", "path": "subs/{video_id}.vtt", "model": whisper, "align": True, "min_agreement": 0.5}
    records = [{"video_id": name, "uri": str(LAST_MAN)} for name in ("late", "other")]
    found = videos(tmp_path, text, records)
    reuse(heard, found.output)
    sources.build(found)
    rows = rows_of(found.output, "plan")
    assert {row["video_id"] for row in rows} == {"late"}
    sentences = [s for row in rows for s in row["sentences"]]
    assert [s["text"] for s in sentences] == [words for *_, words in OWN_TEXT]
    assert all(abs(s["start_ms"] - start) < 900 for s, (start, *_) in zip(sentences, OWN_TEXT, strict=True))
    assert {s["timing"] for s in sentences} == {"words"}
    assert all(row["asr_agreement"] == 1 and row["asr_logprob"] is None for row in rows)
    (row,) = [row for row in ledger(found.output) if row["subject"] == "video"]
    assert (row["subject_id"], row["reason"]) == ("other", "other_speech")
    assert "is below min_agreement 0.5" in row["detail"]


def test_unsure_speech_is_dropped(whisper: str, heard: SourceSet, tmp_path: Path) -> None:
    found = videos(tmp_path, asr(whisper, min_logprob=-0.01), [{"video_id": "a", "uri": str(LAST_MAN)}])
    reuse(heard, found.output)
    told = longtake_here("plan", "--probe", "none", str(found.config))
    assert told.returncode == 0, told.stderr
    clips = [row for row in ledger(found.output) if row["subject"] == "clip"]
    assert clips and {row["reason"] for row in clips} == {"asr_low_confidence"}
    assert re.search(r"^logprob -0\.\d+ is below min_logprob -0\.01$", clips[0]["detail"])


def test_the_cost_is_said_before_any_work(whisper: str, heard: SourceSet, tmp_path: Path) -> None:
    files = {"a": LAST_MAN, "mute": media.encode("mute.mp4")}
    found = videos(tmp_path, asr(whisper), [{"video_id": name, "uri": str(path)} for name, path in files.items()])
    told = longtake_here("plan", "--dry-run", str(found.config))
    assert told.returncode == 0, told.stderr
    assert "Speech to recognise: 2 videos of 2, 14 s of sound." in told.stdout
    assert re.search(r"times real time, measured on 14 s of video a on this machine", told.stdout)
    assert not found.output.exists()
    (found.folder / "videos.jsonl").write_text(json.dumps({"video_id": "mute", "uri": str(files["mute"])}))
    assert "none of them has sound" in longtake_here("plan", "--dry-run", str(found.config)).stdout
    done = longtake_here("plan", "--dry-run", str(heard.config))
    assert "Speech to recognise: 1 video of 6" in done.stdout, "only what failed: the missing one cannot be looked at"


def test_retry_hears_what_failed(heard: SourceSet, tmp_path: Path) -> None:
    shutil.copytree(heard.output, tmp_path / "out")
    returned = heard.folder / "nowhere.mp4"
    shutil.copy(LAST_MAN, returned)
    try:
        done = longtake_here("retry", str(tmp_path / "out"), "--config", str(heard.config))
    finally:
        returned.unlink()
    assert done.returncode == 0, done.stderr
    assert {row["video_id"] for row in rows_of(tmp_path / "out", "plan")} == {"a", "b", "missing"}
    assert reasons(tmp_path / "out", "video") == {"mute": "no_audio", "hum": "no_speech", "broken": "unreadable"}
    assert longtake_here("verify", str(tmp_path / "out")).returncode == 0


@pytest.mark.exhaustive
def test_a_damaged_transcript_is_made_again(heard: SourceSet, whisper: str, tmp_path: Path) -> None:
    found = videos(tmp_path, asr(whisper), [{"video_id": "a", "uri": str(LAST_MAN)}])
    reuse(heard, found.output)
    for path in transcripts(found.output):
        path.write_text('{"segments": [{"start": 0}], "language": "en"}')
    sources.build(found)
    assert any("inherited the world" in row["paragraph"] for row in rows_of(found.output, "plan"))


def test_a_missing_model_ends_before_any_work(whisper: str, tmp_path: Path) -> None:
    found = videos(tmp_path, asr(str(tmp_path / "models" / "none")), [{"video_id": "a", "uri": str(LAST_MAN)}])
    told = longtake_here("build", str(found.config))
    assert told.returncode == 2 and "source.text.model" in told.stderr and not (found.output / "plan").exists()


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "faster_whisper" else real(name, *more)
    )
    found = videos(tmp_path, asr("small"), [{"video_id": "a", "uri": str(LAST_MAN)}])
    told = longtake_here("plan", str(found.config))
    assert told.returncode == 3
    assert "source.text.model needs faster_whisper. Install it with: pip install 'longtake[asr]'" in told.stderr


@pytest.mark.exhaustive
@pytest.mark.slow
def test_five_real_videos_become_a_corpus_in_one_command(whisper: str, shared: Path, tmp_path: Path) -> None:
    """The configuration is that of the guide, with another model."""
    settings = yaml.safe_load(re.search(r"```yaml\n(name: lectures.*?)```", GUIDE.read_text(), re.DOTALL)[1])  # type: ignore[index]
    settings["source"]["text"]["model"] = whisper
    names = ("PolarMammals", "Mammals", "video2dataset.test_video", "transcribe-anything.video")
    names += ("communiquer-lors-dune-classe-transplantee",)
    (tmp_path / "videos").mkdir()
    for name in names:
        (tmp_path / "videos" / f"{name}.mp4").symlink_to(shared / "data" / "videos" / f"{name}.mp4")
    (tmp_path / "corpus.yaml").write_text(yaml.safe_dump(settings))
    told = sources.longtake("build", str(tmp_path / "corpus.yaml"))
    assert told.returncode == 0, told.stderr
    output = tmp_path / settings["output"]
    assert {row["video_id"] for row in rows_of(output, "plan")} == set(names)
    assert {row["asr_language"] for row in rows_of(output, "plan")} == {"en", "fr"}
    assert sources.longtake("verify", str(output)).returncode == 0
