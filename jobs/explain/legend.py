"""Colours and line styles of the picture of a video, and the legend that explains them."""

from collections import Counter
from typing import Any

from longtake.pipeline.explain.explanation import Explanation
from longtake.schemas.wording import plural

RED, DARK, GREY, SILENCE = "#c1121f", "#1d3557", "#8d99ae", "#eceff4"
CUTS = {  # colour, line style, text in the legend
    "topic": ("#1d3557", "-", "cut: the topic turns"),
    "limit": ("#1d3557", ":", "cut: length"),
    "group": ("#1d3557", "-.", "cut: another group"),
    "chapter": ("#7b2cbf", "--", "cut: chapter"),
    "gap": ("none", "-", ""),  # the silence itself is drawn
    "dropped": (RED, ":", "sentence that fits nowhere"),
}


def handles_of(found: Explanation) -> list[Any]:
    """Return the entries of the legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    line: Any = Line2D  # its type has the styles as literals

    kinds = {cut.kind for cut in found.cuts} | ({"chapter"} if found.chapters_ms else set())
    handles: list[Any] = [
        line([], [], color=colour, label=label, linestyle=style)
        for kind, (colour, style, label) in CUTS.items()
        if kind in kinds and label
    ]
    if "gap" in kinds:
        handles.append(Patch(color=SILENCE, label="cut: long silence"))
    if any(s.depth for s in found.sentences):
        handles.append(Line2D([], [], color="#cdd6e4", linewidth=4, label="depth score of the gap"))
    lost = Counter(said.reason for said in found.sentences if said.clip is None and said.reason)
    handles += [
        Patch(color=RED, label=f"{plural(n, 'sentence')} dropped: {reason}") for reason, n in sorted(lost.items())
    ]
    gone = {step.name: sum(change.lost for change in step.changes) for step in found.steps}
    handles += [Patch(color=RED, label=f"{plural(n, 'cue')} dropped: {name}") for name, n in gone.items() if n]
    clips = Counter(clip.reason for clip in found.clips if clip.state == "dropped")
    look: dict[str, Any] = {"facecolor": "#fdecec", "edgecolor": RED}
    handles += [
        Patch(label=f"{plural(n, 'long clip')} dropped: {reason}", **look) for reason, n in sorted(clips.items())
    ]
    return handles
