"""The configuration of a corpus: `corpus.yaml`. A wrong one fails here, before any work starts."""

import os
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from longtake.schemas import storage
from longtake.schemas.settings import Section, check_settings, read_settings

REFERENCE = "docs/format.md"
Fraction = Annotated[float, Field(ge=0, le=1)]


class TextSource(Section):
    """Where the sentences come from. `none`: the video records carry them."""

    format: Literal["hdvila", "vtt", "srt", "none"] = "none"
    path: str | None = None

    @model_validator(mode="after")
    def _path_fits_format(self) -> Self:
        if (self.path is None) != (self.format == "none"):
            raise ValueError(f"format {self.format!r} {'needs' if self.path is None else 'takes no'} path")
        if self.format in ("vtt", "srt") and "{video_id}" not in (self.path or ""):
            raise ValueError(
                f"path {self.path!r} must name one file per video, as in 'subs/{{video_id}}.{self.format}'"
            )
        return self


class Source(Section):
    videos: str
    uri: str | None = None
    text: TextSource = TextSource()
    groups: str | None = None

    @field_validator("uri")
    @classmethod
    def _uri_names_the_video(cls, uri: str | None) -> str | None:
        if uri is not None and "{video_id}" not in uri:
            raise ValueError(f"{uri!r} must contain {{video_id}}")
        return uri


class Merge(Section):
    """How sentences become long clips. Lengths in sentences, times in milliseconds."""

    min_sentences: int = Field(4, ge=1)
    max_sentences: int = Field(16, ge=1)
    max_gap_ms: int = Field(2000, ge=0)
    max_duration_ms: int = Field(240_000, ge=1)

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.max_sentences < self.min_sentences:
            raise ValueError(f"max_sentences ({self.max_sentences}) is below min_sentences ({self.min_sentences})")
        return self


class Frames(Section):
    """What is sampled: frames per sentence, their size in pixels and coding, and how exact their times must be."""

    per_sentence: int = Field(8, ge=1, le=256)
    short_side: int = Field(240, ge=16, le=4320)
    format: Literal["jpeg"] = "jpeg"
    quality: int = Field(90, ge=1, le=100)
    tolerance_ms: int = Field(0, ge=0)
    decoder: Literal["pyav", "decord"] = "pyav"


class Shards(Section):
    samples: int = Field(256, ge=1)


class Limits(Section):
    """Bounds against hostile or absurd sources. A video beyond one is dropped with reason `limit_exceeded`."""

    pixels: int = Field(8192 * 4320, ge=1)  # of one frame
    duration_ms: int = Field(24 * 3600 * 1000, ge=1)
    streams: int = Field(64, ge=1)
    packets: int = Field(20_000_000, ge=1)
    decode_seconds: float = Field(900, gt=0)  # wall clock for one decode task (up to ten minutes of one video)


class CorpusConfig(Section):
    """A validated configuration. `base` is the folder (or URI prefix) that its relative paths start from."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]*$")
    output: str
    seed: int = 0
    source: Source
    merge: Merge = Merge()
    frames: Frames = Frames()
    split: dict[str, Fraction] = Field(default={"train": 1.0})
    shards: Shards = Shards()
    limits: Limits = Limits()
    max_failed: Fraction = 0.2
    base: str = Field(default=".", exclude=True)

    @field_validator("split")
    @classmethod
    def _split_is_whole(cls, split: dict[str, float]) -> dict[str, float]:
        if not split or abs(sum(split.values()) - 1) > 1e-6:
            raise ValueError(f"the shares must add up to 1, not {sum(split.values()):g}")
        for name in split:
            if not name.isascii() or not name.isalnum():
                raise ValueError(f"{name!r}: a split's name is made of letters and digits")
        return split

    @model_validator(mode="after")
    def _every_video_has_a_uri(self) -> Self:
        if self.frames.tolerance_ms and self.frames.decoder == "decord":
            raise ValueError("frames.tolerance_ms works with decoder pyav only")
        return self

    def resolve(self, path: str) -> str:
        """`path` as a usable location: relative ones start from the configuration's folder."""
        joined = storage.join(self.base, path)
        return joined if storage.is_remote(joined) else os.path.normpath(joined)

    @property
    def root(self) -> str:
        """Where the corpus goes."""
        return self.resolve(self.output)

    def published(self) -> dict[str, Any]:
        """The part of the configuration that decides the corpus, without any path of this machine."""
        whole = self.model_dump(mode="json", exclude={"output", "source", "limits"})
        return whole | {"source": {"text": self.source.text.format, "groups": self.source.groups is not None}}


def load_config(path: str) -> CorpusConfig:
    """Read and validate `path` (local or a URI). Raises ConfigError with one line for each fault."""
    return read_settings(path, CorpusConfig, "`longtake init DIR` writes one to start from.", REFERENCE)


def parse_config(raw: dict[str, Any], where: str = "configuration") -> CorpusConfig:
    """Validate settings already read. Raises ConfigError with one line for each fault."""
    return check_settings(raw, CorpusConfig, where, REFERENCE)
