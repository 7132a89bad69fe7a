"""HD-VILA-100M: YouTube ids with spans of clips, from which LF-VILA is made. No videos, no text."""

from longtake.pipeline.recipes.recipe import Recipe

RECIPE = Recipe(
    name="hdvila100m",
    title="HD-VILA-100M",
    files="the metadata archive of microsoft/XPretrain, hd-vila-100m: JSON lines with `video_id`, `url` and `clip`",
    licence="Research Use of Data Agreement v1.0 (hd-vila-100m/LICENSE)",
    missing="the videos, and the text: its authors used YouTube's captions, cut by punctuation",
    paper="3.3 M videos, 100 M clips, 13.4 s and 32.5 words a clip, 371.5 K hours",
    configuration="""\
source:
  videos: "hdvila_part*.jsonl"      # as they are in the archive
  uri: "videos/{video_id}.{ext}"    # one listing of videos/, whatever the suffixes
  text:
    format: auto                    # whole transcripts, cleaned and made into sentences; the spans of clips are not used
    path: "subs/{video_id}*"        # what yt-dlp leaves, as subs/QMi8x8o55Ns.en.vtt
    languages: [en]                 # first, if there are transcripts in several languages
# For the published clips as sentences, recognise the speech in their spans:
#   text: {format: asr, model: small, language: en}
# or, with texts of your own, {"clip_id": "QMi8x8o55Ns.1.mp4", "text": "..."} on each line:
#   text: {format: hdvila, path: clip_text.jsonl}
""",
)
