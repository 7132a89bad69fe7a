"""An explanation as a picture: the video as a timeline, broken into lines like text if it is long.

From top to bottom: long clips, sentences, cues as read, the coherence curve with the cuts, and each score that has a threshold.
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from longtake.jobs.explain.labels import Labels
from longtake.jobs.explain.legend import CUTS, DARK, GREY, RED, SILENCE, handles_of
from longtake.jobs.explain.lines import line_spans
from longtake.pipeline.explain.explanation import ClipFate, Explanation, FilterCheck, Said
from longtake.schemas.extras import check_package
from longtake.schemas.wording import clock, plural

_LEGEND_COLUMNS = 5
_WIDTH = 14.0  # inches
_DPI = 100
_CURVE_ENDS_MS = 30_000  # the curve is not drawn over a longer silence
_MOST_SCORES = 6
_FILLS = ("#8ecae6", "#b8d8a8", "#f4d58d", "#c8b6e2", "#9fd8cb", "#e9c1a0")


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the timeline: its span, and the axes of its lanes."""

    start_ms: int
    end_ms: int
    spans: Any
    curve: Any | None
    scores: dict[str, Any]


def draw(found: Explanation) -> bytes:
    """Draw the picture, as PNG. Raises MissingExtraError if matplotlib is missing."""
    check_package("--picture", "matplotlib", "text")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    lines = line_spans(found)
    scores = _with_threshold(found.clips)[: _MOST_SCORES if len(lines) == 1 else 2]
    has_curve = any(said.similarity is not None for said in found.sentences)
    heights = _heights(len(lines), has_curve, len(scores))
    handles = handles_of(found)
    header, footer = 0.8, 0.15 + 0.18 * -(-len(handles) // _LEGEND_COLUMNS)
    body = sum(heights) * len(lines)
    figure: Any = Figure(figsize=(_WIDTH, header + body + footer), dpi=_DPI)
    FigureCanvasAgg(figure)
    labels = Labels(figure)
    grid = figure.add_gridspec(
        len(lines) * len(heights),
        1,
        height_ratios=heights * len(lines),
        hspace=0,
        left=0.11,
        right=0.915,
        top=1 - header / (header + body + footer),
        bottom=footer / (header + body + footer),
    )
    for number, (start, end) in enumerate(lines):
        axes = [figure.add_subplot(grid[number * len(heights) + i]) for i in range(len(heights) - 1)]
        line = _Line(
            start, end, axes[0], axes[1] if has_curve else None, dict(zip(scores, axes[1 + has_curve :], strict=True))
        )
        _draw_line(line, found, labels, len(lines) == 1)
    _header(figure, found, labels, header / (header + body + footer))
    if handles:
        place = {"loc": "lower left", "bbox_to_anchor": (0.005, 0.0)}
        figure.legend(handles=handles, ncols=_LEGEND_COLUMNS, fontsize=8, frameon=False, **place)
    out = io.BytesIO()
    figure.canvas.draw()
    whole = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    whole.quantize(128, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _heights(lines: int, has_curve: bool, scores: int) -> list[float]:
    """Return the inches of each lane of a line, and of the times below it."""
    if lines == 1:
        return [2.1, *([1.6] if has_curve else []), *([0.55] * scores), 0.45]
    return [1.15, *([0.75] if has_curve else []), *([0.3] * scores), 0.45]


def _with_threshold(clips: Sequence[ClipFate]) -> list[str]:
    """Return the scores with a threshold, failed scores first."""
    found: dict[str, bool] = {}
    for clip in clips:
        for check in clip.checks:
            if check.setting is not None:
                found[check.score] = found.get(check.score, False) or check.fault is not None
    return sorted(found, key=lambda score: not found[score])


# -- one line ----------------------------------------------------------------------------------------------------------


def _draw_line(line: _Line, found: Explanation, labels: Labels, only: bool) -> None:
    axes = [line.spans, *([line.curve] if line.curve is not None else []), *line.scores.values()]
    for ax in axes:
        ax.set_xlim(line.start_ms, line.end_ms)
        ax.tick_params(axis="both", length=0, labelsize=8, labelbottom=False)
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
        ax.spines["bottom"].set_color("#d8dde6")
        for cut in found.cuts:
            if cut.kind == "gap":
                ax.axvspan(cut.at_ms - cut.silence_ms, cut.at_ms, color=SILENCE, zorder=0, linewidth=0)
    _spans(line, found, labels, only)
    if line.curve is not None:
        _curve(line, found)
    for score, ax in line.scores.items():
        _score(ax, line, score, found.clips, labels, only)
    _times(axes[-1], line)


def _spans(line: _Line, found: Explanation, labels: Labels, only: bool) -> None:
    ax = line.spans
    ax.set_ylim(0, 1)
    ax.set_yticks([0.66, 0.28, 0.09], ["long clips", "sentences", "cues as read"])
    if not found.clips:
        why = next((f"{row.reason.value}: {row.detail}" for row in found.recomputed if row.subject == "video"), "")
        labels.inside(ax, (line.start_ms, line.end_ms), 0.66, f"none; {why}" if why else "none", RED)
    for number, clip in enumerate(found.clips):
        if clip.end_ms > line.start_ms and clip.start_ms < line.end_ms:
            _clip(line, number, clip, labels, only)
    for said in found.sentences:
        fill, edge = _sentence_colours(said, found.clips)
        _bar(ax, said.start_ms, said.end_ms, 0.2, 0.16, facecolor=fill, edgecolor=edge, linewidth=0.6)
        if said.reason and only and said.clip is None:
            labels.inside(ax, (said.start_ms, min(said.end_ms, line.end_ms)), 0.28, said.reason, "white")
    gone = {c.cue_id for step in found.steps for c in step.changes if c.lost}
    for cue in found.cues:
        colour = RED if cue.cue_id in gone else GREY
        _bar(ax, cue.start_ms, cue.end_ms, 0.05, 0.08, facecolor=colour, edgecolor="white", linewidth=0.4)
    for start in found.chapters_ms:
        ax.axvline(start, color=CUTS["chapter"][0], linestyle="--", linewidth=1.2)
    for cut in found.cuts:
        colour, style, _ = CUTS[cut.kind]
        ax.plot([cut.at_ms] * 2, [0.16, 0.42], color=colour, linestyle=style, linewidth=1.3, zorder=4)


def _sentence_colours(said: Said, clips: Sequence[ClipFate]) -> tuple[str, str]:
    if said.clip is None:
        return (RED, "white") if said.reason else (GREY, "white")
    left_out = bool(clips) and clips[said.clip].state == "dropped"
    return (_FILLS[said.clip % len(_FILLS)], RED if left_out else "white")


def _clip(line: _Line, number: int, clip: ClipFate, labels: Labels, only: bool) -> None:
    left_out = clip.state == "dropped"
    look = {"facecolor": _FILLS[number % len(_FILLS)], "edgecolor": "white", "linewidth": 1.0}
    if left_out:
        look = {"facecolor": "#fdecec", "edgecolor": RED, "linewidth": 1.0, "hatch": "////" if not only else ""}
    box = _bar(line.spans, clip.start_ms, clip.end_ms, 0.42, 0.5, **look)
    fate = f"dropped: {clip.reason}" if left_out else clip.state
    coherence = "" if clip.coherence is None else f", coherence {clip.coherence:.2f}"
    told = [
        f"clip {number + 1}: {fate}",
        f"{plural(clip.sentences, 'sentence')}, {plural(clip.words, 'word')}{coherence}",
    ]
    if left_out and clip.detail:
        told.insert(1, clip.detail)
    span = max(clip.start_ms, line.start_ms), min(clip.end_ms, line.end_ms)
    colour = RED if left_out else DARK
    labels.fill(line.spans, box, span, (0.42, 0.92), str(number + 1), told, clip.text, colour)


def _bar(ax: Any, start: int, end: int, bottom: float, height: float, **look: Any) -> Any:
    from matplotlib.patches import Rectangle

    return ax.add_patch(Rectangle((start, bottom), max(end - start, 1), height, zorder=3, **look))


def _curve(line: _Line, found: Explanation) -> None:
    ax = line.curve
    if ax is None:
        return
    points = [s for s in found.sentences if s.similarity is not None]
    at = [s.start_ms for s in points]
    ends = {cut.at_ms for cut in found.cuts if cut.silence_ms > _CURVE_ENDS_MS}
    drawn = [(s.start_ms - 1 if is_end else s.start_ms, nan if is_end else s.similarity)
             for s in points for is_end in ((True, False) if s.start_ms in ends else (False,))]  # fmt: skip
    ax.set_ylim(-0.05, 1.05)
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_ylabel("coherence curve", fontsize=8, rotation=0, ha="right", va="center", labelpad=20)
    ax.grid(axis="y", color="#e5e9f0", linewidth=0.6, zorder=0)
    ax.vlines(at, 0, [s.depth or 0 for s in points], color="#cdd6e4", linewidth=3, zorder=1)
    ax.plot(*zip(*drawn, strict=True), color="#2a6f97", linewidth=1.3, marker="o", markersize=2.2, zorder=3)
    by_number = dict(enumerate(found.sentences))
    for cut in found.cuts:
        colour, style, _ = CUTS[cut.kind]
        ax.axvline(cut.at_ms, color=colour, linestyle=style, linewidth=1.3, zorder=2)
        similarity = by_number[cut.before].similarity
        if similarity is not None and cut.kind in ("topic", "limit"):
            ax.plot([cut.at_ms], [similarity], marker="v", markersize=6, color=colour, zorder=4)


def _score(ax: Any, line: _Line, score: str, clips: Sequence[ClipFate], labels: Labels, only: bool) -> None:
    checks = [(clip, check) for clip in clips for check in clip.checks if check.score == score]
    limit = next((check.limit for _, check in checks if check.limit is not None), None)
    setting = next((check.setting for _, check in checks if check.setting is not None), None)
    values = [check.value for _, check in checks] + ([limit] if limit is not None else [])
    low, high = min(*values, 0), max(values)
    room = (high - low or 1) * 0.6
    ax.set_ylim(low - room, high + room)
    ax.set_yticks([(low + high) / 2], [score.replace("_", " ")])
    if limit is not None:
        ax.axhline(limit, color=RED, linewidth=0.9, linestyle="--", zorder=2)
        labels.beside(ax, limit, f"{'least' if str(setting).startswith('min') else 'most'} {limit:g}", RED)
    for clip, check in checks:
        _level(ax, line, clip, check, labels if only else None)


def _level(ax: Any, line: _Line, clip: ClipFate, check: FilterCheck, labels: Labels | None) -> None:
    span = max(clip.start_ms, line.start_ms), min(clip.end_ms, line.end_ms)
    if span[0] >= span[1]:
        return
    colour = RED if check.fault else "#2d6a4f"
    ax.plot(span, [check.value] * 2, color=colour, linewidth=2.4, solid_capstyle="butt", zorder=3)
    if labels is not None:
        labels.value(ax, span, check.value, check.limit, f"{check.value:.3g}", colour)


def _times(ax: Any, line: _Line) -> None:
    seconds = (line.end_ms - line.start_ms) / 1000
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    step = 1000 * next((s for s in steps if seconds / s <= 14), steps[-1])
    ticks = list(range(-(-line.start_ms // step) * step, line.end_ms + 1, step))
    ax.set_xticks(ticks, [clock(tick) for tick in ticks])
    ax.tick_params(axis="x", length=3, labelbottom=True, labelsize=8)


# -- around them -------------------------------------------------------------------------------------------------------


def _header(figure: Any, found: Explanation, labels: Labels, height: float) -> None:
    labels.title(f"{found.video.video_id}", 0.012, 1 - 0.3 * height)
    states = Counter(clip.state for clip in found.clips)
    clips = ", ".join(f"{n:,} {state}" for state, n in sorted(states.items(), reverse=True)) or "none"
    cues = f"{len(found.cues):,} cues  \u2192  " if found.cues else ""
    told = f"{cues}{plural(len(found.sentences), 'sentence')}  \u2192  long clips: {clips}.  Cut {found.coherence}."
    figure.text(0.012, 1 - 0.68 * height, told, fontsize=10, color=DARK, va="center", parse_math=False)
