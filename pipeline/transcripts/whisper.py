"""JSON of speech recognition: OpenAI whisper, faster-whisper, WhisperX, whisper-timestamped, whisper.cpp, transformers, NeMo.

All are a list of segments with start, end and text, and perhaps with words; they differ in names. So the same reader
takes what else is a list of timed texts.
"""

from typing import Any

from longtake.pipeline.lines import base_name, quoted
from longtake.pipeline.transcripts.cue import BREAK, Cue, Transcript, Word, plain_lines, read_cues, record_drop, trusted
from longtake.pipeline.transcripts.json_values import read_json, seconds, text_of, whole_ms

#: Where the list of segments stands: whisper and its kin; transcripts of meetings; transformers; whisper.cpp; players.
_LISTS = ("segments", "sentences", "chunks", "transcription", "transcriptCollection", "utterances", "results")
_START = ("start", "start_time", "inTime", "from")
_END = ("end", "end_time", "outTime", "to")
_TEXT = ("text", "transcript", "sentence", "caption")
_SKIPPED = 40  # characters of the text that no word of the list accounts for


def parse_whisper(data: bytes, video_id: str, file: str) -> Transcript:
    """The cues of a JSON file of recognised speech: its segments, numbered as they stand. Raises nothing."""
    name = base_name(file)
    try:
        segments = segments_of(read_json(data))
    except ValueError as error:
        return Transcript([], [record_drop(video_id, name, str(error))])
    return parse_segments(segments, video_id, name)


def segments_of(value: Any) -> list[Any]:
    """The list of segments that a JSON value is or holds. Raises ValueError."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        for key in _LISTS:
            if isinstance(value.get(key), list):
                return list(value[key])
    raise ValueError(f"holds no list of segments; looked for {', '.join(_LISTS)}")


def parse_segments(segments: list[Any], video_id: str, name: str) -> Transcript:
    """The cues of a list of segments of the file `name`. Raises nothing."""
    cues, drops = read_cues(segments, video_id, name, "segment", _cue)
    if not segments:
        drops.append(record_drop(video_id, name, "the list of segments is empty"))
    return Transcript(cues, drops, recognised=True)


def _cue(segment: Any, cue_id: str) -> Cue:
    if not isinstance(segment, dict):
        raise ValueError(f"{quoted(segment)} is no segment")
    start, end = _span(segment)
    raw = text_of(_first(segment, _TEXT))
    words = segment.get("words")
    if not raw and isinstance(words, list):
        raw = " ".join(_word_text(word) for word in words)
    text = plain_lines(raw.replace(BREAK, " "))
    found = _aligned(words, text) if isinstance(words, list) and text else []
    silence = segment.get("no_speech_prob")
    if isinstance(silence, bool) or not isinstance(silence, int | float) or not 0 <= silence <= 1:
        silence = 0.0
    return Cue(cue_id, start, end, text, trusted(found, start, end), float(silence))


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


def _aligned(words: list[Any], text: str) -> list[Word]:
    """The words that are found in `text`, one after the other. One without times, as WhisperX has them, is passed over:
    its characters count to the word before it."""
    found: list[Word] = []
    folded = text.lower()  # some write the words in lower case
    if len(folded) != len(text):
        folded = text
    at, size = 0, len(text)
    for word in words:
        spelled = _word_text(word).strip()
        if not spelled:
            continue
        if folded is not text or spelled.islower():
            spelled = spelled.lower()
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


def _later(text: str, word: str, at: int) -> int:
    """Where `word` starts a word of `text` soon after `at`; -1 where it does not."""
    for blank in " \n":
        offset = text.find(blank + word, at, at + len(word) + _SKIPPED)
        if offset >= 0:
            return offset + 1
    return -1
