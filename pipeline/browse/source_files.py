"""The source videos of a corpus, if the server may show them: `longtake browse --config`.

The index says where a source was, and a corpus may come from a stranger. So a file is served only if it lies, all links followed,
in a folder that the configuration of this machine names, and is a video by its name.
"""

import os
from collections.abc import Iterator

from longtake.pipeline.decode import SourceError
from longtake.pipeline.decode.waveform import peaks
from longtake.pipeline.run.slots import Slots
from longtake.pipeline.run.sources import in_slot
from longtake.schemas import storage
from longtake.schemas.config import CorpusConfig
from longtake.schemas.errors import ConfigError
from longtake.schemas.records import IndexEntry

#: Names of video files that browsers may play, and their MIME types.
MIME = {
    "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/mp4", "webm": "video/webm", "mkv": "video/webm",
    "ogv": "video/ogg", "ogg": "video/ogg",
}  # fmt: skip
_SECONDS, _MEMORY = 30.0, 2 << 30  # of one waveform
_CODE = ("longtake.pipeline.decode.waveform",)


class NoSource(Exception):
    """The source of a sample cannot be shown; the message says why."""


class SourceFiles:
    """The sources below the folders that `config` names. Safe for many threads. Raises ConfigError if it names none here."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._folders = tuple(dict.fromkeys(os.path.realpath(one) for one in _folders(config)))
        if not self._folders:
            raise ConfigError("--config: names no folder on this machine with source videos")
        self._slots = Slots(1, _MEMORY, _CODE)

    def path(self, entry: IndexEntry) -> str:
        """The file of a sample's source. Raises NoSource."""
        where = self._config.resolve(entry.clip.video.uri)
        if storage.is_remote(where):
            raise NoSource("the source is not on this machine")
        try:
            path = os.path.realpath(storage.local_path(where))
        except ValueError:  # NUL, or what is not Unicode
            raise NoSource("the source has no name that a file can have") from None
        if not any(path.startswith(folder.rstrip("/") + "/") for folder in self._folders):
            raise NoSource("the source is not in a folder that the configuration names")
        if path.rpartition(".")[2].lower() not in MIME:
            raise NoSource("browsers do not play files with this end of their name")
        if not os.path.isfile(path):
            raise NoSource("the source is gone")
        return path

    def waveform(self, entry: IndexEntry, number: int) -> list[int]:
        """The loudness of a sample's span in `number` parts: decode.waveform.peaks. Raises NoSource."""
        clip = entry.clip
        try:
            return in_slot(
                self._slots, _SECONDS, peaks, self.path(entry), clip.start_ms, clip.end_ms, number, self._config.limits
            )
        except SourceError as error:
            raise NoSource(str(error)) from None

    def close(self) -> None:
        self._slots.close()


def mime_of(path: str) -> str:
    return MIME[path.rpartition(".")[2].lower()]


def _folders(config: CorpusConfig) -> Iterator[str]:
    """The local folders with sources: of templates the part before what varies; of a list of videos without templates its own
    folder."""
    source = config.source
    templates = (source.uri,) if isinstance(source.uri, str) else source.uri or ()
    named = [one.partition("{")[0].partition("*")[0].rpartition("/")[0] for one in templates]
    if source.folder is not None:
        named.append(source.folder)
    if not named and source.videos:
        named.append(source.videos.rpartition("/")[0])
    for one in named:
        where = config.resolve(one or ".")
        if not storage.is_remote(where) and os.path.isdir(storage.local_path(where)):
            yield storage.local_path(where)
