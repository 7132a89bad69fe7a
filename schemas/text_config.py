"""The sections of `corpus.yaml` about text: where it comes from, cleaning, sentences and captions."""

import codecs
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from longtake.schemas.settings import Section
from longtake.schemas.templates import VIDEO_ID, is_listed, parse_template

TextFormat = Literal[
    "hdvila",
    "auto",
    "vtt",
    "srt",
    "json3",
    "srv3",
    "ttml",
    "whisper",
    "howto100m",
    "vidchapters",
    "ass",
    "sami",
    "none",
]
#: Formats in which one file may hold the transcripts of many videos.
_IN_ONE_FILE = ("howto100m", "vidchapters")


def _one_or_several(given: Any) -> Any:
    several = given if isinstance(given, list | tuple) else [given]
    if not several or not all(isinstance(one, str) for one in several):
        raise ValueError("must be a path, or a list of paths in the order of preference")
    return given


#: A template of paths, or several in the order of preference.
Templates = Annotated[str | tuple[str, ...], BeforeValidator(_one_or_several)]


def listed(templates: Templates | None) -> tuple[str, ...]:
    """The templates as a tuple; () if there is none."""
    return () if templates is None else (templates,) if isinstance(templates, str) else templates


#: The question to the model. pipeline/plan/captions/parse.py reads answers in this form.
PROMPT = (
    "Below is speech from a video as recognised by a machine, in numbered sentences with the seconds at which each is said. "
    "Write one short caption for each of the {count} sentences. Say what can be seen, as far as the speech tells it, in the "
    "present tense and in the language of the speech, and nothing that was not said. Begin each caption with the number of its "
    "sentence in brackets, keep their order, and write nothing else.\n{sentences}"
)


class TextSource(Section):
    """Where the sentences come from. `none`: the video records carry them. `languages`: of transcripts in several, the order of
    preference."""

    format: TextFormat = "none"
    path: Templates | None = None
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...] = ()
    encoding: str = "utf-8"

    @property
    def is_transcript(self) -> bool:
        """Whether the text is a transcript: cues, not finished sentences."""
        return self.format not in ("hdvila", "none")

    @property
    def is_joined(self) -> bool:
        """Whether one file holds the transcripts of all videos."""
        return self.format in _IN_ONE_FILE and not any(VIDEO_ID in one for one in self.paths)

    @property
    def paths(self) -> tuple[str, ...]:
        """The templates of paths, in the order of preference; a path without {video_id} is that of one file for all."""
        return listed(self.path)

    @property
    def file(self) -> str:
        """The path of the one file with the texts of all videos."""
        return self.paths[0]

    @property
    def is_listed(self) -> bool:
        """Whether transcripts are looked for in listings of their folders."""
        return is_listed(self.paths)

    @property
    def is_named(self) -> bool:
        """Whether records, listings or the folder of the videos name the transcripts, not one template alone."""
        return self.is_transcript and not self.is_joined and (self.path is None or self.is_listed)

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
            b"\xff".decode(encoding, "replace")  # codecs for network names cannot replace a broken byte
            return codecs.lookup(encoding).name
        except (LookupError, UnicodeError, ValueError):
            raise ValueError(f"{encoding!r} is not a text encoding; use one such as utf-8, cp1252 or cp1256") from None

    @model_validator(mode="after")
    def _path_fits_format(self) -> Self:
        if self.format != "auto" and (self.path is None) != (self.format == "none"):
            raise ValueError(f"format {self.format!r} {'needs' if self.path is None else 'takes no'} path")
        if self.is_transcript and self.format not in _IN_ONE_FILE and not all(VIDEO_ID in one for one in self.paths):
            suffix = {"whisper": "json", "auto": "vtt"}.get(self.format, self.format)
            wrong = next(one for one in self.paths if VIDEO_ID not in one)
            raise ValueError(f"path {wrong!r} must name one file per video, as in 'subs/{{video_id}}.{suffix}'")
        if self.is_listed:
            if not self.is_transcript or self.is_joined:
                raise ValueError(f"format {self.format!r} takes one path, without * and {{ext}} at its end")
            for one in self.paths:
                parse_template(one)
        return self


class Clean(Section):
    """What to remove from text before it becomes sentences. `loops`: repeats in a row that make a phrase a loop; 0: off."""

    texts: Literal["transcripts", "all"] = "transcripts"
    at_once: bool = True
    rolling: bool = True
    sound_tags: bool = True
    speakers: bool = True
    boilerplate: bool = True
    loops: int = Field(5, ge=0)

    @field_validator("loops")
    @classmethod
    def _twice_is_no_loop(cls, loops: int) -> int:
        if loops in (1, 2):
            raise ValueError("a loop has 3 repeats or more; set 3 or more, or 0 to keep loops")
        return loops


class Sentences(Section):
    """How cues become sentences. Lengths in words as schemas/words.py counts them, times in milliseconds."""

    split: Literal["auto", "cues", "sentences"] = "auto"
    model: str | None = Field(None, min_length=1)
    min_words: int = Field(3, ge=1)
    max_words: int = Field(30, ge=2)
    pause_ms: int = Field(600, ge=0)
    max_pause_ms: int = Field(2000, ge=0)

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.max_words < 2 * self.min_words:
            raise ValueError(f"max_words ({self.max_words}) must be at least twice min_words ({self.min_words})")
        if self.max_pause_ms < self.pause_ms:
            raise ValueError(f"max_pause_ms ({self.max_pause_ms}) is below pause_ms ({self.pause_ms})")
        return self


class Captions(Section):
    """Captions that a model writes from the speech. `model` is a name or a folder; None: the speech stays the text."""

    model: str | None = Field(None, min_length=1)
    prompt: str = PROMPT
    max_prompt_tokens: int = Field(2048, ge=16)
    max_new_tokens: int = Field(512, ge=1, le=16_384)
    batch_size: int = Field(1, ge=1)
    device: str | None = Field(None, pattern=r"^[a-z]+(:[0-9]+)?$")

    @field_validator("prompt")
    @classmethod
    def _prompt_holds_the_sentences(cls, prompt: str) -> str:
        if prompt.count("{sentences}") != 1:
            raise ValueError(f"it holds {{sentences}} {prompt.count('{sentences}')} times; it must, once")
        return prompt
