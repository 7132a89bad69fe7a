"""The pages of a sample with its player, of similar samples, and of a video."""

import json
from typing import Any

from flask import Flask, Response, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from longtake.pipeline.browse.entries import frames_of
from longtake.pipeline.browse.list_pages import described
from longtake.pipeline.browse.mark_pages import unseen
from longtake.pipeline.browse.marks import LABELS
from longtake.pipeline.browse.reasons_kept import checks
from longtake.pipeline.browse.selection import PAGE, Selection, read_selection
from longtake.pipeline.browse.selection_pages import NOT_SELECTED
from longtake.pipeline.browse.site import Site
from longtake.pipeline.browse.source_files import NoSource
from longtake.pipeline.browse.store import ListPlace
from longtake.pipeline.browse.video_timeline import timeline
from longtake.pipeline.publish.source_link import source_link
from longtake.schemas.decision import ADJUDICATION
from longtake.schemas.keys import is_sample_key
from longtake.schemas.records import IndexEntry
from longtake.schemas.scores import INDEX_SCORES, PLAN_SCORES, column
from longtake.schemas.wording import plural

_LONGEST = 3000  # characters of a sentence that the page shows; a browser takes minutes to lay out a million
_SIMILAR = 12
_NEXT_TO = 2  # long clips before and after


def add(app: Flask, site: Site) -> None:
    """Register these pages."""

    @app.get("/sample/<key>")
    def sample(key: str) -> str:
        row, entry = _found(site, key)
        selection = read_selection(request.args)
        decided, basis = site.seen(selection), ADJUDICATION if site.adjudicates(selection) else ""
        clip = entry.clip
        whole = timeline(site.store, site.entries.entry, clip.video.video_id, near=key)
        return render_template(
            "sample.html",
            row=row,
            entry=entry,
            clip=clip,
            player=player_data(entry),
            sentences=_sentences(entry),
            segments=_segments(entry),
            facts=_facts(row, entry),
            meta=_meta(clip.video.meta),
            scores=[(name, row.get(column(name))) for name in (*PLAN_SCORES, *INDEX_SCORES)],
            checks=checks(row, site.manifest.config),
            longest=_LONGEST,
            playable=_playable(site, entry),
            link=source_link(clip.video.url, clip.start_ms),
            near=whole.around(key, _NEXT_TO) if whole else (),
            whole=whole,
            spaces=[space.name for space in site.spaces],
            marks=decided.of(key, clip.video.video_id),
            state=decided.state(key, clip.video.video_id),
            unseen=unseen(site, decided, key, clip.video.video_id),
            own=decided.own(key, clip.video.video_id, basis),
            basis=basis,
            labels=LABELS,
            selection=selection,
            place=_place(site, selection, row["row_id"]),
            page_size=PAGE,
        )

    @app.get("/text/<key>.txt")
    def text(key: str) -> Response:
        _, entry = _found(site, key)
        lines = "".join(f"{sentence.text}\n" for sentence in entry.clip.sentences)
        return make_response(lines.encode("utf-8", "replace"), {"Content-Type": "text/plain; charset=utf-8"})

    @app.get("/similar/<key>")
    def similar(key: str) -> str:
        row, _ = _found(site, key)
        names = [space.name for space in site.spaces]
        name = request.args.get("by", names[0] if names else "")
        space = next((space for space in site.spaces if space.name == name), None)
        found = space.nearest(row["row_id"], _SIMILAR) if space else []
        rows = described(site, site.store.listed([n for n, _ in found]), Selection())
        likeness = dict(found)
        return render_template(
            "similar.html" if request.args.get("part") != "1" else "_similar.html",
            key=key,
            row=row,
            names=names,
            name=name,
            rows=[one | {"likeness": likeness[one["row_id"]], "beside": key} for one in rows],
            selection=Selection(),
        )

    @app.get("/video")
    def video() -> str:
        video_id = request.args.get("id", "")
        found = timeline(site.store, site.entries.entry, video_id)
        if found is None:
            abort(404, "nothing of this corpus is of a video with this id")
        decided = site.seen()
        return render_template(
            "video.html",
            video=found,
            link=source_link(found.url, 0),
            states={one.id: decided.state(one.id, video_id) for one in found.moments if one.kind == "kept"},
            marks=decided.current.get(("video", video_id), []),
            unseen=unseen(site, decided, "", video_id),
            own=decided.own("", video_id),
            basis="",
            labels=LABELS,
        )

    @app.get("/video/<path:video_id>")
    def video_by_path(video_id: str) -> AnyResponse:
        return redirect(url_for("video", id=video_id))


def _found(site: Site, key: str) -> tuple[dict[str, Any], IndexEntry]:
    entry = site.entries.entry(key) if is_sample_key(key) else None
    row = site.store.sample(key) if entry else None
    if entry is None or row is None:
        abort(404, "this corpus has no such sample; the ledger may tell what became of it")
    return row, entry


def _place(site: Site, selection: Selection, row_id: int) -> ListPlace | None:
    try:
        return site.store.place(*site.rows(selection), row_id)
    except NOT_SELECTED:
        return None


def _playable(site: Site, entry: IndexEntry) -> str | None:
    """ "" if the source can be played, else why not; None if nobody asked for sources."""
    if site.sources is None:
        return None
    try:
        site.sources.path(entry)
    except NoSource as error:
        return str(error)
    return ""


def player_data(entry: IndexEntry) -> str:
    """The data for the player as JSON: times of frames and sentences in milliseconds of the video."""
    clip = entry.clip
    frames = min(len(frames_of(entry)), len(clip.frame_times_ms), len(entry.frame_pts_ms))
    return json.dumps(
        {
            "key": clip.key,
            "start": clip.start_ms,
            "end": clip.end_ms,
            "wanted": clip.frame_times_ms[:frames],
            "taken": entry.frame_pts_ms[:frames],
            "sentences": [[s.start_ms, s.end_ms] for s in clip.sentences],
            "frames": url_for("frame", key=clip.key, number=0).rsplit("/", 1)[0],
        }
    )


def _sentences(entry: IndexEntry) -> list[dict[str, Any]]:
    """The sentences with the numbers of their frames."""
    clip = entry.clip
    frames = len(frames_of(entry))
    per_sentence = max(1, len(clip.frame_times_ms) // max(1, len(clip.sentences)))
    return [
        {
            "sentence": sentence,
            "frames": range(min(n * per_sentence, frames), min((n + 1) * per_sentence, frames)),
        }
        for n, sentence in enumerate(clip.sentences)
    ]


def _segments(entry: IndexEntry) -> list[tuple[float, float]]:
    """(start, length) of the sentences on a bar of length 1000."""
    clip = entry.clip
    scale = 1000 / max(1, clip.end_ms - clip.start_ms)
    return [((s.start_ms - clip.start_ms) * scale, (s.end_ms - s.start_ms) * scale) for s in clip.sentences]


def _facts(row: dict[str, Any], entry: IndexEntry) -> list[tuple[str, str]]:
    clip, source = entry.clip, entry.source
    per_second = row["words_per_second"]
    facts = {
        "Licence": clip.video.license or "none given",
        "Split": clip.split,
        "Place": f"{entry.shard}.tar, position {entry.position}",
        "Text": f"{plural(len(clip.sentences), 'sentence')}, {plural(clip.n_words, 'word')}"
        + (f", {per_second:.2f} words per second" if per_second else ""),
        "Language": clip.language or "",
        "Coherence": "" if clip.coherence is None else f"{clip.coherence:.3f}",
        "Source": f"{source.width}x{source.height}, {source.fps or 0:.4g} fps, {source.codec}",
        "Frames": f"{len(frames_of(entry))} of {entry.frame_size[1]}x{entry.frame_size[0]}",
        "Repeats": clip.duplicate_of or "",
        "Video repeats": clip.duplicate_video_of or "",
        "Evaluation sets": clip.evaluation_overlap or "",
    }
    return [(name, value) for name, value in facts.items() if value]


def _meta(text: str) -> list[tuple[str, str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [("meta", text[:2000])]
    if not isinstance(found, dict):
        return []
    return [
        (str(name)[:100], value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:2000])
        for name, value in list(found.items())[:50]
    ]
