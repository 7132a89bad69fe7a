"""The commands and the functions that they call."""

from typing import TYPE_CHECKING

from longtake.schemas.exports import lazily

if TYPE_CHECKING:
    from longtake.jobs.build.build import build_corpus as build_corpus
    from longtake.jobs.build.plan import make_plan as make_plan
    from longtake.jobs.build.request import BuildRequest as BuildRequest, ProbeMode as ProbeMode
    from longtake.jobs.retrieve.video_frames import read_video as read_video

EXPORTS = {
    "build.build": ("build_corpus",),
    "build.plan": ("make_plan",),
    "build.request": (
        "BuildRequest",
        "ProbeMode",
    ),
    "retrieve.video_frames": ("read_video",),
}
__getattr__, __dir__ = lazily(__name__, EXPORTS)
