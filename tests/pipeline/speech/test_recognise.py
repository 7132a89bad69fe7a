"""Recognised speech: the words of bare faster-whisper, its JSON, and what is stored."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from media import make
from sources import LAST_MAN

from longtake.pipeline.decode import SourceError
from longtake.pipeline.parse.transcripts.parse import parse_transcript
from longtake.pipeline.run.slots import Slots
from longtake.pipeline.run.sources import in_slot
from longtake.pipeline.speech.model import SpeechSettings, check_model, load_model
from longtake.pipeline.speech.recognise import recognise
from longtake.pipeline.speech.saved import SavedSpeech
from longtake.pipeline.speech.sound import sound_pieces
from longtake.pipeline.speech.work import hear, hear_source
from longtake.schemas import storage
from longtake.schemas.config import Limits
from longtake.schemas.errors import ConfigError
from longtake.schemas.reasons import Reason

LIMITS = Limits()


def settings_of(folder: str, **changes: Any) -> SpeechSettings:
    known: dict[str, Any] = {"language": None, "vad": True, "batch_size": 1} | changes
    return SpeechSettings(folder, "digest", known["language"], "cpu", "int8", known["vad"], 5, known["batch_size"])


@pytest.fixture(scope="module")
def slots() -> Iterator[Slots]:
    with Slots(1) as made:
        yield made


def test_words_are_those_of_bare_faster_whisper(whisper: str) -> None:
    found = recognise(sound_pieces(str(LAST_MAN), LIMITS), settings_of(whisper))
    bare, info = load_model(whisper, "cpu", "int8", None).transcribe(
        str(LAST_MAN), temperature=0, condition_on_previous_text=False, vad_filter=True, word_timestamps=True
    )
    expected = [(w.word, round(float(w.start), 3), round(float(w.end), 3)) for segment in bare for w in segment.words]
    assert [(w["word"], w["start"], w["end"]) for s in found["segments"] for w in s["words"]] == expected
    assert found["language"] == info.language == "en" and found["language_probability"] > 0.9
    assert "since I inherited the world" in found["text"]


def test_pieces_are_heard_at_their_times(whisper: str) -> None:
    settings = settings_of(whisper, language="en")
    whole = recognise(sound_pieces(str(LAST_MAN), LIMITS), settings)
    parts = recognise(sound_pieces(str(LAST_MAN), LIMITS, seconds=9.5), settings)
    starts = {w["word"].strip(" .,?").lower(): w["start"] for s in whole["segments"] for w in s["words"]}
    words = [w for s in parts["segments"] for w in s["words"]]
    later = [w for w in words if w["word"].strip(" .,?").lower() in ("hundred", "million")]
    assert later and all(abs(w["start"] - starts[w["word"].strip(" .,?").lower()]) < 0.5 for w in later)
    assert [s["id"] for s in parts["segments"]] == list(range(len(parts["segments"])))


@pytest.mark.exhaustive
def test_batches_hear_the_same_speech(whisper: str) -> None:
    found = recognise(sound_pieces(str(LAST_MAN), LIMITS), settings_of(whisper, batch_size=4))
    assert "since I inherited the world" in found["text"]
    assert all(s["words"] for s in found["segments"])


def test_a_stored_transcript_is_read_as_whisper(whisper: str, slots: Slots, tmp_path: Path) -> None:
    saved, settings = SavedSpeech(str(tmp_path / "store")), settings_of(whisper)
    first, again = tmp_path / "a.mp4", tmp_path / "b.mp4"
    shutil.copy(LAST_MAN, first)
    shutil.copy(LAST_MAN, again)
    assert hear(slots, saved, settings, str(first), 14_000, LIMITS)
    assert not hear(slots, saved, settings, str(again), 14_000, LIMITS), "the same content is recognised once"
    (path,) = (p for p in (tmp_path / "store").rglob("*.json") if p.parent.parent.name != "sources")
    one = saved.find(str(first), storage.size_and_tag(str(first)))
    assert one == saved.find(str(again), storage.size_and_tag(str(again))) == json.loads(path.read_bytes())
    read = parse_transcript(path.read_bytes(), "v", path.name, "auto")
    assert read.recognised and not read.drops and all(cue.words for cue in read.cues)
    first.write_bytes(b"other content")
    assert saved.find(str(first), storage.size_and_tag(str(first))) is None


def failure(slots: Slots, tmp_path: Path, settings: SpeechSettings, path: Path, limits: Limits) -> SourceError:
    saved = SavedSpeech(str(tmp_path / "store"))
    assert not hear(slots, saved, settings, str(path), 14_000, limits)
    found = saved.find(str(path), storage.size_and_tag(str(path)))
    assert isinstance(found, SourceError)
    return found


def test_what_takes_too_long_is_killed_and_tried_again(whisper: str, slots: Slots, tmp_path: Path) -> None:
    settings = settings_of(whisper)
    error = failure(slots, tmp_path, settings, LAST_MAN, Limits(speech_seconds=0.05))
    assert error.reason is Reason.TIMEOUT
    assert hear(slots, SavedSpeech(str(tmp_path / "store")), settings, str(LAST_MAN), 14_000, LIMITS)


def test_an_error_of_the_model_is_of_the_source(whisper: str, slots: Slots, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(whisper, broken)
    tokenizer = (broken / "tokenizer.json").read_text(encoding="utf-8")
    (broken / "tokenizer.json").write_text(tokenizer.replace("<|transcribe|>", "<|unknown|>"), encoding="utf-8")
    assert failure(slots, tmp_path, settings_of(str(broken)), LAST_MAN, LIMITS).reason is Reason.ASR_FAILED


def test_a_broken_file_is_unreadable(whisper: str, slots: Slots, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a video" * 100)
    error = failure(slots, tmp_path, settings_of(whisper), tmp_path / "broken.mp4", LIMITS)
    assert error.reason is Reason.UNREADABLE


@pytest.mark.exhaustive
def test_too_little_memory_is_said(whisper: str, tmp_path: Path) -> None:
    noise = "anoisesrc=duration=1500:amplitude=0.3:seed=1:sample_rate=8000"
    long = make("long.mkv", ["-f", "lavfi", "-i", noise, "-c:a", "pcm_s16le"])
    saved = SavedSpeech(str(tmp_path / "store"))
    with Slots(1, 512 << 20) as small, pytest.raises(SourceError) as error:
        in_slot(small, 60, hear_source, str(long), saved, settings_of(whisper), LIMITS)
    assert error.value.reason is Reason.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": "xx"}, "source.text.language 'xx': the model knows af, am"),
        ({}, "cannot be loaded on cpu as int8"),
    ],
    ids=["language", "weights"],
)
def test_a_model_that_does_not_work_is_refused(
    whisper: str, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = Path(whisper)
    if not change:
        folder = tmp_path / "cut"
        shutil.copytree(whisper, folder)
        (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:1000])
    with pytest.raises(ConfigError, match=message.split(":")[0]) as error:
        check_model(settings_of(str(folder), **change))
    assert message in str(error.value)
