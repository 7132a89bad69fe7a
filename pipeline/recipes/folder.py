"""A plain folder of videos, with transcripts beside them."""

from longtake.pipeline.recipes.recipe import Recipe

RECIPE = Recipe(
    name="folder",
    title="A folder of videos",
    files="videos, and beside each its transcripts by name: talk.mp4 with talk.en.vtt, talk.json or talk.srt",
    licence="yours to know",
    missing="the text of a video without a transcript beside it",
    paper="none",
    has_urls=False,
    configuration="""\
source:
  folder: videos                    # every video in it and in the folders in it; ids are paths without suffix
  text:
    format: auto                    # each transcript by its name and content
    languages: [en]                 # first, if a video has transcripts in several languages
""",
)
