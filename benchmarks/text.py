"""Speed of the text side without a model: transcript bytes in, long clips out, in one process and one thread.

    python benchmarks/text.py                  each form of transcript, and real files where ../shared is at hand
    python benchmarks/text.py --quick          a smoke run
    python benchmarks/text.py --profile youtube

Sentences per second of CPU time are those that come out. Made-up transcripts hold sentences of 4 to 24 words (14 on the
average); all that is measured is Longtake's own code, so nothing is started or imported within the clock.
"""

import argparse
import cProfile
import json
import os
import pstats
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import RESULTS, Failed, machine, report

from longtake.pipeline.merge.merge import merge_video
from longtake.pipeline.parse.transcripts.parse import parse_transcript
from longtake.pipeline.text.clean.clean import clean
from longtake.pipeline.text.sentences.split import split_sentences
from longtake.schemas.config import Merge
from longtake.schemas.records import Sentence, SourceVideo
from longtake.schemas.text_config import Clean, Sentences
from longtake.schemas.words import count_words

TARGET = 20_000  # sentences per second per core
SHARED = Path(os.environ.get("LONGTAKE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
_REAL = (
    "transcripts/boston_captions.vtt", "transcripts/example_whisper_output_transcript.json", "odd/la-council.transcript.en.vtt",
)  # fmt: skip
SENTENCES = 60  # in a made-up video
_SMALL_WORDS = "the of and bear it is was fish on you with this we are so have what do like just can about know if"
ENGLISH = _SMALL_WORDS.split()
_STEPS = ("read", "clean", "sentences", "merge")


@dataclass(frozen=True)
class Material:
    """Transcripts of one kind. `words` is what is said in each, where it is known: none may be lost."""

    name: str
    format: str
    files: list[bytes]
    words: int | None = None


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--videos", type=int, default=400, help=f"made-up videos of {SENTENCES} sentences, for each form"
    )
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", metavar="FORM", help="profile one form instead")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


# -- what is read ------------------------------------------------------------------------------------------------------

Talk = list[tuple[int, int, list[str]]]  # start and end in ms, words


def talk(rng: random.Random, punctuated: bool, vocabulary: list[str]) -> Talk:
    """What is said in a video: 2.5 words a second, short pauses."""
    out, at = [], 0
    for _ in range(SENTENCES):
        words = rng.choices(vocabulary, k=rng.randint(4, 24))
        if punctuated:
            words[0], words[-1] = words[0].capitalize(), words[-1] + rng.choice("..?")
        end = at + 400 * len(words)
        out.append((at, end, words))
        at = end + rng.randint(50, 1500)
    return out


def subtitles(said: Talk, point: str) -> bytes:
    """Cues of about half a sentence, as people make them."""
    out, number = ["WEBVTT\n"] if point == "." else [], 0
    for start, end, words in said:
        half = max(1, len(words) // 2)
        for first, last in ((0, half), (half, len(words))):
            if last > first:
                number += 1
                span = [start + (end - start) * i // len(words) for i in (first, last)]
                out.append(
                    f"{number}\n{clock(span[0], point)} --> {clock(span[1], point)}\n{' '.join(words[first:last])}\n"
                )
    return "\n".join(out).encode()


def youtube(said: Talk) -> bytes:
    """Rolling captions of recognised speech, with the time of each word: lines of six words, shown twice, and 10 ms cues."""
    spoken = [(start + 400 * i, word) for start, _, words in said for i, word in enumerate(words)]
    out, before = ["WEBVTT\nKind: captions\nLanguage: en\n"], " "
    for i in range(0, len(spoken), 6):
        line = spoken[i : i + 6]
        start, end = line[0][0], line[-1][0] + 390
        rest = "".join(f"<{clock(t, '.')}><c> {word}</c>" for t, word in line[1:])
        plain = " ".join(word for _, word in line)
        out.append(f"{clock(start, '.')} --> {clock(end, '.')} align:start position:0%\n{before}\n{line[0][1]}{rest}\n")
        out.append(f"{clock(end, '.')} --> {clock(end + 10, '.')} align:start position:0%\n{plain}\n \n")
        before = plain
    return "\n".join(out).encode()


def json3(said: Talk) -> bytes:
    """The same as YouTube's json3."""
    events = []
    for start, end, words in said:
        segments = [{"utf8": f" {w}" if i else w} | ({"tOffsetMs": 400 * i} if i else {}) for i, w in enumerate(words)]
        events.append({"tStartMs": start, "dDurationMs": end - start, "segs": segments})
    return json.dumps({"wireMagic": "pb3", "events": events}).encode()


def whisper(said: Talk) -> bytes:
    """Segments with words."""
    segments = []
    for start, end, words in said:
        listed = [
            {
                "word": f" {w}",
                "start": (start + 400 * i) / 1000,
                "end": (start + 400 * i + 350) / 1000,
                "probability": 0.9,
            }
            for i, w in enumerate(words)
        ]
        text = " " + " ".join(words)
        segments.append(
            {"start": start / 1000, "end": end / 1000, "text": text, "no_speech_prob": 0.1, "words": listed}
        )
    return json.dumps({"segments": segments}).encode()


def columns(said: Talk) -> bytes:
    """An entry of HowTo100M's caption.json: short lines without punctuation."""
    lines = [(start + 400 * i, " ".join(words[i : i + 4])) for start, _, words in said for i in range(0, len(words), 4)]
    starts = [at / 1000 for at, _ in lines]
    return json.dumps({"start": starts, "end": [s + 2.5 for s in starts], "text": [text for _, text in lines]}).encode()


def clock(ms: int, point: str) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"


def unspaced(said: Talk, end: str) -> bytes:
    """SRT in a script that writes no space between words; `end` ends a sentence."""
    cues = [
        f"{n}\n{clock(start, ',')} --> {clock(stop, ',')}\n{''.join(w).rstrip('.?').lower()}{end}\n"
        for n, (start, stop, w) in enumerate(said, 1)
    ]
    return "\n".join(cues).encode()


FORMS: dict[str, tuple[str, bool, Callable[[Talk], bytes]]] = {
    "vtt": ("vtt", True, lambda said: subtitles(said, ".")),
    "srt": ("srt", True, lambda said: subtitles(said, ",")),
    "youtube": ("vtt", False, youtube),
    "json3": ("json3", False, json3),
    "whisper": ("whisper", True, whisper),
    "howto100m": ("howto100m", False, columns),
}
#: The same sentences in scripts without spaces, whose words ICU's dictionaries find; against the English "srt".
UNSPACED = {
    "srt, Thai": ("วันนี้ เรา จะ ทำ อาหาร ที่ บ้าน กับ เพื่อน และ ปลา น้ำ ร้อน มาก ครับ ไม่ ดู หนังสือ ใหม่", ""),
    "srt, Chinese": ("我们 今天 一起 学习 怎么 做 饭 水 里面 的 鱼 非常 好 朋友 和 老师 都 知道 这个 问题", "。"),
}


def material(videos: int) -> list[Material]:
    """Made-up transcripts of each form, and real ones."""
    found = []
    for name, (format, punctuated, write) in FORMS.items():
        rng = random.Random(7)
        said = [talk(rng, punctuated, ENGLISH) for _ in range(videos)]
        words = sum(len(w) for one in said for *_, w in one)
        found.append(Material(name, format, [write(one) for one in said], words))
    for name, (vocabulary, end) in UNSPACED.items():
        rng = random.Random(7)
        said = [talk(rng, False, vocabulary.split()) for _ in range(videos)]
        found.append(Material(name, "srt", [unspaced(one, end) for one in said]))
    for path in (SHARED / "data" / name for name in _REAL):
        if path.exists():
            found.append(Material(path.name, "auto", [path.read_bytes()] * max(1, videos // 40)))
    return found


# -- the work ----------------------------------------------------------------------------------------------------------


def run(task: Material) -> tuple[dict[str, float], list[Sentence], int]:
    """CPU seconds of each step, the sentences, and the number of long clips."""
    seconds = dict.fromkeys(_STEPS, 0.0)
    sentences: list[Sentence] = []
    clips = 0
    cleaning, splitting, merging = Clean(), Sentences(), Merge()
    for number, data in enumerate(task.files):
        video = SourceVideo(f"v{number}", "v.mp4")
        times = [time.process_time()]
        transcript = parse_transcript(data, video.video_id, "v.vtt", task.format)
        times.append(time.process_time())
        cleaned = clean(transcript.cues, video.video_id, cleaning, transcript.recognised)
        times.append(time.process_time())
        made = split_sentences(cleaned.cues, splitting)
        times.append(time.process_time())
        clips += len(merge_video(video, made, merging, 8).clips)
        times.append(time.process_time())
        for step, start, end in zip(_STEPS, times, times[1:], strict=False):
            seconds[step] += end - start
        sentences += made
    return seconds, sentences, clips


def figures(task: Material, repeats: int) -> dict[str, Any]:
    """The figures of the fastest run. Raises Failed where words were lost."""
    best: dict[str, float] | None = None
    for _ in range(repeats):
        seconds, sentences, clips = run(task)
        if best is None or sum(seconds.values()) < sum(best.values()):
            best = seconds
    assert best is not None
    words = sum(count_words(s.text) for s in sentences)
    if task.words is not None and words != task.words:
        raise Failed(f"{task.name}: {task.words} words were said, {words} came out")
    total = sum(best.values())
    return {
        "form": task.name,
        "videos": len(task.files),
        "bytes": sum(map(len, task.files)),
        "sentences": len(sentences),
        "words_per_sentence": round(words / len(sentences), 1),
        "long_clips": clips,
        "sentences_per_cpu_second": round(len(sentences) / total),
        "words_per_cpu_second": round(words / total),
        "microseconds_per_sentence": {step: round(best[step] / len(sentences) * 1e6, 1) for step in _STEPS},
    }


def main() -> None:
    """Measure, print, write."""
    options, facts = arguments(), machine()
    tasks = material(4 if options.quick else options.videos)
    if options.profile:
        (task,) = (task for task in tasks if task.name == options.profile)
        profile = cProfile.Profile()
        profile.runcall(run, task)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    results = [figures(task, 1 if options.quick else options.repeats) for task in tasks]
    headings = [
        "transcripts",
        "sentences",
        "words each",
        "sentences per CPU-s",
        *(f"{step}, µs each" for step in _STEPS),
    ]
    rows = [
        [
            r["form"],
            f"{r['sentences']:,}",
            f"{r['words_per_sentence']:g}",
            f"{r['sentences_per_cpu_second']:,}",
            *(f"{r['microseconds_per_sentence'][step]:g}" for step in _STEPS),
        ]
        for r in results
    ]
    report(
        "text",
        f"Transcripts to long clips; the target is {TARGET:,}",
        headings,
        rows,
        {"target": TARGET, "runs": results},
        options.results,
        facts,
    )


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
