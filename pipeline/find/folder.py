"""What a folder holds: its videos, the transcripts beside each by name, and what has no video."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from longtake.pipeline.find import names
from longtake.pipeline.parse.lines import quoted
from longtake.pipeline.parse.manifest import holds_control
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import Drop


@dataclass(frozen=True, slots=True)
class FolderVideo:
    """A video: its id, which is its path in the folder without suffix, the path, and those of its transcripts by language."""

    video_id: str
    path: str
    transcripts: tuple[tuple[str, str], ...]  # path, language

    def record(self, folder: str) -> bytes:
        """The line of a manifest that says the same of the video in `folder`."""
        transcripts = [
            {"path": storage.join(folder, path)} | ({"language": language} if language else {})
            for path, language in self.transcripts
        ]
        return json.dumps(
            {"video_id": self.video_id, "uri": storage.join(folder, self.path), "transcripts": transcripts}
        ).encode()


@dataclass(slots=True)
class FoundFolder:
    """The videos of a folder, the ledger rows of files that cannot be used, and the number of all other files."""

    videos: list[FolderVideo] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    others: int = 0

    def suffixes(self) -> Counter[str]:
        """How many transcripts there are by suffix, and of videos without any under ""."""
        counts: Counter[str] = Counter()
        for video in self.videos:
            counts.update({names.suffix_of(path) for path, _ in video.transcripts} or {""})
        return counts


def find_videos(folder: str) -> Iterator[FoundFolder]:
    """Yield what each folder in a folder holds, one listing for each, in the order of their paths. Paths are relative to it."""
    for inside, entries in storage.list_tree(folder):
        yield videos_in(inside, [entry.name for entry in entries])


def files_digest(folder: str) -> str:
    """A digest of what a plan of a folder depends on: the paths of videos, those of their transcripts with size and time, and
    the ledger rows. Raises ConfigError if there is no video."""
    digest, has_video = sha256(), False
    for inside, entries in storage.list_tree(folder):
        found = videos_in(inside, [entry.name for entry in entries])
        facts = {_path(inside, entry.name): (entry.size, entry.modified) for entry in entries}
        has_video |= bool(found.videos)
        for video in found.videos:
            texts = [(path, *facts[path]) for path, _ in video.transcripts]
            digest.update(repr((video.path, texts)).encode())
        for row in found.drops:
            digest.update(repr(row).encode())
    if not has_video:
        raise no_videos(folder)
    return digest.hexdigest()


def no_videos(folder: str) -> ConfigError:
    """The error for a folder without videos."""
    problem = "no video in it" if storage.exists(folder) else "no such folder"
    return ConfigError(f"{folder}: {problem}; videos end in {', '.join(names.VIDEOS)}")


def videos_in(inside: str, found: Iterable[str]) -> FoundFolder:
    """Return what the files with the names `found` are, all in one folder. `inside` is its path, "" for the folder itself."""
    result = FoundFolder()
    sound: list[str] = []
    for name in found:
        if holds_control(_path(inside, name)):
            result.drops.append(_unreadable_name(_path(inside, name)))
        else:
            sound.append(name)
    by_stem, unfinished, transcripts = defaultdict(list), defaultdict(list), []
    for name in sound:
        if names.is_video(name):
            by_stem[names.stem_of(name)].append(name)
        elif names.is_unfinished(name):
            unfinished[names.stem_of(name)].append(name)
        elif names.is_transcript(name):
            transcripts.append(name)
        else:
            result.others += 1
    beside, alone = _by_stem(transcripts, by_stem)
    for stem, files in sorted(by_stem.items()):
        best, *others = names.best_video(files)
        video_id = _path(inside, stem)
        own = tuple((_path(inside, name), language) for name, language in sorted(beside[stem]))
        result.videos.append(FolderVideo(video_id, _path(inside, best), own))
        if others:
            detail = f"{best} is used; of the same name: {names.listed(others)}"
            result.drops.append(Drop(video_id, Subject.NOTE, video_id, Stage.READ, Reason.SEVERAL_FILES, detail))
    for stem, files in sorted(unfinished.items()):
        if stem not in by_stem:
            video_id, detail = _path(inside, stem), f"only an unfinished download: {names.listed(sorted(files))}"
            result.drops.append(Drop(video_id, Subject.VIDEO, video_id, Stage.READ, Reason.MISSING, detail))
    for name in alone:
        if names.suffix_of(name) in names.MANY_KINDS:
            result.others += 1
        else:
            problem = "no video beside it has its name"
            result.drops.append(_unusable(_path(inside, name), Reason.TRANSCRIPT_WITHOUT_VIDEO, problem))
    return result


def _by_stem(transcripts: list[str], stems: Iterable[str]) -> tuple[dict[str, list[tuple[str, str]]], list[str]]:
    """Sort transcripts by the longest stem that each begins with, with their languages; and list those of no video."""
    beside: dict[str, list[tuple[str, str]]] = defaultdict(list)
    alone = []
    known = set(stems)
    for name in transcripts:
        stem = name
        while stem and stem not in known:
            stem = stem.rpartition(".")[0]
        if stem:
            middle = name.removeprefix(stem).rpartition(".")[0].removeprefix(".")
            beside[stem].append((name, names.language_in(middle)))
        else:
            alone.append(name)
    return beside, alone


def _path(inside: str, name: str) -> str:
    return f"{inside}/{name}" if inside else name


def _unusable(path: str, reason: Reason, problem: str) -> Drop:
    return Drop("", Subject.RECORD, path, Stage.READ, reason, f"{path}: {problem}")


def _unreadable_name(path: str) -> Drop:
    shown = path.encode("utf-8", "backslashreplace").decode()
    if holds_control(shown):
        return _unusable(quoted(shown), Reason.MALFORMED, "its name holds a control character; rename it")
    return _unusable(shown, Reason.INVALID_UTF8, "its name is not UTF-8; rename it")
