"""The ffmpeg command: of the system, or from imageio-ffmpeg, which the extra `ffmpeg` brings. Most work needs none."""

import shutil
from importlib.util import find_spec

INSTALL_FFMPEG = "Install ffmpeg, or: pip install 'longtake[ffmpeg]'"


def ffmpeg_command(packaged_first: bool = False) -> str | None:
    """Return the path of ffmpeg, of the system or else packaged, or with `packaged_first` the reverse; None if there is none."""
    places = (_packaged, _of_system) if packaged_first else (_of_system, _packaged)
    return next((found for place in places if (found := place()) is not None), None)


def _of_system() -> str | None:
    return shutil.which("ffmpeg")


def _packaged() -> str | None:
    if find_spec("imageio_ffmpeg") is None:
        return None
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:  # its wheel for this platform has none
        return None
