"""Text in a matplotlib picture: only text that fits and that its fonts can draw."""

import unicodedata
from functools import cache
from typing import Any

from longtake.schemas.printable import printable

# Fonts for scripts that matplotlib's own font lacks. Only the ones on this machine are used.
_FONTS = ("Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei", "Droid Sans Fallback")
_SIZE = 8.5  # points
_TITLE = 90  # characters
_MARGIN, _MIN_WIDTH = 5, 70  # pixels
_MOST_WORDS = 1200  # characters of speech
_LEFTWARD = ("R", "AL", "AN")  # matplotlib writes every script from left to right, and joins no letters


class Labels:
    """Writes text into one figure. No text is read as markup."""

    def __init__(self, figure: Any) -> None:
        self._figure = figure
        self._renderer = figure.canvas.get_renderer()
        self._families = font_families()

    def title(self, text: str, x: float, y: float) -> None:
        """Write the heading, with escapes if the fonts cannot draw it."""
        shown = printable(text, _TITLE)
        if not drawable(shown):
            shown = shown.encode("unicode_escape").decode("ascii")[: 2 * _TITLE]
        self._figure.text(x, y, shown, fontsize=13, weight="bold", va="center", **self._look())

    def fill(
        self,
        ax: Any,
        box: Any,
        span_ms: tuple[int, int],
        span_y: tuple[float, float],
        least: str,
        told: list[str],
        words: str,
        colour: str,
    ) -> None:
        """Write into a box as much as fits: lines of `told` and then the first words, or only `least`."""
        left, bottom = ax.transData.transform((span_ms[0], span_y[0]))
        right, top = ax.transData.transform((span_ms[1], span_y[1]))
        width, most = right - left - 2 * _MARGIN, int((top - bottom - 4) // self._line_height())
        lines: list[str] = []
        for count in range(len(told), 0, -1) if width >= _MIN_WIDTH else ():
            wrapped = [self._wrapped(text, width) for text in told[:count]]
            lines = [line for text in wrapped for line in text]
            if all(wrapped) and len(lines) <= most:
                break
            lines = []
        is_least = not lines
        if is_least:
            lines = [least]
            if self._width(least) > right - left - 1:
                return
        elif drawable(printable(words)):
            spoken = self._wrapped(printable(words, _MOST_WORDS), width)
            room = most - len(lines)
            lines += spoken if len(spoken) <= room else self._cut_short(spoken[:room], width)
        middle = (span_ms[0] + span_ms[1]) / 2
        text = ax.text(
            middle if is_least else ax.transData.inverted().transform((left + _MARGIN, 0))[0],
            (span_y[0] + span_y[1]) / 2,
            "\n".join(lines),
            fontsize=_SIZE,
            linespacing=1.25,
            color=colour,
            ha="center" if is_least else "left",
            va="center",
            zorder=5,
            clip_on=True,
            bbox={"facecolor": box.get_facecolor(), "edgecolor": "none", "pad": 1},  # over the hatches
            **self._look(),
        )
        text.set_clip_path(box)

    def inside(self, ax: Any, span_ms: tuple[int, int], y: float, text: str, colour: str) -> None:
        """Write words in the middle of a span, if they fit and the fonts can draw them."""
        left, right = (ax.transData.transform((at, 0))[0] for at in span_ms)
        shown = printable(text)
        if drawable(shown) and self._width(shown) + 4 <= right - left:
            middle, look = sum(span_ms) / 2, {"fontsize": _SIZE, "ha": "center", "va": "center", "zorder": 5}
            ax.text(middle, y, shown, color=colour, **look, **self._look())

    def value(self, ax: Any, span_ms: tuple[int, int], y: float, limit: float | None, text: str, colour: str) -> None:
        """Write a number over or below the middle of a span, away from the limit, if it fits."""
        left, right = (ax.transData.transform((at, 0))[0] for at in span_ms)
        low, high = ax.get_window_extent(self._renderer).intervaly
        if self._width(text) + 6 > right - left or high - low < 2 * self._line_height():
            return
        over = limit is None or y >= limit
        ax.annotate(
            text,
            ((span_ms[0] + span_ms[1]) / 2, y),
            (0, 3 if over else -3),
            textcoords="offset points",
            ha="center",
            va="bottom" if over else "top",
            fontsize=_SIZE - 1,
            color=colour,
            zorder=5,
            **self._look(),
        )

    def beside(self, ax: Any, y: float, text: str, colour: str) -> None:
        """Write a word at the right end of a lane, at the height of y."""
        ax.annotate(
            text,
            (1.0, y),
            (5, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=_SIZE - 0.5,
            color=colour,
            annotation_clip=False,
            **self._look(),
        )

    def _look(self) -> dict[str, Any]:
        return {"parse_math": False, "family": list(self._families)}

    def _line_height(self) -> float:
        return float(_SIZE * 1.25 * self._figure.dpi / 72)

    def _width(self, text: str) -> float:
        from matplotlib.font_manager import FontProperties

        properties = FontProperties(family=list(self._families), size=_SIZE)
        return float(self._renderer.get_text_width_height_descent(text, properties, False)[0])

    def _cut_short(self, lines: list[str], width: float) -> list[str]:
        """Return the lines with an ellipsis at the end."""
        if not lines:
            return []
        last = lines[-1].split()
        while last and self._width(" ".join([*last, "..."])) > width:
            last.pop()
        return [*lines[:-1], " ".join([*last, "..."])]

    def _wrapped(self, text: str, width: float) -> list[str]:
        """Break the text into lines of at most `width`; no lines if a word is wider."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self._width(longer) <= width:
                lines[-1] = longer
            elif self._width(word) <= width:
                lines.append(word)
            else:
                return []
        return lines


@cache
def font_families() -> tuple[str, ...]:
    """Return the fonts for characters, in order of preference."""
    from matplotlib.font_manager import fontManager

    known = {font.name for font in fontManager.ttflist}
    return ("DejaVu Sans", *(name for name in _FONTS if name in known))


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(
        code for name in font_families() for code in get_font(findfont(FontProperties(family=name))).get_charmap()
    )


def drawable(text: str) -> bool:
    """Return whether the text looks right when it is drawn: each character has a glyph, and none is written leftward."""
    known = _characters()
    return all(ord(c) in known and unicodedata.bidirectional(c) not in _LEFTWARD for c in text)


__all__ = ["Labels", "drawable", "font_families"]
