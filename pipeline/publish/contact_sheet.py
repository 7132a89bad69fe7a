"""The contact sheet of a sample: one picture with the frames of each sentence above its number and full text."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from longtake.pipeline.parse.timecode import short_timecode
from longtake.pipeline.publish.sheet_text import Colour, Typeface
from longtake.schemas.layout import frame_member
from longtake.schemas.printable import printable
from longtake.schemas.records import IndexEntry, Sentence
from longtake.schemas.wording import plural

MAX_WIDTH = 1800
_MIN_WIDTH = 960
_COLUMNS = 8
_MAX_FRAME_HEIGHT = 260
_MARGIN, _GAP, _SECTION = 28, 8, 30
_PAPER, _INK, _FAINT, _RULE, _WARNING = (255, 255, 255), (24, 24, 27), (98, 98, 106), (222, 222, 228), (176, 32, 32)
_MAX_HEIGHT = 60_000  # viewers still open a picture of this height


@dataclass(frozen=True, slots=True)
class _Frame:
    picture: Image.Image | None  # None: its JPEG is damaged
    wanted_ms: int
    taken_ms: int


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    sentence: Sentence
    frames: Sequence[_Frame]
    lines: Sequence[str]
    said: Sequence[str]  # the speech that a caption was made from


class _Sheet:
    """The sizes, which depend on the sample, and the drawing."""

    def __init__(self, entry: IndexEntry, files: Mapping[str, bytes]) -> None:
        self._title, self._text, self._small = Typeface(24), Typeface(19), Typeface(13)
        self._entry = entry
        per_sentence = max(len(entry.clip.frame_times_ms) // max(len(entry.clip.sentences), 1), 1)
        self._columns = min(per_sentence, _COLUMNS)
        self._frame = self._frame_size(entry.frame_size)
        self._pitch = (
            max(self._frame[0], round(self._small.width("00:00.000")) + 2) + _GAP
        )  # tiny frames need room for labels
        frames_width = self._columns * self._pitch - _GAP
        self.width = min(max(frames_width + 2 * _MARGIN, _MIN_WIDTH), MAX_WIDTH)
        self._inner = self.width - 2 * _MARGIN
        self._indent = round(self._text.width("00  "))
        self._head = [printable(line) for line in _headline(entry)]
        self._title_lines = self._title.wrap(printable(entry.clip.key), self._inner)
        self._rows = [
            _Row(
                number,
                sentence,
                [self._load(n, files) for n in range(number * per_sentence, (number + 1) * per_sentence)],
                self._text.wrap(printable(sentence.text), self._inner - self._indent),
                self._text.wrap(f"said: {printable(sentence.asr)}", self._inner - self._indent) if sentence.asr else [],
            )
            for number, sentence in enumerate(entry.clip.sentences)
        ]

    def _frame_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the frames on the sheet. Frames are never enlarged; width and height are limited."""
        height, width = max(size[0], 1), max(size[1], 1)
        room = (MAX_WIDTH - 2 * _MARGIN - (self._columns - 1) * _GAP) // self._columns
        scale = min(1.0, room / width, _MAX_FRAME_HEIGHT / height)
        return max(int(width * scale), 1), max(int(height * scale), 1)

    def _load(self, number: int, files: Mapping[str, bytes]) -> _Frame:
        clip = self._entry.clip
        wanted, taken = _at(clip.frame_times_ms, number), _at(self._entry.frame_pts_ms, number)
        data = files.get(f"{clip.key}.{frame_member(number, len(clip.frame_times_ms))}", b"")
        try:
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
                if (picture.height, picture.width) != self._entry.frame_size:
                    raise ValueError("not the size that the index says")
                small = picture.convert("RGB").resize(self._frame, Image.Resampling.LANCZOS)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return _Frame(None, wanted, taken)
        return _Frame(small, wanted, taken)

    def _line_of_frames(self) -> int:
        return self._frame[1] + self._small.line_height + 8

    def _row_height(self, row: _Row) -> int:
        bands, lines = -(-len(row.frames) // self._columns), len(row.lines) + len(row.said)
        return bands * self._line_of_frames() + lines * self._text.line_height + _SECTION + 26

    def _head_height(self) -> int:
        lines = len(self._title_lines) * self._title.line_height
        return _MARGIN + lines + len(self._head) * round(self._text.line_height * 0.9) + 14

    def draw(self) -> Image.Image:
        height = self._head_height() + sum(map(self._row_height, self._rows)) + _MARGIN
        if height > _MAX_HEIGHT:
            raise ValueError(f"a contact sheet of {len(self._rows)} sentences would be {height:,} pixels high")
        sheet = Image.new("RGB", (self.width, height), _PAPER)
        canvas = ImageDraw.Draw(sheet)
        y = self._draw_head(canvas)
        for row in self._rows:
            self._draw_row(sheet, canvas, row, y)
            y += self._row_height(row)
        return sheet

    def _draw_head(self, canvas: ImageDraw.ImageDraw) -> int:
        y = _MARGIN
        for line in self._title_lines:
            self._title.draw(canvas, (_MARGIN, y + self._title.size), line, _INK)
            y += self._title.line_height
        for line in self._head:
            fitting = self._text.shortened(line, self._inner)
            self._text.draw(canvas, (_MARGIN, y + self._text.size), fitting, _FAINT)
            y += round(self._text.line_height * 0.9)
        return self._head_height()

    def _draw_row(self, sheet: Image.Image, canvas: ImageDraw.ImageDraw, row: _Row, y: int) -> None:
        canvas.line((_MARGIN, y, self.width - _MARGIN, y), fill=_RULE, width=1)
        y += _SECTION // 2
        for band in range(0, len(row.frames), self._columns):
            for column, frame in enumerate(row.frames[band : band + self._columns]):
                self._draw_frame(sheet, canvas, frame, _MARGIN + column * self._pitch, y)
            y += self._line_of_frames()
        y += 6
        span = f"{short_timecode(row.sentence.start_ms)} to {short_timecode(row.sentence.end_ms)}"
        self._small.draw(canvas, (_MARGIN + self._indent, y + self._small.size), span, _FAINT)
        y += 20
        for number, line in enumerate((*row.lines, *row.said)):
            baseline = y + number * self._text.line_height + self._text.size
            if not number:
                self._text.draw(canvas, (_MARGIN, baseline), f"{row.number + 1}", _FAINT)
            colour = _INK if number < len(row.lines) else _FAINT
            self._text.draw(canvas, (_MARGIN + self._indent, baseline), line, colour)

    def _draw_frame(self, sheet: Image.Image, canvas: ImageDraw.ImageDraw, frame: _Frame, x: int, y: int) -> None:
        width, height = self._frame
        label, colour = self._label(frame)
        if frame.picture is None:
            canvas.rectangle((x, y, x + width - 1, y + height - 1), outline=_WARNING, width=2)
            label, colour = "damaged", _WARNING
        else:
            canvas.rectangle((x - 1, y - 1, x + width, y + height), outline=_RULE)  # a white frame has edges too
            sheet.paste(frame.picture, (x, y))
        shown = self._small.shortened(label, self._pitch)
        self._small.draw(canvas, (x, y + height + 4 + self._small.size), shown, colour)

    def _label(self, frame: _Frame) -> tuple[str, Colour]:
        """The wanted time, and the offset of the frame if there is room for it."""
        wanted, off = short_timecode(frame.wanted_ms), frame.taken_ms - frame.wanted_ms
        long = f"{wanted}  {off:+d} ms"
        return (long if off and self._small.width(long) < self._pitch else wanted), _FAINT


def _at(times: Sequence[int], number: int) -> int:
    return times[number] if number < len(times) else 0


def _headline(entry: IndexEntry) -> list[str]:
    clip = entry.clip
    span = f"{short_timecode(clip.start_ms)} to {short_timecode(clip.end_ms)} ({(clip.end_ms - clip.start_ms) / 1000:.1f} s)"
    counts = {"sentence": len(clip.sentences), "word": clip.n_words, "frame": len(clip.frame_times_ms)}
    what = ", ".join(plural(number, noun) for noun, number in counts.items())
    place = f"{entry.shard}, position {entry.position}"
    legal = " | ".join(part for part in (clip.video.url, clip.video.license) if part)
    return [f"{span} | {what} | {place}", *([legal] if legal else [])]


def contact_sheet(entry: IndexEntry, files: Mapping[str, bytes]) -> Image.Image:
    """The contact sheet of a sample. `files` has its files by name. A damaged frame is marked "damaged".

    Raises ValueError if the sample is too long for one picture.
    """
    return _Sheet(entry, files).draw()


def to_png(sheet: Image.Image) -> bytes:
    """The sheet as PNG."""
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()
