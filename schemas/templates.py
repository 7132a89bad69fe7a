"""Templates of paths: `videos/{video_id}.mp4`, and with an end that is open, `videos/{video_id}.{ext}` or `subs/{video_id}*`.

A template with an open end names the files that a listing of its folder finds; any other names one path.
"""

from collections.abc import Collection
from dataclasses import dataclass

VIDEO_ID, EXT, ANY = "{video_id}", "{ext}", "*"


def is_listed(templates: tuple[str, ...]) -> bool:
    """Whether files are looked for in listings: there are several templates, or one with an open end."""
    return len(templates) > 1 or any(one.endswith((EXT, ANY)) for one in templates)


@dataclass(frozen=True, slots=True)
class Template:
    """A template in parts: its folder, the name before and after the video id, and the open end, "" if there is none."""

    folder: str
    before: str
    after: str
    end: str

    def ids_of(self, name: str, suffixes: Collection[str]) -> list[str]:
        """The video ids that a file may belong to by its name; none if it does not fit. An open end fits names with one of the
        `suffixes`. With `*`, what follows the id begins with a dot, so `a.en.vtt` may be of `a` and of `a.en`."""
        if not name.startswith(self.before):
            return []
        rest = name.removeprefix(self.before)
        if not self.end:
            ends = [len(rest)]
        elif rest.rpartition(".")[2].lower() not in suffixes:
            return []
        elif self.end == EXT:
            ends = [rest.rindex(".")]
        else:
            ends = [at for at, character in enumerate(rest) if character == "."]
        return [
            rest[: end - len(self.after)]
            for end in ends
            if end > len(self.after) and rest[:end].endswith(self.after)
        ]  # fmt: skip


def parse_template(text: str) -> Template:
    """Return a template of listed files in parts. Raises ValueError."""
    folder, _, name = text.rpartition("/")
    end = next((end for end in (EXT, ANY) if name.endswith(end)), "")
    before, _, after = name.removesuffix(end).partition(VIDEO_ID)
    if text.count(VIDEO_ID) != 1 or VIDEO_ID not in name:
        raise ValueError(f"{text!r} must contain {VIDEO_ID} once, in the name of the file, since its folder is listed")
    if ANY in folder + before + after or EXT in folder + before + after:
        raise ValueError(f"{text!r}: {ANY} and {EXT} can only be its end")
    if end == EXT and not after.endswith("."):
        raise ValueError(f"{text!r}: write a dot before {EXT}")
    return Template(folder, before, after.removesuffix(".") if end else after, end)
