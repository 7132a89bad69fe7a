"""Break the timeline of a video into lines."""

from longtake.pipeline.explain.explanation import Explanation, Passage, Said

_ONE_LINE_MS = 12 * 60_000  # a longer video is drawn in several lines
_LINE_MINUTES = (10, 15, 20, 30, 45, 60, 90, 120, 180, 240)
_MOST_LINES = 6
_EMPTY_MS = 10 * 60_000  # a longer silence is not drawn if there are several lines
_DRAWN_LINES = 20
_LONGEST_CUE_MS = 60_000  # if the source was not looked at: some cues never end


def _end_ms(found: Explanation) -> int:
    if found.source is not None and found.source.duration_ms:
        return found.source.duration_ms
    spans = [(c.start_ms, c.end_ms) for c in found.cues] + [(s.start_ms, s.end_ms) for s in found.sentences]
    return max((min(end, start + _LONGEST_CUE_MS) for start, end in spans), default=1000)


def line_spans(found: Explanation) -> list[tuple[int, int]]:
    """Return starts and ends of the lines, all of one length. If the video is long, long silences are skipped."""
    end_ms = _end_ms(found)
    if end_ms <= _ONE_LINE_MS:
        return [(0, end_ms)]
    spoken: list[list[int]] = []
    said: list[Passage | Said] = [*found.cues, *found.sentences]
    for start, end in sorted((s.start_ms, min(s.end_ms, end_ms)) for s in said):
        if spoken and start - spoken[-1][1] <= _EMPTY_MS:
            spoken[-1][1] = max(spoken[-1][1], end)
        elif start < end_ms:
            spoken.append([start // 60_000 * 60_000, end])
    for minutes in _LINE_MINUTES:
        length = minutes * 60_000
        lines = [(at, at + length) for start, end in spoken for at in range(start, max(end, start + 1), length)]
        if len(lines) <= max(_MOST_LINES, len(spoken)):
            break
    return lines[:_DRAWN_LINES] or [(0, end_ms)]
