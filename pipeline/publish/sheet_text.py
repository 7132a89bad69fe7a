"""Text on a contact sheet: fonts for the languages that this machine can draw, and line breaks that fit a width.

Pillow's own font has only ASCII, so a system font is used, or the font that comes with matplotlib.
"""

import importlib.util
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

# Tried in this order; the first font that has a character draws it.
_FONTS = (
    *(
        "DejaVuSans.ttf",
        "NotoSans-Regular.ttf",
        "LiberationSans-Regular.ttf",
        "Arial Unicode.ttf",
        "arial.ttf",
        "Arial.ttf",
    ),
    *(
        "NotoSansCJK-Regular.ttc",
        "PingFang.ttc",
        "msyh.ttc",
        "malgun.ttf",
        "wqy-microhei.ttc",
        "DroidSansFallbackFull.ttf",
    ),
    *("NotoSansDevanagari-Regular.ttf", "Nirmala.ttf", "NotoSansArabic-Regular.ttf", "NotoSansThai-Regular.ttf"),
)
_NO_GLYPH = "\U0010fffd"  # never assigned: shows how a font draws a missing character


@cache
def fonts(size: int) -> tuple[Font, ...]:
    """The available fonts, best first. The last one is Pillow's own."""
    found: list[Font] = []
    for name in (*_FONTS, *_of_matplotlib()):
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return (*found, ImageFont.load_default(size))


def _of_matplotlib() -> Iterator[str]:
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin:
        yield os.path.join(os.path.dirname(spec.origin), "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")


@dataclass(slots=True)
class Typeface:
    """Text of one size in the given fonts; by default, in all available fonts."""

    size: int
    faces: Sequence[Font] = ()
    _chosen: dict[str, tuple[Font, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.faces = self.faces or fonts(self.size)

    @property
    def line_height(self) -> int:
        return round(self.size * 1.4)

    def _runs(self, text: str) -> Iterator[tuple[Font, str]]:
        """Split the text into pieces that one font can draw."""
        run, face = "", self.faces[0]
        for character in text:
            own, shown = self._choose(character)
            if unicodedata.category(character) in ("Mn", "Mc", "Cf", "Zs") and run:
                own, shown = face, character if _has(face, character) else ""  # joins the character before it
            if own is not face and run:
                yield face, run
                run = ""
            run, face = run + shown, own
        if run:
            yield face, run

    def _choose(self, character: str) -> tuple[Font, str]:
        """The font for a character, and the character. If no font has it, a substitute: the letter without accents, or a box."""
        if character not in self._chosen:
            plain = unicodedata.normalize("NFKD", character)[:1]
            options = [(face, c) for c in dict.fromkeys((character, plain, "\u25a1", "?")) for face in self.faces]
            has = ((face, c) for face, c in options if _has(face, c))
            self._chosen[character] = next(has, (self.faces[-1], "?"))
        return self._chosen[character]

    def width(self, text: str) -> float:
        return sum(face.getlength(run) for face, run in self._runs(text))

    def draw(self, canvas: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: Colour) -> None:
        """Draw one line; `at` is the left end of its baseline."""
        x, y = at
        for face, run in self._runs(text):
            canvas.text((x, y), run, fill=colour, font=face, anchor="ls")
            x += face.getlength(run)

    def wrap(self, text: str, width: float) -> list[str]:
        """Break the text into lines of at most `width`, between words, or within a word that is wider than a line."""
        lines: list[str] = []
        line = ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if self.width(longer) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            *whole, line = self._pieces(word, width)
            lines += whole
        return [*lines, line]

    def _pieces(self, word: str, width: float) -> list[str]:
        pieces, piece = [], ""
        for character in word:
            if piece and self.width(piece + character) > width:
                pieces.append(piece)
                piece = ""
            piece += character
        return [*pieces, piece]

    def shortened(self, text: str, width: float) -> str:
        """The text, or its start and an ellipsis if it is wider than `width`."""
        if self.width(text) <= width:
            return text
        while text and self.width(text + "...") > width:
            text = text[:-1]
        return text + "..."


def _has(face: Font, character: str) -> bool:
    if character.isspace():
        return True
    if not isinstance(face, ImageFont.FreeTypeFont):
        return character.isascii()
    drawn, missing = face.getmask(character), face.getmask(_NO_GLYPH)
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)
