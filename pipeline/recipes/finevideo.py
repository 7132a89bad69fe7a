"""FineVideo: YouTube videos under CC BY with rich metadata and speech, the videos themselves in Parquet."""

from collections.abc import Iterator
from typing import Any

from longtake.pipeline.parse.lines import load_json
from longtake.pipeline.recipes.recipe import Recipe, Record, field, meta_of


def records(key: str, row: Any) -> Iterator[Record]:
    """Yield the record of a row {"mp4", "json"}; `mp4` is not read. Copies of the tables have `json` as text."""
    facts = field(row, "json")
    facts = load_json(facts.encode()) if isinstance(facts, str) else facts
    said = facts.get("timecoded_text_to_speech") or []
    names = ("youtube_title", "youtube_channel", "youtube_upload_date", "content_parent_category", "duration_seconds")
    yield {
        "video_id": str(field(facts, "original_video_filename")).removesuffix(".mp4"),
        "license": "CC BY",
        "sentences": [{"start": one["start"], "end": one["end"], "text": one["text"]} for one in said],
        "meta": meta_of(facts, *names),
    }


RECIPE = Recipe(
    name="finevideo",
    title="FineVideo",
    files="data/train-*.parquet of HuggingFaceFV/finevideo on the Hugging Face hub, after its terms are accepted there",
    licence="CC BY: each video under its makers' terms, with attribution; removals have to be followed",
    missing="nothing, but the videos have to be taken out of the tables",
    paper="43.8 K videos of 4.7 min, 3.4 K hours*",
    has_urls=False,
    configuration="""\
source:
  recipe: finevideo
  videos: "data/train-*.parquet"    # the column `json`; `mp4` is not read
  uri: "videos/{video_id}.{ext}"
# Its column `mp4` has the videos. This writes them as files, once:
#   python -c "import glob, os, pyarrow.parquet as pq
#   for f in glob.glob('data/train-*.parquet'):
#       for rows in pq.ParquetFile(f).iter_batches(8):
#           for row in rows.to_pylist():
#               open('videos/' + os.path.basename(row['json']['original_video_filename']), 'wb').write(row['mp4'])"
clean: {texts: all}                 # the text is recognised speech, in pieces: it is cleaned and made into sentences
sentences: {split: sentences}
""",
    records=records,
    columns=("json",),
)
