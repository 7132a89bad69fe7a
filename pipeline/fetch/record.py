"""records/<video_id>.json: what became of a video. Written last, so that it also says that the files are whole."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from longtake.pipeline.fetch.facts import Facts
from longtake.schemas import storage
from longtake.schemas.reasons import Reason

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was stored: its place as in the configuration, size in bytes and SHA-256 ("" if it was not read)."""

    uri: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FetchRecord:
    """One video after `longtake fetch`.

    Attributes:
        video_id, url: as asked for; the URL without credentials.
        when: UTC, when it was fetched or failed.
        video: the file; None: it failed.
        captions: its captions; None: none.
        found: what the site said.
        measured: width, height, fps, codec, container and duration_ms of the file.
        short_side, sound: what the choice of streams was made for; short_side 0: there was nothing to choose.
        captions_for: the languages and formats of captions that were asked for.
        attempts: of the run that ended with this record.
        reason, detail: why it failed; None and "" if it did not.
        versions: of the software that fetched it.
    """

    video_id: str
    url: str
    when: str
    video: StoredFile | None = None
    captions: StoredFile | None = None
    found: Facts | None = None
    measured: dict[str, Any] = field(default_factory=dict)
    short_side: int = 0
    sound: bool = True
    captions_for: tuple[str, ...] = ()
    attempts: int = 1
    reason: Reason | None = None
    detail: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def covers(self, short_side: int, sound: bool) -> bool:
        """Whether the file is enough for this, or there was no other to choose."""
        large = max(self.short_side, min(self.measured.get("width") or 0, self.measured.get("height") or 0))
        return not self.short_side or (large >= short_side and (self.sound or not sound))

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_record(path: str) -> FetchRecord | None:
    """Return a record; None if there is none, or none that can be read: the video is then fetched again."""
    try:
        raw = json.loads(storage.read_bytes(path))
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            return None
        raw["video"], raw["captions"] = (StoredFile(**raw[n]) if raw[n] else None for n in ("video", "captions"))
        raw["found"] = _facts(raw["found"]) if raw["found"] else None
        raw["captions_for"] = tuple(raw["captions_for"])
        raw["reason"] = Reason(raw["reason"]) if raw["reason"] else None
        return FetchRecord(**{one.name: raw[one.name] for one in fields(FetchRecord)})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None


def _facts(raw: Mapping[str, Any]) -> Facts:
    return Facts(**{**raw, "chapters": tuple(raw["chapters"])})


def enriched(record: Mapping[str, Any], fetched: FetchRecord) -> dict[str, Any]:
    """Return a record of the list with what was found: `uri`, `license` and `meta`. What it had already stays as it is,
    but for credentials in its URL, which the corpus would publish."""
    if fetched.video is None:
        raise ValueError(f"{fetched.video_id} has no file")
    found = fetched.found or Facts("", fetched.url)
    meta = _meta(record.get("meta"))
    new = {
        "title": found.title,
        "uploader": found.uploader,
        "upload_date": found.upload_date,
        "language": found.language,
        "chapters": list(found.chapters),
        "duration_ms": fetched.measured.get("duration_ms"),
    }
    whole = {**record, "uri": fetched.video.uri, "url": fetched.url}
    if meta is not None and (kept := {name: value for name, value in new.items() if value} | meta):
        whole["meta"] = kept
    if not record.get("license") and found.license:
        whole["license"] = found.license
    return whole


def _meta(value: Any) -> dict[str, Any] | None:
    """The `meta` of a record, which Parquet tables hold as text; None if it is no object: it stays, and the plan says so."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return {} if value is None else value if isinstance(value, dict) else None
