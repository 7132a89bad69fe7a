"""The columns and the number of the samples for `datasets.load_dataset`, stated in the front matter of the card.

The library takes the columns from the first samples that it reads. The number of frames differs between samples, so without
stated columns it would refuse a corpus, or drop the frames that the first samples do not have. All fields are stated too: before
version 5, it refuses to stream a sample with a field that is not. Where `meta` has no one type, `json` as a whole is JSON, which
needs version 4.7; a part of it that is JSON makes streaming fail on fields that only some sentences have.

The number of samples makes it raise NonMatchingSplitsSizesError where shards are missing, instead of loading fewer.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from longtake.pipeline.publish.figures import SampleFields
from longtake.pipeline.publish.json_type import ANY, UNREADABLE, feature
from longtake.pipeline.publish.markdown import one_line
from longtake.schemas import tables
from longtake.schemas.layout import MEMBER_JSON, MEMBER_TEXT, frame_member
from longtake.schemas.manifest import CorpusManifest

_TEXT, _NUMBER = {"dtype": "string"}, {"dtype": "int64"}
_NUMBERS = {"list": "int64"}
_OF_SOURCE = "source_"  # begins the columns of the index that are the field `source` of a sample


def dataset_info(manifest: CorpusManifest, fields: SampleFields) -> dict[str, Any]:
    """`dataset_info` of the front matter."""
    splits = {
        name: {
            "num_bytes": sum(shard.bytes for shard in manifest.shards if shard.split == name),
            "num_examples": samples,
        }
        for name, samples in ((name, split["samples"]) for name, split in sorted(manifest.splits().items()))
    }
    size = sum(shard.bytes for shard in manifest.shards)
    return {
        "features": _struct(_columns(fields)),
        "splits": _struct({one_line(name): own for name, own in splits.items()}),
        "download_size": size,
        "dataset_size": size,
    }


def _columns(fields: SampleFields) -> dict[str, Any]:
    sample = {
        **dict.fromkeys(("key", "video_id", "url", "license", "split", "shard"), _TEXT),
        **dict.fromkeys(("position", "start_ms", "end_ms"), _NUMBER),
        "sentences": {"list": _struct(_features(tables.INDEX.field("sentences").type.value_type))},
        **dict.fromkeys(("frame_times_ms", "frame_pts_ms", "frame_sentence", "frame_size"), _NUMBERS),
        "source": {
            "struct": _struct(
                {
                    name.removeprefix(_OF_SOURCE): own
                    for name, own in _features(tables.INDEX).items()
                    if name.startswith(_OF_SOURCE)
                }
            )
        },
        **({"meta": feature(fields.meta)} if fields.meta != UNREADABLE else {}),
    }
    return {
        MEMBER_JSON: {"dtype": ANY} if fields.meta == ANY else {"struct": _struct(sample)},
        MEMBER_TEXT: _TEXT,
        **{name: {"dtype": "image"} for name in frame_names(fields.most_frames)},
        "__key__": _TEXT,
        "__url__": _TEXT,
    }


def frame_names(most: int) -> list[str]:
    """The names of all frames in samples with up to `most` frames. Names in longer samples have more digits."""
    sizes = [size for size in (10**digits for digits in range(3, len(str(most)))) if size < most]
    return [frame_member(n, size) for size in (*sizes, most) for n in range(size)]


def _features(fields: Iterable[pa.Field]) -> dict[str, dict[str, Any]]:
    return {
        one.name: _NUMBER
        if pa.types.is_integer(one.type)
        else {"dtype": "float64"}
        if one.type == pa.float64()
        else _TEXT
        for one in fields
        if not pa.types.is_nested(one.type)
    }


def _struct(fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, **kind} for name, kind in fields.items()]
