"""The model that recognises speech: Whisper in the form of CTranslate2, found by name or folder."""

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from longtake.pipeline.run.model_files import find_model, first_line
from longtake.pipeline.run.optional_models import OptionalModel
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.extras import check_package

SETTING = "source.text.model"
LIBRARIES = ("faster-whisper", "ctranslate2", "onnxruntime")
_FILES = ("*.json", "*.txt", "model.bin")


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """Everything that decides what is recognised in a sound: the model's folder and digest, and settings of `source.text`."""

    folder: str
    digest: str
    language: str | None
    device: str
    compute_type: str
    vad: bool
    beam_size: int
    batch_size: int

    @property
    def device_class(self) -> str:
        """The kind of device, without its number."""
        return self.device.partition(":")[0]


def speech_settings(config: CorpusConfig) -> SpeechSettings:
    """The settings of a configuration that recognises speech. Raises ConfigError for a missing model."""
    text = config.source.text
    folder, digest = SPEECH_MODEL.folder(config), SPEECH_MODEL.digest(config)
    return SpeechSettings(
        folder, digest, text.language, text.device, text.arithmetic, text.vad, text.beam_size, text.batch
    )


def speech_versions(config: CorpusConfig) -> dict[str, str]:
    """What decided recognised text, for corpus.json: libraries, model and kind of device; empty if nothing was recognised."""
    if not config.source.text.hears:
        return {}
    settings = speech_settings(config)
    name = os.path.basename(os.path.normpath(str(config.source.text.model)))
    return SPEECH_MODEL.versions(config) | {
        "speech-model": f"{name} sha256:{settings.digest[:16]}",
        "speech-device": f"{settings.device_class} {settings.compute_type}",
    }


@lru_cache(maxsize=1)  # a slot hears one source video after the other with the same model
def load_model(folder: str, device: str, compute_type: str, language: str | None) -> Any:
    """Load a model for one thread. Raises ConfigError for files or a device that do not work, and for an unknown language."""
    check_package(SETTING, "faster_whisper", "asr")
    from faster_whisper import WhisperModel

    kind, _, number = device.partition(":")
    try:
        model = WhisperModel(
            folder,
            device=kind,
            device_index=int(number or 0),
            compute_type=compute_type,
            cpu_threads=1,
            local_files_only=True,
        )
        known = model.supported_languages
    except Exception as error:  # whatever is wrong with the files or the device
        raise ConfigError(
            f"{SETTING} {folder}: cannot be loaded on {device} as {compute_type}: {first_line(error)}"
        ) from None
    if language is not None and language not in known:
        raise ConfigError(f"source.text.language {language!r}: the model knows {', '.join(sorted(known))}")
    return model


def check_model(settings: SpeechSettings) -> None:
    """Raise ConfigError if the model cannot be loaded."""
    load_model(settings.folder, settings.device, settings.compute_type, settings.language)


def _find(name: str, setting: str, config: CorpusConfig, owner: str) -> str:
    """The folder of a model; a name is looked up as faster-whisper does, in the local cache first. Raises ConfigError."""
    check_package(setting, "faster_whisper", "asr")
    if os.path.isdir(folder := config.resolve(name)):
        if not os.path.isfile(os.path.join(folder, "model.bin")):
            raise ConfigError(
                f"{setting} {folder}: holds no model.bin; convert a Whisper model with ct2-transformers-converter"
            )
        return find_model(name, setting, config, owner)
    return _downloaded(name, setting, folder)


@lru_cache
def _downloaded(name: str, setting: str, folder: str) -> str:
    from faster_whisper import available_models, download_model

    if "/" not in name and name not in available_models():
        raise ConfigError(
            f"{setting} {name}: no folder {folder}, and no model of faster-whisper, which knows {', '.join(available_models())}"
        )
    for offline in (True, False):
        try:
            return str(download_model(name, local_files_only=offline))
        except Exception as error:  # no such model, no network
            problem = first_line(error)
    raise ConfigError(f"{setting} {name}: no folder {folder}, and no model that can be fetched: {problem}")


SPEECH_MODEL = OptionalModel(
    SETTING,
    load_model,
    LIBRARIES,
    options=("source.text.device", "source.text.arithmetic", "source.text.language"),
    find=_find,
    files=_FILES,
)
