"""Draws docs/pictures/lfvila.png: the layers of LF-VILA, what each sees, and where the losses act.

Windows, widths and layer counts are read from the model's own sizes: python docs/pictures/lfvila.py
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from longtake.model.network.sizes import BASE

VIDEO, TEXT, FUSION, LOSS, INK = "#cfe3f5", "#d9efd5", "#f6e3c5", "#f3cdcd", "#222222"
FRAMES = BASE.clips * BASE.frames_per_clip


def box(axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: str, size: float = 9) -> None:
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, "round,pad=0,rounding_size=0.12", facecolor=colour, edgecolor=INK, lw=0.8)
    )
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=size, color=INK)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], style: str = "->") -> None:
    axes.annotate(
        "", xy=end, xytext=start, arrowprops={"arrowstyle": style, "color": INK, "lw": 1.0, "shrinkA": 0, "shrinkB": 0}
    )


def windows(axes: Axes, x: float, y: float, width: float, frames: int) -> None:
    """A strip of all frames, cut into windows; clips have a thick border between them."""
    step = width / FRAMES
    for start in range(0, FRAMES, frames):
        shade = "#7fb2de" if (start // frames) % 2 == 0 else "#b7d5ee"
        axes.add_patch(
            Rectangle((x + start * step, y), frames * step, 0.28, facecolor=shade, edgecolor="white", lw=0.4)
        )
    for clip in range(1, BASE.clips):
        axes.plot([x + clip * BASE.frames_per_clip * step] * 2, [y - 0.06, y + 0.34], color=INK, lw=1.2)


def draw() -> Figure:
    figure = Figure(figsize=(10.5, 7.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(0, 16)
    axes.set_ylim(-0.2, 12.2)
    axes.axis("off")
    video, text = BASE.video, BASE.text

    box(
        axes,
        0.2,
        0.0,
        7.4,
        0.7,
        f"video: {BASE.clips} clips x {BASE.frames_per_clip} frames, {BASE.height} x {BASE.width}",
        "white",
    )
    box(axes, 0.2, 1.1, 3.2, 0.6, "patches {}x{}x{}, LN".format(*video.patch), VIDEO)
    arrow(axes, (1.8, 0.7), (1.8, 1.1))
    y = 2.1
    middle_of_tap = 0.0
    for layer, (t, h, w) in enumerate(video.windows):
        if layer == video.tap:
            middle_of_tap = y - 0.2
        merge = ", merge" if layer in video.merges else ""
        label = f"layer {layer}: {video.depths[layer]} x {video.width(layer)}{merge}"
        box(axes, 0.2, y, 3.2, 0.62, label, VIDEO)
        windows(axes, 3.7, y + 0.17, 3.6, t)
        axes.text(7.4, y + 0.31, f"{t}x{h}x{w}", fontsize=8, va="center", color=INK)
        arrow(axes, (1.8, y - 0.4), (1.8, y))
        y += 1.02
    box(axes, 0.2, y, 3.2, 0.62, "LN, pool 2x3, mean", VIDEO)
    arrow(axes, (1.8, y - 0.4), (1.8, y))
    top = y

    box(axes, 9.9, 0.0, 5.6, 0.7, f"text: {BASE.clips} sentences", "white")
    box(axes, 10.6, 2.6, 4.2, 1.3, f"BERT layers 0-{text.sentence_layers - 1}\neach sentence alone", TEXT)
    arrow(axes, (12.7, 0.7), (12.7, 2.6))
    box(axes, 10.6, 5.6, 4.2, 0.8, "position + segment, LN\nstart token = mean of first tokens", TEXT, 8)
    arrow(axes, (12.7, 3.9), (12.7, 5.6))
    box(
        axes,
        10.6,
        6.9,
        4.2,
        1.2,
        f"BERT layers {text.sentence_layers}-{text.paragraph_layers - 1}\nthe paragraph",
        TEXT,
    )
    arrow(axes, (12.7, 6.4), (12.7, 6.9))

    box(axes, 8.05, 4.45, 2.1, 0.8, "MTC\nclips ↔ sentences", LOSS, 8)
    arrow(axes, (1.8, middle_of_tap), (8.05, middle_of_tap))
    axes.text(
        4.0, middle_of_tap + 0.06, "local tap: merge, LN, pool, mean of each clip", fontsize=8, va="bottom", color=INK
    )
    axes.plot([12.7, 9.6], [4.2, 4.2], color=INK, lw=1.0)
    arrow(axes, (9.6, 4.2), (9.6, 4.45))
    axes.text(10.0, 4.25, "first tokens", fontsize=8, va="bottom", color=INK)

    box(axes, 8.05, top, 2.1, 0.8, "InfoNCE\nvideo ↔ paragraph", LOSS, 8)
    arrow(axes, (3.4, top + 0.31), (8.05, top + 0.31))
    axes.plot([12.7, 12.7], [8.1, top + 0.4], color=INK, lw=1.0)
    arrow(axes, (12.7, top + 0.4), (10.15, top + 0.4))
    axes.text(12.8, 8.6, "start token", fontsize=8, color=INK)

    fusion = f"BERT layers {text.paragraph_layers}-{text.layers - 1} over all tokens of both   (stage 2; all below is frozen)"
    box(axes, 0.2, top + 1.5, 14.6, 0.7, fusion, FUSION)
    arrow(axes, (1.8, top + 0.62), (1.8, top + 1.5))
    arrow(axes, (14.3, 8.1), (14.3, top + 1.5))
    box(axes, 3.4, top + 2.6, 3.6, 0.6, "masked words", LOSS)
    box(axes, 8.6, top + 2.6, 3.6, 0.6, "does the video match?", LOSS)
    arrow(axes, (5.2, top + 2.2), (5.2, top + 2.6))
    arrow(axes, (10.4, top + 2.2), (10.4, top + 2.6))
    axes.set_ylim(-0.2, top + 3.4)
    return figure


if __name__ == "__main__":
    draw().savefig(Path(__file__).with_suffix(".png"), dpi=110)
