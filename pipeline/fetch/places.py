"""Where the files of a video go: the templates `uri` and `text.path` of the configuration, and the folder of fetched.

A template that ends in {ext} or * gets the ending of what came; with another ending, a video of another kind gets its own.
"""

import hashlib
import os

from longtake.pipeline.parse.manifest import safe_uri
from longtake.schemas import scratch, storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.fetch_config import Fetch
from longtake.schemas.layout import Layout

#: Names of files by container, in ffmpeg's names; the first is the usual one.
ENDINGS = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("mp4", "m4v", "mov", "3gp", "3g2", "mj2"),
    "matroska,webm": ("webm", "mkv"),
    "mpegts": ("ts", "m2ts", "mts"),
    "mpeg": ("mpg", "mpeg", "vob"),
    "avi": ("avi",),
    "ogg": ("ogv", "ogg", "ogm"),
    "flv": ("flv",),
    "asf": ("wmv", "asf"),
    "mxf": ("mxf",),
}
_ALL_ENDINGS = frozenset(ending for endings in ENDINGS.values() for ending in endings)


def ending_of(container: str, named: str) -> str:
    """Return the ending for a container: `named`, the one that the file came with, if it fits."""
    endings = ENDINGS.get(container, ("bin",))
    return named.lower() if named.lower() in endings else endings[0]


def is_media(ending: str) -> bool:
    """Whether names of videos end so."""
    return ending.lower() in _ALL_ENDINGS


def video_uri(template: str, video_id: str, ending: str) -> str:
    """Return the place of a video, relative as in the configuration. Raises ValueError for an id that is no file name."""
    uri = safe_uri(None, video_id, template)
    if "{ext}" in template:
        return uri.replace("{ext}", ending)
    if template.endswith("*"):
        return f"{uri[:-1].rstrip('.')}.{ending}"
    stem, _, named = uri.rpartition(".")
    fits = any(named.lower() in endings and ending in endings for endings in ENDINGS.values())
    return uri if fits or named.lower() not in _ALL_ENDINGS else f"{stem}.{ending}"


def captions_uri(template: str, video_id: str, language: str, form: str) -> str:
    """Return the place of captions, relative as in the configuration. Raises ValueError for an id that is no file name."""
    uri = safe_uri(None, video_id, template).replace("{lang}", language)
    if "{ext}" in template:
        return uri.replace("{ext}", form)
    return f"{uri[:-1].rstrip('.')}.{language}.{form}" if template.endswith("*") else uri


def record_path(layout: Layout, video_id: str) -> str:
    """The record of a video."""
    return layout.path("records", f"{video_id}.json")


def part_folder(layout: Layout, video_id: str, url: str) -> str:
    """The local folder of what came so far. On an object store, it is scratch space, and ends with the process."""
    name = hashlib.sha256(f"{video_id}\0{url}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    local = storage.local_path(layout.path("staging", "parts")) if not storage.is_remote(layout.root) else None
    return os.path.join(local or os.path.join(scratch.folder(), "parts"), name)


def settings_of(config: CorpusConfig) -> Fetch:
    """Return `source.fetch`. Raises ConfigError if there is none."""
    if config.source.fetch is None:
        raise ConfigError("source.fetch: not there. It names the URLs to fetch; docs/sources.md has an example.")
    return config.source.fetch


def template_of(config: CorpusConfig) -> str:
    """Return the template of the places of videos, of several the first. Raises ConfigError if there is none."""
    template = config.source.uri_template
    if template is None:
        raise ConfigError("source.uri: not there. fetch needs the place of each video, as in videos/{video_id}.mp4")
    return template


def fetch_layout(config: CorpusConfig) -> Layout:
    """The folder with records, ledger and what is half done."""
    return Layout(config.resolve(settings_of(config).folder))
