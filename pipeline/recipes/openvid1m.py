"""OpenVid-1M: short clips with one long caption each, the clips themselves in archives."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.recipes.recipe import Recipe, Record, field, meta_of, whole


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of a row: video (a file name), caption, scores, camera motion, frame, fps, seconds."""
    name = field(row, "video")
    yield {
        "video_id": name.removesuffix(".mp4"),
        "sentences": whole(field(row, "seconds"), field(row, "caption")),
        "meta": meta_of(row, "aesthetic score", "motion score", "temporal consistency score", "camera motion"),
    }


RECIPE = Recipe(
    name="openvid1m",
    title="OpenVid-1M",
    files="data/train/OpenVid-1M.csv (or OpenVidHD.csv) and OpenVid_part*.zip of nkp37/OpenVid-1M on the Hugging Face hub",
    licence="CC BY 4.0 (captions); the clips are from Panda-70M, ChronoMagic, Open-Sora-plan and CelebvHQ, under their terms",
    missing="nothing: `unzip -j OpenVid_part0.zip -d videos` and so on; the text is one caption each, not speech",
    paper="1 M clips, 7.2 s each, 2.1 K hours*",
    has_urls=False,
    configuration="""\
source:
  recipe: openvid1m
  videos: data/train/OpenVid-1M.csv
  uri: "videos/{video_id}.{ext}"
merge:
  min_sentences: 1                  # the caption of the whole clip is its only sentence
""",
    records=records,
)
