"""The columns of the samples for `datasets.load_dataset`, stated in the front matter of the card.

The library takes the columns from the first samples that it reads. The number of frames differs between samples, so without
stated columns it would refuse a corpus, or drop the frames that the first samples do not have.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from longtake.pipeline.parse.lines import base_name
from longtake.schemas import storage
from longtake.schemas.layout import MEMBER_JSON, MEMBER_TEXT, Layout, frame_member
from longtake.schemas.manifest import CorpusManifest

_THREADS = 16  # reading a column from an object store is mostly waiting
_TEXT, _NUMBER = {"dtype": "string"}, {"dtype": "int64"}
_NUMBERS = {"list": "int64"}
_SENTENCE = {"clip_id": _TEXT, "start_ms": _NUMBER, "end_ms": _NUMBER, "text": _TEXT, "timing": _TEXT, "asr": _TEXT}
_SOURCE = {"width": _NUMBER, "height": _NUMBER, "fps": {"dtype": "float64"}, "codec": _TEXT, "duration_ms": _NUMBER}


def most_frames(layout: Layout, manifest: CorpusManifest, unchanged: Layout | None = None) -> int:
    """The number of frames of the largest sample of a corpus, by its index. Shards that a new version does not write have their
    index in the corpus `unchanged`. Raises OSError, and pyarrow.ArrowInvalid."""
    paths = [layout.shard_index(shard.name.removesuffix(".tar")) for shard in manifest.shards]
    if unchanged is not None:
        written = {base_name(path) for path in storage.list_files(layout.index, ".parquet")}
        paths = [
            path if base_name(path) in written else storage.join(unchanged.index, base_name(path)) for path in paths
        ]
    with ThreadPoolExecutor(_THREADS) as pool:
        sentences = max(pool.map(_most_sentences, paths), default=0)
    return sentences * int(manifest.config["frames"]["per_sentence"])


def _most_sentences(path: str) -> int:
    with storage.open_table(path) as stream:
        file = pq.ParquetFile(stream)
        return int(pc.max(file.read(columns=["n_sentences"])["n_sentences"]).as_py() or 0)


def dataset_info(most: int) -> dict[str, Any]:
    """`dataset_info` of the front matter, for samples with up to `most` frames."""
    sample = {
        **dict.fromkeys(("key", "video_id", "url", "license", "split", "shard"), _TEXT),
        **dict.fromkeys(("position", "start_ms", "end_ms"), _NUMBER),
        "sentences": {"list": _struct(_SENTENCE)},
        **dict.fromkeys(("frame_times_ms", "frame_pts_ms", "frame_sentence", "frame_size"), _NUMBERS),
        "source": {"struct": _struct(_SOURCE)},
    }
    columns = {
        MEMBER_JSON: {"struct": _struct(sample)},
        MEMBER_TEXT: _TEXT,
        **{name: {"dtype": "image"} for name in frame_names(most)},
        "__key__": _TEXT,
        "__url__": _TEXT,
    }
    return {"features": _struct(columns)}


def frame_names(most: int) -> list[str]:
    """The names of all frames in samples with up to `most` frames. Names in longer samples have more digits."""
    sizes = [size for size in (10**digits for digits in range(3, len(str(most)))) if size < most]
    return [frame_member(n, size) for size in (*sizes, most) for n in range(size)]


def _struct(fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, **kind} for name, kind in fields.items()]
