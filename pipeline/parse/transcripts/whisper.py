"""JSON of speech recognition: OpenAI whisper, faster-whisper, WhisperX, whisper-timestamped, whisper.cpp, transformers, NeMo.

All are a list of segments with start, end and text, and sometimes words; they differ in names. So the same reader also takes any
other list of timed texts.
"""

from typing import Any

from longtake.pipeline.parse.lines import base_name, quoted
from longtake.pipeline.parse.transcripts.cue import (
    BREAK,
    Cue,
    Transcript,
    Word,
    name_of,
    plain_lines,
    read_cues,
    record_drop,
    trusted,
    with_ends,
    with_turns,
)
from longtake.pipeline.parse.transcripts.json_values import read_json, seconds, text_of, whole_ms
from longtake.pipeline.parse.transcripts.regular_segments import regular_segments

#: Names of the list of segments: whisper and similar tools; transcripts of meetings; transformers; whisper.cpp; players.
_LISTS = ("segments", "sentences", "chunks", "transcription", "transcriptCollection", "utterances", "results")
_START = ("start", "start_time", "inTime", "from")
_END = ("end", "end_time", "outTime", "to")
_TEXT = ("text", "transcript", "sentence", "caption")
_SPEAKER = ("speaker", "speaker_label", "speakerName", "speakerDisplayName", "speaker_id")
# Seconds for each character. Nobody speaks more slowly than the first; beyond the second, times are no milliseconds either.
_SLOWEST, _SLOWEST_MS = 5.0, 5000.0
_USUAL_SECONDS = 1e8  # a time up to this needs no parser
_SKIPPED = 40  # most characters of the text between two words of the list


def parse_whisper(data: bytes, video_id: str, file: str) -> Transcript:
    """Return the cues of a JSON file of recognised speech: its segments, numbered in their order. Raises nothing."""
    name = base_name(file)
    try:
        segments = segments_of(read_json(data))
    except ValueError as error:
        return Transcript([], [record_drop(video_id, name, str(error))])
    return parse_segments(segments, video_id, name)


def segments_of(value: Any) -> list[Any]:
    """Return the list of segments: the JSON value itself, or a list in it. Raises ValueError."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        for key in _LISTS:
            if isinstance(value.get(key), list):
                return list(value[key])
    raise ValueError(f"holds no list of segments; looked for {', '.join(_LISTS)}")


def parse_segments(segments: list[Any], video_id: str, name: str) -> Transcript:
    """The cues of a list of segments of the file `name`. Raises nothing."""
    segments, problem = _with_times(segments)
    if problem is not None:
        return Transcript([], [record_drop(video_id, name, problem)])
    if (regular := regular_segments(segments, video_id)) is not None:
        return Transcript(regular, [], recognised=True)
    cues, drops = read_cues(segments, video_id, name, "segment", _cue)
    if not segments:
        drops.append(record_drop(video_id, name, "the list of segments is empty"))
    return Transcript(with_turns(cues), drops, recognised=True)


def _with_times(segments: list[Any]) -> tuple[list[Any], str | None]:
    """Return the segments with all times in seconds and an end for each; or the problem with their times.

    The speed of speech tells milliseconds from seconds: if taken for seconds, they would give too little text for the time.
    """
    if (unit := _unit(segments)) == "ms":
        segments = [_in_seconds(segment) for segment in segments]
    elif unit is not None:
        return [], unit
    return [
        _ended(segment, segments[i + 1] if i + 1 < len(segments) else None) for i, segment in enumerate(segments)
    ], None


def _unit(segments: list[Any]) -> str | None:
    """Return "ms" if the times must be milliseconds, None if they are seconds, else the problem with them."""
    spoken = seconds_long = 0.0
    for segment in segments:
        if not isinstance(segment, dict) or "offsets" in segment:
            continue
        span = segment.get("timestamp") if isinstance(segment.get("timestamp"), list) else None
        start, end = span if span and len(span) == 2 else (_first(segment, _START), _first(segment, _END))
        text = _first(segment, _TEXT)
        if type(start) not in (int, float) or type(end) not in (int, float) or not isinstance(text, str):
            continue
        if start != int(start) or end != int(end):
            return None  # milliseconds have no fraction
        if end > start and text.strip():
            spoken += len(text.strip())
            seconds_long += end - start
    if not spoken or seconds_long <= spoken * _SLOWEST:
        return None
    if seconds_long >= spoken * _SLOWEST_MS:
        return (
            f"its segments last {seconds_long:,.0f} for {spoken:,.0f} characters: too long for seconds and for milliseconds; "
            "write times in seconds"
        )
    return "ms"


def _in_seconds(segment: Any) -> Any:
    if not isinstance(segment, dict):
        return segment
    made = dict(segment)
    for name in (*_START, *_END, "duration"):
        if type(made.get(name)) in (int, float):
            made[name] = made[name] / 1000
    if isinstance(made.get("timestamp"), list):
        made["timestamp"] = [t / 1000 if type(t) in (int, float) else t for t in made["timestamp"]]
    if isinstance(made.get("words"), list):
        made["words"] = [_in_seconds(word) for word in made["words"]]
    return made


def _ended(segment: Any, following: Any) -> Any:
    """End a segment without an end where the next one starts; the last one ends when its text can have been said."""
    if not isinstance(segment, dict) or (segment.get("end") is not None and "timestamp" not in segment):
        return segment  # nearly all
    span = segment.get("timestamp")
    if isinstance(span, list) and len(span) == 2 and span[1] is None and span[0] is not None:
        return {**segment, "timestamp": [span[0], _end_of(segment, span[0], following)]}
    if isinstance(span, list) or isinstance(segment.get("offsets"), dict) or segment.get("duration") is not None:
        return segment
    start = _first(segment, _START)
    if start is None or _first(segment, _END) is not None:
        return segment
    return {**segment, "end": _end_of(segment, start, following)}


def _end_of(segment: dict[str, Any], start: Any, following: Any) -> float | None:
    """The end in seconds; None if the start cannot be read."""
    text = _first(segment, _TEXT)
    said = text if isinstance(text, str) else ""
    begin = _time(start)
    if begin is None:
        return None
    spans: list[tuple[int, int | None, str]] = [(begin, None, said)]
    if isinstance(following, dict):
        span = following.get("timestamp")
        after = _time(span[0] if isinstance(span, list) and span else _first(following, _START))
        spans += [] if after is None else [(after, None, "")]
    return with_ends(spans)[0][1] / 1000


def _time(value: Any) -> int | None:
    try:
        return seconds(value)
    except ValueError:
        return None


def _cue(segment: Any, cue_id: str) -> Cue:
    if not isinstance(segment, dict):
        raise ValueError(f"{quoted(segment)} is no segment")
    start, end = _span(segment)
    raw = text_of(_first(segment, _TEXT))
    words = segment.get("words")
    if not raw and isinstance(words, list):
        raw = " ".join(_word_text(word) for word in words)
    text = plain_lines(raw.replace(BREAK, " "))
    found: list[Word] = []
    if isinstance(words, list) and text:
        joined = _joined(words, text)
        found = _aligned(words, text) if joined is None else joined
    silence = segment.get("no_speech_prob")
    if isinstance(silence, bool) or not isinstance(silence, int | float) or not 0 <= silence <= 1:
        silence = 0.0
    return Cue(cue_id, start, end, text, trusted(found, start, end), float(silence), speakers=_speakers(segment))


def _speakers(segment: dict[str, Any]) -> tuple[str | None, ...]:
    """The speaker, as in WhisperX, AssemblyAI and transcripts of meetings; () if the segment does not say."""
    named = _first(segment, _SPEAKER)
    if isinstance(named, int) and not isinstance(named, bool):
        named = str(named)
    name = name_of(named) if isinstance(named, str) else None
    return () if name is None else (name,)


def _span(segment: dict[str, Any]) -> tuple[int, int]:
    timestamp = segment.get("timestamp")
    if isinstance(timestamp, list) and len(timestamp) == 2:
        return seconds(timestamp[0]), seconds(timestamp[1])
    offsets = segment.get("offsets")
    if isinstance(offsets, dict):  # whisper.cpp
        return whole_ms(offsets.get("from")), whole_ms(offsets.get("to"))
    start = seconds(_first(segment, _START))
    end = _first(segment, _END)
    if end is None and segment.get("duration") is not None:  # youtube-transcript-api
        return start, start + seconds(segment["duration"])
    return start, seconds(end)


def _first(segment: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = segment.get(name)
        if value is not None:
            return value
    return None


def _word_text(word: Any) -> str:
    if not isinstance(word, dict):
        return ""
    value = word.get("word") or word.get("text")
    return value if isinstance(value, str) else ""


def _joined(words: list[Any], text: str) -> list[Word] | None:
    """What `_aligned` finds if the words are the text, one after the other, with usual times, as Whisper writes nearly all of
    them. None if they are not."""
    try:
        spelled = [word["word"] for word in words]
        times = [word[name] for word in words for name in ("start", "end")]
        whole = "".join(spelled)
    except (KeyError, TypeError):
        return None
    if whole.strip() != text or not all(spelled):
        return None
    if set(map(type, times)) != {float} or min(times) < 0 or max(times) > _USUAL_SECONDS:
        return None
    ms = [int(time * 1000 + 0.5) for time in times]
    found: list[Word] = []
    at = len(whole.lstrip()) - len(whole)
    for word, start, end in zip(spelled, ms[::2], ms[1::2], strict=True):
        bare = word.lstrip()
        if bare:
            found.append((at + len(word) - len(bare), start, end))
        at += len(word)
    return found if len(found) * 2 >= len(words) else []


def _aligned(words: list[Any], text: str) -> list[Word]:
    """Find the words in `text`, one after the other. A word without times, as in WhisperX, is skipped: its characters belong to
    the word before it."""
    found: list[Word] = []
    fold = _folded if len(text.lower()) == len(text) else str  # some write the words in lower case
    folded = fold(text)
    at, size = 0, len(text)
    for word in words:
        spelled = fold(_word_text(word).strip())
        if not spelled:
            continue
        while at < size and folded[at] != spelled[0] and not text[at].isalnum():
            at += 1
        offset = at if folded.startswith(spelled, at) else _later(folded, spelled, at)
        if offset < 0:
            continue
        at = offset + len(spelled)
        start, end = word.get("start"), word.get("end")
        try:
            if start is None or end is None:
                start, end = _first(word, _START), _first(word, _END)
            found.append((offset, seconds(start), seconds(end)))
        except ValueError:
            continue
    return found if len(found) * 2 >= len(words) else []


def _folded(text: str) -> str:
    """A text in lower case, with one sigma: which one Python writes depends on the letter that follows."""
    return text.lower().replace("\u03c2", "\u03c3")


def _later(text: str, word: str, at: int) -> int:
    """The offset soon after `at` where `word` starts a word of `text`; -1 if there is none."""
    for blank in " \n":
        offset = text.find(blank + word, at, at + len(word) + _SKIPPED)
        if offset >= 0:
            return offset + 1
    return -1
