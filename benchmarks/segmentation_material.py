"""Texts with known joins: stretches of real transcripts of different videos, put one after the other.

Videos are on the development or on the test side by a hash of their id, so that nothing is tuned on what is reported.
"""

import hashlib
import html
import json
import random
from dataclasses import dataclass
from pathlib import Path

import webvtt

SIDES = ("dev", "test")
SHORTEST, LONGEST = 4, 16  # sentences of a stretch: the limits that merging has by default
_SUBTITLES = (
    "Mammals.en.vtt", "Mammals.fr.vtt", "PolarMammals.en.vtt", "PolarMammals.fr.vtt", "boston_captions.vtt",
    "brief_080221_2012161.vtt",
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One cue, segment or caption as its file has it. `pause_ms` is the silence before it."""

    text: str
    length_ms: int
    pause_ms: int


@dataclass(frozen=True)
class Document:
    """Sentences, and the true lengths of the stretches they come from."""

    sentences: tuple[Said, ...]
    truth: tuple[int, ...]


def side(video: str) -> str:
    """Where a video is. Translations of one video are together."""
    return SIDES[hashlib.sha256(_source(video).encode()).digest()[0] % 2]


def _source(video: str) -> str:
    return video.split(".")[0]


def transcripts(data: Path) -> dict[str, list[Said]]:
    """What was said in real videos: captions, ASR segments of CC-BY YouTube videos, ASR sentences of a council meeting."""
    found = {name: _said(_cues(data / "transcripts" / name)) for name in _SUBTITLES}
    meeting = json.loads((data / "transcripts/example_whisper_output_transcript.json").read_text())
    found["seattle"] = _said(
        (s["start_time"], s["end_time"], " ".join(w["text"] for w in s["words"])) for s in meeting["sentences"]
    )
    for line in (data / "metadata/curator.sample_long_form_manifest.lines1-7.jsonl").read_text().splitlines():
        record = json.loads(line)
        found[record["id"]] = _said((s["start"], s["end"], s["text_ITN"]) for s in record["segments"])
    return found


def recipes(data: Path) -> dict[str, list[Said]]:
    """The captions of YouCook2 videos: each is one recipe, written by people, all of them about cooking."""
    raw = json.loads((data / "metadata/yc2_val.json").read_text())
    return {
        video: _said((start, end, text) for (start, end), text in zip(v["timestamps"], v["sentences"], strict=True))
        for video, v in raw.items()
    }


def _cues(path: Path):
    for caption in webvtt.read(str(path)):
        yield caption.start_in_seconds, caption.end_in_seconds, html.unescape(" ".join(caption.text.split()))


def _said(spans) -> list[Said]:
    found, last = [], None
    for start, end, text in spans:
        if text.strip():
            pause = 0 if last is None else max(0, round(1000 * (start - last)))
            found.append(Said(text.strip(), round(1000 * (end - start)), pause))
            last = end
    return found


def documents(
    videos: dict[str, list[Said]], which: str, number: int, long_pauses: bool, seed: int = 0
) -> list[Document]:
    """Documents of 2 to 10 stretches of 4 to 16 sentences of the videos of one side; neighbours are of different sources.

    The pause at a join is one that was really made between two sentences of the two videos it joins: any of them, or with
    `long_pauses` one of the longest quarter, as speakers do pause longer between topics.
    """
    chance = random.Random(f"{which} {seed} {sorted(videos)[0]}")
    usable = sorted(v for v, said in videos.items() if side(v) == which and len(said) >= SHORTEST)
    return [_document(videos, usable, chance, long_pauses) for _ in range(number)]


def _document(videos, usable, chance, long_pauses):
    sentences, truth, before = [], [], None
    for _ in range(chance.randint(2, 10)):
        video = chance.choice([v for v in usable if before is None or _source(v) != _source(before)])
        said = videos[video]
        length = chance.randint(SHORTEST, min(LONGEST, len(said)))
        start = chance.randint(0, len(said) - length)
        stretch = said[start : start + length]
        if before is not None:
            pauses = sorted(s.pause_ms for v in (before, video) for s in videos[v][1:])
            of = pauses[-max(1, len(pauses) // 4) :] if long_pauses else pauses
            stretch = [Said(stretch[0].text, stretch[0].length_ms, chance.choice(of)), *stretch[1:]]
        sentences += stretch
        truth.append(length)
        before = video
    return Document(tuple(sentences), tuple(truth))
