"""The page that shows two samples side by side."""

from typing import Any

from flask import Flask, abort, render_template, request

from longtake.pipeline.browse.entries import NoFrame, frames_of
from longtake.pipeline.browse.mark_pages import unseen
from longtake.pipeline.browse.marks import LABELS
from longtake.pipeline.browse.pairs import aligned, alike, differences, picture_hash
from longtake.pipeline.browse.site import Site
from longtake.schemas.errors import CorpusError
from longtake.schemas.keys import is_sample_key
from longtake.schemas.records import IndexEntry
from longtake.schemas.wording import plural

_MAX_FRAMES = 120  # of a sample; more are left out evenly


def add(app: Flask, site: Site) -> None:
    """Register this page."""

    @app.get("/compare/<key>")
    def compare(key: str) -> str:
        left, right = _found(site, key), _found(site, request.args.get("with", ""))
        numbers = [_some(len(frames_of(one))) for one in (left, right)]
        hashes = [[_hash(site, one, n) for n in own] for one, own in zip((left, right), numbers, strict=True)]
        frames = [_pair(pair, numbers, hashes, left, right) for pair in aligned(*hashes)]
        decided = site.seen()
        return render_template(
            "compare.html",
            sides=[_side(site, one) for one in (left, right)],
            frames=frames,
            texts=differences(left.clip.paragraph, right.clip.paragraph),
            key=key,
            video_id=left.clip.video.video_id,
            marks=decided.of(key, left.clip.video.video_id),
            state=decided.state(key, left.clip.video.video_id),
            unseen=unseen(site, decided, key, left.clip.video.video_id),
            own=decided.own(key, left.clip.video.video_id),
            basis="",
            labels=LABELS,
        )


def _found(site: Site, key: str) -> IndexEntry:
    entry = site.entries.entry(key) if is_sample_key(key) else None
    if entry is None:
        abort(404, f"this corpus has no sample {key[:80]}")
    return entry


def _some(number: int) -> list[int]:
    return sorted({n * number // _MAX_FRAMES for n in range(_MAX_FRAMES)}) if number > _MAX_FRAMES else [*range(number)]


def _hash(site: Site, entry: IndexEntry, number: int) -> int | None:
    try:
        return picture_hash(site.entries.frame(entry.clip.key, number))
    except (NoFrame, CorpusError, OSError):
        return None


def _pair(
    pair: tuple[int | None, int | None],
    numbers: list[list[int]],
    hashes: list[list[int | None]],
    left: IndexEntry,
    right: IndexEntry,
) -> dict[str, Any]:
    """What the page shows of two frames next to each other: their numbers and times, and how much they are alike."""
    shown: list[dict[str, Any] | None] = []
    for at, own, entry in zip(pair, numbers, (left, right), strict=True):
        times = entry.frame_pts_ms
        shown.append(
            None if at is None else {"number": own[at], "ms": times[own[at]] if own[at] < len(times) else None}
        )
    likeness = None if None in pair else alike(hashes[0][pair[0] or 0], hashes[1][pair[1] or 0])
    return {"sides": shown, "likeness": likeness}


def _side(site: Site, entry: IndexEntry) -> dict[str, Any]:
    clip = entry.clip
    row = site.store.sample(clip.key) or {}
    return {
        "key": clip.key,
        "video_id": clip.video.video_id,
        "start_ms": clip.start_ms,
        "end_ms": clip.end_ms,
        "facts": [
            ("Split", clip.split),
            ("Licence", clip.video.license or "none given"),
            ("Size", f"{entry.source.width}x{entry.source.height}, {plural(len(frames_of(entry)), 'frame')}"),
            ("Text", f"{plural(len(clip.sentences), 'sentence')}, {plural(clip.n_words, 'word')}"),
            ("Repeats", row.get("duplicate_of") or row.get("duplicate_video_of") or "nothing known"),
        ],
    }
