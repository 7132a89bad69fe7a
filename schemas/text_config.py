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
    "asr",
]
#: Formats in which one file may hold the transcripts of many videos.
_IN_ONE_FILE = ("howto100m", "vidchapters")
_NOT_TRANSCRIPTS = ("hdvila", "none")  # finished sentences, not cues
Share = Annotated[float, Field(ge=0, le=1)]


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


class Recognition(Section):
    """How speech is recognised: the model, a name or a folder, and its settings. A long clip beyond a threshold is dropped, and
    so is a transcript that agrees with the sound less than `min_agreement`; None: no threshold."""

    model: str | None = Field(None, min_length=1)
    language: str | None = Field(None, pattern=r"^[a-z]{2,3}$")  # None: detected for each video
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:[0-9]+)?)$")
    compute_type: Literal["int8", "int8_float32", "int8_float16", "int16", "float16", "bfloat16", "float32"] | None = (
        None
    )
    vad: bool = True  # leave out what holds no speech before the model hears it
    beam_size: int = Field(5, ge=1, le=64)
    batch_size: int | None = Field(
        None, ge=1, le=1024
    )  # pieces of 30 s at a time; None: 1 on a CPU, 16 on a GPU with vad
    align: bool = False
    min_agreement: Share | None = None
    min_logprob: float | None = Field(None, le=0)
    max_no_speech: Share | None = None
    max_compression: float | None = Field(None, gt=0)
    min_language: Share | None = None

    @property
    def device_class(self) -> str:
        """The kind of device: results may differ between kinds."""
        return self.device.partition(":")[0]

    @property
    def arithmetic(self) -> str:
        """The compute type: the one asked for, or the usual one of the device."""
        return self.compute_type or {"cpu": "int8", "cuda": "float16"}[self.device_class]

    @property
    def batch(self) -> int:
        """The number of pieces of 30 s that the model hears at a time."""
        return self.batch_size or (16 if self.device_class == "cuda" and self.vad else 1)


class TextSource(Recognition):
    """Where the sentences come from. `none`: the video records carry them. `asr`: speech recognition; as `fallback`, only for the
    videos without a usable transcript, for which `format: [vtt, asr]` is short. `languages`: of transcripts in several, the order
    of preference."""

    format: TextFormat = "none"
    fallback: Literal["asr"] | None = None
    path: Templates | None = None
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...] = ()
    encoding: str = "utf-8"

    @property
    def is_transcript(self) -> bool:
        """Whether the text is a transcript: cues, not finished sentences."""
        return self.format not in _NOT_TRANSCRIPTS

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
        return self.has_files and not self.is_joined and (self.path is None or self.is_listed)

    @property
    def has_files(self) -> bool:
        """Whether each video may have a transcript file."""
        return self.is_transcript and self.format != "asr"

    @property
    def recognises(self) -> bool:
        """Whether recognised speech may become the text of a video."""
        return self.format == "asr" or self.fallback is not None

    @property
    def compares(self) -> bool:
        """Whether transcripts are compared with recognised speech."""
        return self.align or self.min_agreement is not None

    @property
    def hears(self) -> bool:
        """Whether speech is recognised at all."""
        return self.recognises or self.compares

    @model_validator(mode="before")
    @classmethod
    def _formats_in_order(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and isinstance(formats := raw.get("format"), list | tuple):
            if len(formats) != 2 or formats[1] != "asr":
                shown = ", ".join(map(str, formats))
                raise ValueError(f"format [{shown}] must be a format and then asr, as in [vtt, asr]")
            return raw | {"format": formats[0], "fallback": "asr"}
        return raw

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
        if self.format != "auto" and (self.path is None) != (self.format in ("none", "asr")):
            raise ValueError(f"format {self.format!r} {'needs' if self.path is None else 'takes no'} path")
        if self.has_files and self.format not in _IN_ONE_FILE and not all(VIDEO_ID in one for one in self.paths):
            suffix = {"whisper": "json", "auto": "vtt"}.get(self.format, self.format)
            wrong = next(one for one in self.paths if VIDEO_ID not in one)
            raise ValueError(f"path {wrong!r} must name one file per video, as in 'subs/{{video_id}}.{suffix}'")
        if self.is_listed:
            if not self.is_transcript or self.is_joined:
                raise ValueError(f"format {self.format!r} takes one path, without * and {{ext}} at its end")
            for one in self.paths:
                parse_template(one)
        return self

    @model_validator(mode="after")
    def _recognition_has_a_model(self) -> Self:
        one_each = self.has_files and not self.is_joined
        if self.fallback is not None and not one_each:
            raise ValueError(
                f"format [{self.format}, asr] needs a transcript file for each video; use asr alone, or [vtt, asr]"
            )
        if self.compares and not one_each:
            setting = "align" if self.align else "min_agreement"
            raise ValueError(
                f"{setting} compares transcript files, one for each video; format {self.format!r} has none"
            )
        if self.batch > 1 and not self.vad:
            raise ValueError("batch_size above 1 needs vad: true, which finds the pieces")
        if self.hears and self.model is None:
            raise ValueError("speech recognition needs model, a name or a folder, as in model: small")
        fields = Recognition.model_fields
        given = [name for name in fields if getattr(self, name) != fields[name].default]
        if given and not self.hears:
            raise ValueError(
                f"{given[0]} is a setting of speech recognition; ask for it with format: asr, format: [{self.format}, asr], "
                "align or min_agreement"
            )
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
