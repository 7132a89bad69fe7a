"""Corpora to look through in tests: one in which every text, id and address wants to be something else; and its application."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import corpora
from flask.testing import FlaskClient

from longtake.pipeline.audit.sampling import ReviewSample, write_sample
from longtake.pipeline.browse.app import create_app
from longtake.pipeline.browse.guard import Access
from longtake.pipeline.browse.server import Options, Server
from longtake.schemas.layout import Layout
from longtake.schemas.records import LongClip

SCRIPT = "<script>alert(1)</script>"
PATH_ID, TAG_ID = "../../etc/passwd", '"><img src=x onerror=alert(1)>'
VIDEOS = ("alpha", "beta", "gamma", "delta", "epsilon", PATH_ID, TAG_ID)
ALPHA, ALPHA_2 = "alpha-000001000-000021502", "alpha-000090500-000111002"
PORT = 8400
HOST = {"Host": f"localhost:{PORT}"}


def build(root: Path) -> Layout:
    """A corpus with eleven samples: alpha is on YouTube, beta has no licence, the last two videos are hostile."""
    made = corpora.clips_of

    def clips_of(video_id: str, settings: Any) -> list[LongClip]:
        return [_changed(clip) for clip in made(video_id, settings)]

    corpora.clips_of = clips_of
    try:
        return corpora.build(root, VIDEOS)
    finally:
        corpora.clips_of = made


def _changed(clip: LongClip) -> LongClip:
    video, sentences = clip.video, clip.sentences
    if video.video_id in (PATH_ID, TAG_ID):
        sentences = tuple(replace(s, text=f"{s.text} {SCRIPT}") for s in sentences)
        video = replace(video, url="javascript:alert(1)", license=f"<b>{SCRIPT}", meta=f'{{"<i>": "{SCRIPT}"}}')
    if video.video_id == "alpha":
        video = replace(video, url="https://www.youtube.com/watch?v=abc&t=3")
    if video.video_id == "beta":
        video = replace(video, license="")
    return replace(clip, video=video, sentences=sentences)


def draw(layout: Layout, *keys: str) -> None:
    """Make these samples the sample for review."""
    rows = [ReviewSample(key, key.partition("-")[0], "train", "split train", len(keys), 1.0, 7) for key in keys]
    write_sample(layout, rows)


def served(root: Path, **options: Any) -> Server:
    """A server of the corpus at `root`, on any port, that does not run yet."""
    return Server(str(root), Options(port=0, **options))


def client_of(server: Server, access: Access | None = None) -> FlaskClient:
    """A client of the application of a server, as if it listened on port 8400 of this machine."""
    access = access or Access("127.0.0.1", PORT, csrf="the-csrf-token")
    app = create_app(server.site, access)
    app.config["SERVER_NAME"] = HOST["Host"]  # whom the client asks, where no header says otherwise
    return app.test_client()


def proved(server: Server, path: str) -> str:
    """A path with the proof that lets its SQL run, as the pages of the server have it in their links."""
    sql = parse_qs(urlsplit(path).query).get("sql", [""])[0]
    return f"{path}&k={server.site.proof(sql)}" if sql else path


def shown(client: FlaskClient, query: str) -> str:
    """What the page of a list keeps of the samples that it shows; "" if it shows none."""
    found = re.search(r'data-shown="([^"]*)"', client.get(f"/?{query}", headers=HOST).text)
    return found[1] if found else ""


def mark(client: FlaskClient, **values: str) -> Any:
    """Send a decision as the page does."""
    whole = {"subject": "sample", "subject_id": ALPHA, "decision": "reject", "curator": "Ann"} | values
    return client.post("/api/marks", json=whole, headers={"X-Longtake": "the-csrf-token", **HOST})
