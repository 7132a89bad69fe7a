"""The configuration of a corpus, `corpus.yaml`. A wrong configuration fails here, before any work starts."""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from longtake.schemas import storage
from longtake.schemas.color import COLORS
from longtake.schemas.fetch_config import Fetch
from longtake.schemas.publication import Publication
from longtake.schemas.settings import Section, check_settings, read_settings
from longtake.schemas.templates import VIDEO_ID, is_listed, parse_template
from longtake.schemas.text_config import Captions, Clean, Recognition, Sentences, Templates, TextSource, listed

REFERENCE = "docs/format.md"
Fraction = Annotated[float, Field(ge=0, le=1)]
#: Published data sets whose metadata are read as they are: pipeline/recipes.
RecipeName = Literal[
    "howto100m", "howtocaption", "yttemporal1b", "vidchapters7m", "internvid", "panda70m", "webvid", "activitynet", "youcook2",
    "condensedmovies", "finevideo", "openvid1m", "didemo", "queryd", "lfvilaretrieval", "how2qa", "violin", "activitynetqa",
    "coin", "lvu",
]  # fmt: skip
#: Those whose records hold questions about whole videos.
TASK_RECIPES = ("didemo", "queryd", "lfvilaretrieval", "how2qa", "violin", "activitynetqa", "coin", "lvu")
ColorProperty = Literal["primaries", "transfer", "matrix", "range"]


class Source(Section):
    """Where videos and their text come from: a file of records, or a folder of videos with transcripts beside them."""

    videos: str = ""
    folder: str | None = Field(None, min_length=1)
    recipe: RecipeName | None = None  # how to read `videos`; with `fetch`, its `urls`
    uri: Templates | None = None
    text: TextSource = TextSource()
    groups: str | None = None
    chapters: str | None = None  # "meta", or a file
    fetch: Fetch | None = None

    @field_validator("uri")
    @classmethod
    def _uri_names_the_video(cls, uri: Templates | None) -> Templates | None:
        for one in listed(uri):
            if VIDEO_ID not in one:
                raise ValueError(f"{one!r} must contain {{video_id}}")
        if is_listed(listed(uri)):
            for one in listed(uri):
                parse_template(one)
        return uri

    @model_validator(mode="before")
    @classmethod
    def _transcripts_are_in_the_folder(cls, raw: Any) -> Any:
        text = (raw.get("text") or {}) if isinstance(raw, dict) and raw.get("folder") is not None else None
        if isinstance(text, dict) and "format" not in text:
            return raw | {"text": text | {"format": "auto"}}
        return raw

    @model_validator(mode="after")
    def _videos_are_named(self) -> Self:
        if bool(self.videos) == (self.folder is not None):
            raise ValueError("give videos, a file of records, or folder, which holds the videos; one of the two")
        if self.folder is not None:
            other = next((name for name in ("recipe", "uri", "groups") if getattr(self, name) is not None), None)
            if other is not None:
                raise ValueError(f"{other} goes with videos, a file of records, not with folder")
            if not self.text.is_transcript or self.text.is_joined:
                raise ValueError(
                    f"text.format {self.text.format!r} is no format of transcripts beside the videos of a folder"
                )
        return self

    @model_validator(mode="after")
    def _fetched_files_have_places(self) -> Self:
        if self.fetch is not None:
            if self.folder is not None:
                raise ValueError("fetch writes records to videos, which folder does not read; leave folder out")
            if self.uri is None:
                raise ValueError("fetch needs uri, the place of each video, as in videos/{video_id}.mp4")
            if not self.videos or not self.videos.endswith(".jsonl") or fnmatchcase(self.videos, self.fetch.urls):
                raise ValueError(
                    f"fetch writes the records to videos, so {self.videos!r} must be a new file, as videos.jsonl, none of urls"
                )
        return self

    @property
    def uris(self) -> tuple[str, ...]:
        """The templates of URIs, in the order of preference."""
        return listed(self.uri)

    @property
    def uri_template(self) -> str | None:
        """The template of the URI of a record that has none: the first one, which also says what is missing if no file fits."""
        return next(iter(self.uris), None)

    @property
    def one_uri(self) -> str | None:
        """The template that gives the URI of a record without looking at any file, if there is such a one."""
        return None if is_listed(self.uris) else self.uri_template

    @property
    def lists_files(self) -> bool:
        """Whether templates name files that listings have to find."""
        return is_listed(self.uris) or self.text.is_listed

    @property
    def place(self) -> str:
        """The file of records or the folder, for people."""
        return self.videos or str(self.folder)


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


class Coherence(Section):
    """How runs are cut where the topic changes, by embeddings of the sentences. `model` is a name or a folder."""

    enabled: bool = False
    model: str = Field("all-MiniLM-L6-v2", min_length=1)
    cut_cost: float = Field(5.0, ge=0, le=1000)
    window: int = Field(3, ge=1)  # sentences on each side of a gap, in the curve that `longtake explain` shows
    batch_size: int = Field(64, ge=1)
    device: str | None = Field(None, pattern=r"^[a-z]+(:[0-9]+)?$")


class Frames(Section):
    """Which frames to take: number per sentence, size in pixels, coding, and how exact their times must be."""

    per_sentence: int = Field(8, ge=1, le=4096)
    uniform: int | None = Field(
        None, ge=1, le=4096
    )  # so many spread over the whole video instead, which is one long clip
    short_side: int = Field(240, ge=16, le=4320)
    format: Literal["jpeg"] = "jpeg"
    quality: int = Field(90, ge=1, le=100)
    tolerance_ms: int = Field(0, ge=0)
    hdr: Literal["drop", "tonemap", "keep"] = "drop"  # how to treat PQ and HLG; tonemap also converts BT.2020 to BT.709
    hold_last: bool = True  # the last frame stays on screen as long as the sound goes on
    decoder: Literal["pyav", "decord"] = "pyav"

    @model_validator(mode="before")
    @classmethod
    def _uniform_frames_are_of_one_sentence(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("uniform") is None:
            return raw
        if raw.get("per_sentence", raw["uniform"]) != raw["uniform"]:  # corpus.json has both, and they are equal
            raise ValueError("give per_sentence or uniform, which takes the whole video as one sentence; not both")
        return raw | {"per_sentence": raw["uniform"]}


class Filters(Section):
    """Thresholds of scores. A long clip beyond a threshold is dropped; None: no threshold. Shares are 0 to 1."""

    scores: bool = False  # compute all scores, also those without a threshold
    min_words_per_sentence: float | None = Field(None, gt=0)
    max_words_per_second: float | None = Field(None, gt=0)
    max_repetition: Fraction | None = None
    max_non_speech: Fraction | None = None
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...] = ()
    min_language: Fraction = 0.5
    characters: str | None = Field(None, min_length=1)  # the inside of a character class
    min_characters: Fraction | None = None
    profanity: str | None = None  # a file
    max_profanity: Fraction | None = None
    pii: Literal["keep", "mask", "drop"] = "keep"
    pii_kinds: tuple[Literal["email", "phone", "card", "ip"], ...] = ("email", "phone", "card")
    phone_region: str = Field("US", pattern=r"^[A-Z]{2}$")
    color: dict[ColorProperty, tuple[str, ...]] | None = None  # allowed values, in ffmpeg's names
    min_short_side: int | None = Field(None, ge=1)
    max_aspect: float | None = Field(None, ge=1)
    min_seconds: float | None = Field(None, gt=0)
    min_audio: Fraction | None = None
    max_black: Fraction | None = None
    max_frozen: Fraction | None = None
    max_slides: Fraction | None = None
    clip_model: str | None = Field(None, min_length=1)  # a name or a folder
    min_relevance: float | None = Field(None, ge=-1, le=1)

    @field_validator("characters")
    @classmethod
    def _characters_are_a_class(cls, characters: str | None) -> str | None:
        if characters is not None:
            sound = re.fullmatch(r"(?:[^\\\[\]]|\\.)+", characters) is not None
            try:
                re.compile(f"[{characters}]")
            except re.error:
                sound = False
            if not sound:
                raise ValueError(f'{characters!r} is not the inside of a character class, as in "a-zA-Z0-9 .,!?\'"')
        return characters

    @field_validator("color")
    @classmethod
    def _colors_are_known(
        cls, color: dict[ColorProperty, tuple[str, ...]] | None
    ) -> dict[ColorProperty, tuple[str, ...]] | None:
        for name, allowed in (color or {}).items():
            for one in allowed:
                if one not in COLORS[name]:
                    raise ValueError(f"{name}: {one!r} is not one of {', '.join(COLORS[name])}")
        return color

    @model_validator(mode="after")
    def _a_list_goes_with_its_threshold(self) -> Self:
        if self.max_profanity is not None and self.profanity is None:
            raise ValueError("max_profanity needs profanity, a file of words and phrases, one per line")
        if self.min_relevance is not None and self.clip_model is None:
            raise ValueError("min_relevance needs clip_model, a CLIP model such as clip-ViT-B-32")
        return self

    @property
    def scores_frames(self) -> bool:
        """Whether decoded frames are scored."""
        return self.scores or any(limit is not None for limit in (self.max_black, self.max_frozen, self.max_slides))


class EvaluationSet(Section):
    """A list of video ids or texts of an evaluation set. `field` names the field of a table that holds them."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    path: str
    holds: Literal["ids", "texts"] = "ids"
    field: str | None = None


class Duplicates(Section):
    """Which repeats to look for, in the corpus and in evaluation sets, and what to do with them."""

    paragraphs: Literal["keep", "flag", "drop"] = "keep"
    similarity: float = Field(0.8, ge=0.5, le=1)  # lowest Jaccard similarity of two near duplicates
    videos: Literal["keep", "flag", "drop"] = "keep"  # the same pictures under two ids
    evaluation: tuple[EvaluationSet, ...] = ()
    evaluation_overlap: Literal["flag", "drop"] = "drop"


class Shards(Section):
    samples: int = Field(256, ge=1)


class Limits(Section):
    """Bounds against hostile or absurd sources. A video beyond a bound is dropped: reason `limit_exceeded`, for memory
    `out_of_memory`, for seconds `timeout`."""

    pixels: int = Field(8192 * 4320, ge=1)  # of one frame
    duration_ms: int = Field(24 * 3600 * 1000, ge=1)
    streams: int = Field(64, ge=1)
    packets: int = Field(20_000_000, ge=1)
    scratch_bytes: int = Field(16 << 30, ge=1)  # for copies of remote sources at any time, per process
    memory_bytes: int = Field(8 << 30, ge=512 << 20)  # that one decoder process may allocate
    decode_seconds: float = Field(900, gt=0)  # wall clock for one decode task (up to ten minutes of one video)
    speech_seconds: float = Field(3600, gt=0)  # wall clock to recognise the speech in ten minutes of one video


_UNPUBLISHED: dict[str, Any] = dict.fromkeys(("output", "source", "limits", "publication"), True) | {
    "filters": {"profanity": True},
    "duplicates": {"evaluation": {"__all__": {"path": True, "field": True}}},
}


class CorpusConfig(Section):
    """A validated configuration. `base` is the folder (or URI prefix) that its relative paths start from."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]*$")
    output: str
    seed: int = 0
    source: Source
    clean: Clean = Clean()
    sentences: Sentences = Sentences()
    merge: Merge = Merge()
    coherence: Coherence = Coherence()
    filters: Filters = Filters()
    duplicates: Duplicates = Duplicates()
    captions: Captions = Captions()
    frames: Frames = Frames()
    split: dict[str, Fraction] = Field(default={"train": 1.0})
    split_by: Literal["hash", "quota"] = "hash"  # quota: exactly so many videos, for small corpora
    shards: Shards = Shards()
    limits: Limits = Limits()
    max_failed: Fraction = 0.2
    publication: Publication = Publication()
    base: str = Field(default=".", exclude=True)

    @field_validator("split")
    @classmethod
    def _split_is_whole(cls, split: dict[str, float]) -> dict[str, float]:
        if not split or abs(sum(split.values()) - 1) > 1e-6:
            raise ValueError(f"the shares must add up to 1, not {sum(split.values()):g}")
        for name in split:
            if not name.isascii() or not name.isalnum():
                raise ValueError(f"{name!r}: the name of a split may have only letters and digits")
            if name == "all":  # `datasets` refuses to load it
                raise ValueError("'all': readers take this name for all splits together; choose another")
        return split

    @model_validator(mode="after")
    def _tolerance_fits_the_decoder(self) -> Self:
        if self.frames.tolerance_ms and self.frames.decoder == "decord":
            raise ValueError("frames.tolerance_ms needs decoder: pyav")
        return self

    @model_validator(mode="after")
    def _groups_name_cues(self) -> Self:
        if self.source.groups is not None and self.sentences.split == "sentences":
            raise ValueError("source.groups names clips as they are; set sentences.split to cues or auto")
        if self.source.groups is not None and self.source.text.is_joined:
            raise ValueError("source.groups needs captions in one file per video, not in one file for all")
        return self

    @model_validator(mode="after")
    def _a_whole_video_is_not_cut(self) -> Self:
        if self.frames.uniform is None:
            if self.source.recipe in TASK_RECIPES:
                raise ValueError(f"recipe {self.source.recipe} asks about whole videos: set frames: {{uniform: 32}}")
            return self
        cuts = {
            "coherence.enabled": self.coherence.enabled,
            "source.groups": self.source.groups is not None,
            "source.chapters": self.source.chapters is not None,
            "captions.model": self.captions.model is not None,
            "filters.pii": self.filters.pii != "keep",  # it would not see the choices and subtitles of a task
            # Many videos have the same question or label, and other pictures and answers.
            "duplicates.paragraphs: drop": self.duplicates.paragraphs == "drop",
        }
        for setting, given in cuts.items():
            if given:
                raise ValueError(f"frames.uniform takes each video as one long clip: remove {setting}")
        return self

    @property
    def cleans_text(self) -> bool:
        """Whether texts are cleaned."""
        return self.source.text.is_transcript or self.clean.texts == "all"

    @property
    def splits_sentences(self) -> bool:
        """Whether sentences are made from cues. If not, each cue is a sentence."""
        if self.sentences.split == "auto":
            return self.source.text.is_transcript and self.source.groups is None
        return self.sentences.split == "sentences"

    def resolve(self, path: str) -> str:
        """Return `path` as a usable location: a relative path starts from the configuration's folder."""
        joined = storage.join(self.base, path)
        return joined if storage.is_remote(joined) else os.path.normpath(joined)

    @property
    def root(self) -> str:
        """The folder or URI of the corpus."""
        return self.resolve(self.output)

    def published(self) -> dict[str, Any]:
        """The part of the configuration that decides the corpus, without any path of this machine."""
        whole = self.model_dump(mode="json", exclude=_UNPUBLISHED)
        if self.sentences.model is not None and os.path.exists(folder := self.resolve(self.sentences.model)):
            whole["sentences"]["model"] = os.path.basename(os.path.normpath(folder))
        whole["coherence"] = self._published_coherence()
        whole["captions"] = self._published_captions()
        if self.split_by == "hash":  # as in corpora of earlier versions
            del whole["split_by"]
        if self.frames.uniform is None:
            del whole["frames"]["uniform"]
        if self.filters.clip_model is not None and os.path.isdir(folder := self.resolve(self.filters.clip_model)):
            whole["filters"]["clip_model"] = os.path.basename(folder)
        text = self.source.text
        chapters = {} if self.source.chapters is None else {"chapters": True}
        encoding = {} if text.encoding == "utf-8" else {"encoding": text.encoding}
        languages = {"languages": list(text.languages)} if text.languages else {}
        recipe = {"recipe": self.source.recipe} if self.source.recipe else {}
        read = {"text": text.format, "groups": self.source.groups is not None}
        return whole | {"source": read | encoding | languages | recipe | chapters | self._published_recognition()}

    def _published_coherence(self) -> dict[str, Any]:
        """Return the settings that decide cuts. jobs/build/inputs.py notices other files of the model, like other inputs."""
        if not self.coherence.enabled:
            return {"enabled": False}
        model = self.coherence.model
        if os.path.isdir(folder := self.resolve(model)):
            model = os.path.basename(folder)
        return {"enabled": True, "model": model, "cut_cost": self.coherence.cut_cost}

    def _published_recognition(self) -> dict[str, Any]:
        """Return the settings that decide recognised text. jobs/build/inputs.py notices other files of the model."""
        text = self.source.text
        if not text.hears:
            return {}
        settings = text.model_dump(mode="json", include={*Recognition.model_fields, "fallback"})
        if os.path.isdir(folder := self.resolve(str(text.model))):
            settings["model"] = os.path.basename(folder)
        decided = {"device": text.device_class, "compute_type": text.arithmetic, "batch_size": text.batch}
        return {"recognition": settings | decided}

    def _published_captions(self) -> dict[str, Any]:
        """Return the settings that decide captions. jobs/build/inputs.py notices other files of the model."""
        model = self.captions.model
        if model is None:
            return {"model": None}
        if os.path.isdir(folder := self.resolve(model)):
            model = os.path.basename(folder)
        return self.captions.model_dump(mode="json", exclude={"device"}) | {"model": model}


def load_config(path: str, changes: Sequence[str] = ()) -> CorpusConfig:
    """Read and validate `path` (local or a URI), with `changes` as in `merge.min_sentences=3`. Raises ConfigError with one line
    for each fault."""
    return read_settings(path, CorpusConfig, "`longtake init DIR` writes one to start from.", REFERENCE, changes)


def parse_config(raw: dict[str, Any], where: str = "configuration") -> CorpusConfig:
    """Validate settings already read. Raises ConfigError with one line for each fault."""
    return check_settings(raw, CorpusConfig, where, REFERENCE)
