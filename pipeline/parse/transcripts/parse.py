"""Reads a transcript file in any of the formats as cues, and recognises its format."""

import re
from typing import Literal, get_args

from longtake.pipeline.parse.lines import base_name
from longtake.pipeline.parse.transcripts.ass import parse_ass
from longtake.pipeline.parse.transcripts.columns import parse_columns_file
from longtake.pipeline.parse.transcripts.cue import Transcript
from longtake.pipeline.parse.transcripts.encodings import to_utf8
from longtake.pipeline.parse.transcripts.json3 import parse_json3
from longtake.pipeline.parse.transcripts.sami import parse_sami
from longtake.pipeline.parse.transcripts.subtitles import parse_subtitles
from longtake.pipeline.parse.transcripts.whisper import parse_whisper
from longtake.pipeline.parse.transcripts.xml_cues import declares_encoding, parse_xml
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop

#: The formats of files that hold one video each.
FileFormat = Literal["vtt", "srt", "json3", "srv3", "ttml", "whisper", "howto100m", "vidchapters", "ass", "sami"]
FORMATS: tuple[str, ...] = get_args(FileFormat)

_XML = ("srv3", "ttml")
_COLUMNS = ("howto100m", "vidchapters")
_START = 4096  # bytes for recognising the format
_ASS = re.compile(rb"\[(?:script info|v4\+? styles|events)\]|(?:Format|Dialogue):.*,", re.IGNORECASE)
_BY_SUFFIX: dict[str, FileFormat] = {
    "srt": "srt", "vtt": "vtt", "json3": "json3", "csv": "howto100m", "tsv": "howto100m", "ttml": "ttml", "dfxp": "ttml",
    "ass": "ass", "ssa": "ass", "smi": "sami", "sami": "sami", "srv1": "srv3", "srv2": "srv3", "srv3": "srv3",
}  # fmt: skip


def may_be(file: str, format: str) -> bool:
    """Whether a file may be of a format, by its name alone. JSON may be of several formats."""
    suffix = base_name(file).rpartition(".")[2].lower()
    told = _BY_SUFFIX.get(suffix)
    return (
        format == "auto"
        or told == format
        or (suffix == "json" and format in ("whisper", *_COLUMNS))
        or (told == "howto100m" and format in _COLUMNS)
    )


def parse_transcript(data: bytes, video_id: str, file: str, format: str, encoding: str = "utf-8") -> Transcript:
    """Read the cues of a transcript file. A fault in it is a Drop, never an exception.

    Args:
        data: the content of the file.
        video_id: the video that it belongs to.
        file: the name of the file, for ledger rows and, with "auto", for its suffix.
        format: one of the formats of docs/text.md, or "auto".
        encoding: the encoding to try after UTF-8, before detection.

    Returns:
        The cues in the order of the file, and a Drop for each that cannot be used.
    """
    form = format_of(data, file) if format == "auto" else format
    read_as = None
    if not (form in _XML and declares_encoding(data)):
        data, read_as = to_utf8(data, encoding)
        encoding = "utf-8"
    if read_as is not None:
        form = format_of(data, file) if format == "auto" else format
    found = _parsed(data, video_id, file, form, encoding)
    if read_as is not None:
        detail = f"{base_name(file)}: not UTF-8; read as {read_as}"
        found.drops.append(Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.OTHER_ENCODING, detail))
    return found


def _parsed(data: bytes, video_id: str, file: str, form: str, encoding: str) -> Transcript:
    if form in ("vtt", "srt"):
        return parse_subtitles(data, video_id, file, "vtt" if form == "vtt" else "srt", encoding)
    if form in _XML:
        return parse_xml(data, video_id, file, encoding)
    if form == "ass":
        return parse_ass(data, video_id, file, encoding)
    if form == "sami":
        return parse_sami(data, video_id, file, encoding)
    if form == "json3":
        return parse_json3(data, video_id, file)
    if form == "whisper":
        return parse_whisper(data, video_id, file)
    return parse_columns_file(data, video_id, file, encoding)


def format_of(data: bytes, file: str) -> FileFormat:
    """The format of a file by its first bytes or, if they do not tell, by its suffix."""
    start = data[:_START].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xfe\xff \t\r\n")
    suffix = base_name(file).rpartition(".")[2].lower()
    if start.startswith(b"WEBVTT"):
        return "vtt"
    if _ASS.match(start):
        return "ass"
    if start.startswith((b"{", b"[")):
        if re.search(rb'"(?:wireMagic|events)"', start):
            return "json3"
        return "howto100m" if re.match(rb'\{\s*"(?:start|end|text)"\s*:\s*\[', start) else "whisper"
    if re.match(rb"(?:<!--.*?-->\s*)?<sami\b", start, re.IGNORECASE | re.DOTALL):
        return "sami"
    if start.startswith(b"<"):
        return "srv3" if re.search(rb"<(?:timedtext|transcript)\b", start) else "ttml"
    if re.match(rb"(?:[\w ]+[,\t])*(?:start|end|text)\s*[,\t]", start, re.IGNORECASE):
        return "howto100m"
    return _BY_SUFFIX.get(suffix, "vtt" if re.search(rb"[0-9]\.[0-9]{3}\s*-->", start) else "srt")
