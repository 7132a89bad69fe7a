"""What the processes that fetch need, imported once for all of them: they are forks of the process that imports this."""

import httpx  # noqa: F401
from yt_dlp.extractor import gen_extractor_classes

import longtake.pipeline.fetch.check
import longtake.pipeline.fetch.work  # noqa: F401

# This compiles the patterns of all sites: each fork would spend a quarter of a second on it.
for _kind in gen_extractor_classes():
    _kind.suitable("https://longtake.invalid/")
