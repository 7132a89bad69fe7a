"""Makes `tests.media` importable however pytest is started, and keeps the codecs' complaints out of the output."""

import sys
from pathlib import Path

import av

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
av.logging.set_level(av.logging.PANIC)
