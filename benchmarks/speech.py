"""How well and how fast speech is recognised: against human captions, and beside bare faster-whisper on the same files.

Writes results/speech.json and .md.

    .venv/bin/python benchmarks/speech.py --model FOLDER    # about three minutes on one core with Whisper base

The videos are those of ../shared/data (LONGTAKE_SHARED names another folder). Word error rates are of jiwer, without case and
punctuation. Both sides have one thread and the same settings; times are CPU seconds, the better of two runs in turn.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from jiwer import process_words
from measure import HERE, RESULTS, machine, report

from longtake.pipeline.parse.transcripts.cue import Cue
from longtake.pipeline.parse.transcripts.parse import parse_transcript
from longtake.pipeline.parse.transcripts.whisper import parse_segments
from longtake.pipeline.run.model_files import model_digest
from longtake.pipeline.speech.model import SpeechSettings, load_model
from longtake.pipeline.speech.saved import SavedSpeech
from longtake.pipeline.speech.work import hear_source
from longtake.pipeline.text.recognised.align import match_words, timed_cues
from longtake.pipeline.text.sentences.split import split_sentences
from longtake.schemas.config import Limits
from longtake.schemas.text_config import Sentences
from longtake.schemas.words import words_of

DATA = Path(os.environ.get("LONGTAKE_SHARED", HERE.parent.parent / "shared")) / "data"
PAIRS = {
    "PolarMammals.mp4": "PolarMammals.en.vtt",
    "Mammals.mp4": "Mammals.en.vtt",
    "the_last_man_on_earth.mp4": "the_last_man_on_earth.vtt",
    "communiquer-lors-dune-classe-transplantee.mp4": "communiquer-lors-dune-classe-transplantee.txt",
}
NEAR_MS = 2000  # a sentence start farther from every caption is one that the captions do not show
#: When the two interviews are said, in ms. Their captions before and after it show what titles and credits show.
SAID = {"PolarMammals.en.vtt": (13_000, 101_000), "Mammals.en.vtt": (12_900, 75_000)}


def captions_of(name: str) -> tuple[str, list[Cue]]:
    """The words of the captions, and their cues if they have times."""
    data = (DATA / "transcripts" / name).read_bytes()
    if name.endswith(".txt"):
        return data.decode(), []
    first, last = SAID.get(name, (0, 1 << 40))
    cues = [cue for cue in parse_transcript(data, "v", name, "auto").cues if first <= cue.start_ms <= last]
    return " ".join(cue.text for cue in cues), cues


def plain(text: str) -> str:
    return " ".join("".join(filter(str.isalnum, word.casefold())) for word in words_of(text))


def bare(path: str, settings: SpeechSettings) -> tuple[list[tuple[str, float, float]], list[float], float]:
    """Words with times, starts of segments, and CPU seconds of faster-whisper alone."""
    model = load_model(settings.folder, settings.device, settings.compute_type, None)
    start = time.process_time()
    segments, _ = model.transcribe(
        path,
        beam_size=settings.beam_size,
        temperature=0.0,
        condition_on_previous_text=False,
        vad_filter=True,
        word_timestamps=True,
    )
    found = list(segments)
    spent = time.process_time() - start
    words = [(w.word, round(float(w.start), 3), round(float(w.end), 3)) for s in found for w in s.words]
    return words, [1000 * s.start for s in found], spent


def ours(path: str, settings: SpeechSettings, folder: str) -> tuple[dict[str, Any], float]:
    """The stored transcript, and the CPU seconds of a slot's whole work on the file."""
    saved = SavedSpeech(folder)
    start = time.process_time()
    content, fresh = hear_source(path, saved, settings, Limits())
    spent = time.process_time() - start
    assert fresh
    found = saved.of(content)
    assert found is not None
    return found, spent


def errors_ms(starts: list[float], cues: list[Cue]) -> list[float]:
    """How far sentence starts are from the nearest start of a caption, in ms."""
    near = [min(abs(start - cue.start_ms) for cue in cues) for start in starts] if cues else []
    return sorted(error for error in near if error <= NEAR_MS)


def measure(video: str, captions: str, settings: SpeechSettings) -> dict[str, Any]:
    path = str(DATA / "videos" / video)
    text, cues = captions_of(captions)
    spent: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(2):
        words, segments, seconds = bare(path, settings)
        spent["bare"].append(seconds)
        with tempfile.TemporaryDirectory() as folder:
            found, seconds = ours(path, settings, folder)
        spent["ours"].append(seconds)
    heard = parse_segments(found["segments"], "v", video).cues
    sentences = split_sentences(heard, Sentences())
    mine = [(w["word"], w["start"], w["end"]) for s in found["segments"] for w in s["words"]]
    errors = process_words(plain(text), plain(found["text"]))
    matching = match_words(cues, heard)
    timed = [cue for cue in timed_cues(matching) if cue.words and 0 not in cue.guessed] if cues else []
    written = {cue.cue_id: cue.start_ms for cue in cues}
    sentence_errors, segment_errors = errors_ms([s.start_ms for s in sentences], cues), errors_ms(segments, cues)
    return {
        "video": video,
        "sound_s": found["duration"],
        "language": found["language"],
        "words": len(plain(text).split()),
        "wer": round(errors.wer, 4),
        "sentences": len(sentences),
        "sentence_start_ms": _spread(sentence_errors),
        "segment_start_ms": _spread(segment_errors),
        "agreement": round(matching.agreement, 4) if cues else None,
        "aligned_start_ms": _spread(sorted(abs(cue.start_ms - written[cue.cue_id]) for cue in timed)),
        "same_words": mine == words,
        "bare_cpu_s": round(min(spent["bare"]), 3),
        "ours_cpu_s": round(min(spent["ours"]), 3),
        "ratio": round(min(spent["ours"]) / min(spent["bare"]), 3),
    }


def _spread(errors: list[float]) -> dict[str, float] | None:
    if not errors:
        return None
    return {"n": len(errors), "median": round(median(errors)), "p90": round(float(np.percentile(errors, 90)))}


def strangers(settings: SpeechSettings) -> dict[str, float]:
    """The agreement of each timed transcript with the sound of each other video."""
    heard = {}
    for video in PAIRS:
        with tempfile.TemporaryDirectory() as folder:
            found, _ = ours(str(DATA / "videos" / video), settings, folder)
        heard[video] = parse_segments(found["segments"], "v", video).cues
    pairs = ((captions, video) for own, captions in PAIRS.items() for video in PAIRS if video != own)
    return {
        f"{captions} with {video}": round(match_words(captions_of(captions)[1], heard[video]).agreement, 4)
        for captions, video in pairs
        if captions_of(captions)[1]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a folder with a model of faster-whisper")
    folder = str(Path(parser.parse_args().model).resolve())
    digest = model_digest(folder, ("*.json", "*.txt", "model.bin"))
    settings = SpeechSettings(folder, digest, None, "cpu", "int8", True, 5, 1)
    load_model(folder, "cpu", "int8", None)
    bare(str(DATA / "videos" / "the_last_man_on_earth.mp4"), settings)  # warms both up
    rows = [measure(video, captions, settings) for video, captions in PAIRS.items()]
    sums = {name: sum(row[name] for row in rows) for name in ("sound_s", "bare_cpu_s", "ours_cpu_s")}
    strange = strangers(settings)
    result: dict[str, Any] = {
        "model": f"{Path(folder).name} sha256:{digest[:16]}",
        "videos": rows,
        "ratio": round(sums["ours_cpu_s"] / sums["bare_cpu_s"], 3),
        "cpu_hours_per_hour": round(sums["ours_cpu_s"] / sums["sound_s"], 4),
        "agreement_with_other_videos": strange,
    }
    table = [
        [
            row["video"], f"{row['sound_s']:.0f} s", row["language"], f"{100 * row['wer']:.1f} %", *(
                "" if row[name] is None else f"{row[name]['median']} / {row[name]['p90']}"
                for name in ("sentence_start_ms", "segment_start_ms", "aligned_start_ms")
            ),
            "" if row["agreement"] is None else f"{row['agreement']:.2f}", f"{row['ours_cpu_s']:.2f}", f"{row['bare_cpu_s']:.2f}",
            f"{row['ratio']:.2f}", "yes" if row["same_words"] else "no",
        ]
        for row in rows
    ]  # fmt: skip
    head = [
        "video", "sound", "language", "word errors", "sentence starts", "segment starts", "aligned cues", "agreement", "CPU s",
        "bare CPU s", "ratio", "same words",
    ]  # fmt: skip
    report("speech", "Speech recognition beside bare faster-whisper", head, table, result, RESULTS, machine())
    print(f"All: {result['ratio']} times the CPU of bare faster-whisper")
    print(f"{result['cpu_hours_per_hour']} CPU-hours for an hour of sound")
    print(f"Agreement of transcripts with other videos: at most {max(strange.values()):.2f}.")


if __name__ == "__main__":
    main()
