"""LF-VILA-8M: groups of clips of HD-VILA-100M, each a long clip. No videos, no text."""

from longtake.pipeline.recipes.recipe import Recipe

RECIPE = Recipe(
    name="lfvila8m",
    title="LF-VILA-8M",
    files="the list of clip ids of microsoft/XPretrain, LF-VILA, a group on each line, and the metadata of HD-VILA-100M",
    licence="that of HD-VILA-100M: Research Use of Data Agreement v1.0",
    missing="the videos, and the text of the clips, as for HD-VILA-100M",
    paper="8.5 M long clips, 100.2 s and 307.9 words each*",
    configuration="""\
source:
  videos: "hdvila_part*.jsonl"      # the metadata of HD-VILA-100M
  uri: "videos/{video_id}.{ext}"    # one listing of videos/, whatever the suffixes
  text:
    format: hdvila
    path: clip_text.jsonl           # yours: {"clip_id": "QMi8x8o55Ns.1.mp4", "text": "..."} on each line
  groups: lfvila8m_clipid.jsonl     # the published groups, in place of merging
""",
)
