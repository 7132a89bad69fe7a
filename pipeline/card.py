"""The dataset card: README.md of a corpus, with Hugging Face front matter."""

import json

from longtake.schemas.manifest import CorpusManifest

_CAPTIONS = """
Texts are captions that the model {model} wrote from the speech. Field `asr` of a sentence is what was said; a sentence without it
is speech as it was recognised."""


def dataset_card(manifest: CorpusManifest) -> str:
    """The card's text. It holds nothing that is not in the manifest."""
    splits = manifest.splits()
    files = "".join(
        f"      - split: {json.dumps(name)}\n        path: {json.dumps(f'shards/{name}-*.tar')}\n"
        for name in sorted(splits)
    )
    rows = "".join(
        f"| {name} | {split['samples']:,} | {split['frames']:,} | {split['shards']:,} |\n"
        for name, split in sorted(splits.items())
    )
    accounted = "".join(
        f"| {subject} | {count.total:,} | {count.kept:,} | {count.dropped:,} |\n"
        for subject, count in sorted(manifest.counts.items())
    )
    frames = manifest.config["frames"]
    model = manifest.config.get("captions", {}).get("model")
    captions = _CAPTIONS.format(model=model) if model else ""
    return f"""---
pretty_name: {json.dumps(manifest.name)}
task_categories:
  - video-text-to-text
tags:
  - webdataset
  - video
  - long-form video
configs:
  - config_name: default
    data_files:
{files}---

# {manifest.name}

Long clips with paragraph captions, made by Longtake {manifest.versions.get("longtake", "")} from source videos and their
timestamped speech. Each sample is a run of consecutive sentences of one video: their text, their times, and
{frames["per_sentence"]} frames for each sentence (JPEG, short side {frames["short_side"]} pixels).{captions}

| split | samples | frames | shards |
|---|---:|---:|---:|
{rows}
Everything that entered is accounted for; `ledger/` gives the reason for each thing that was left out.

| | in | kept | dropped |
|---|---:|---:|---:|
{accounted}
The shards are WebDataset tars: `<key>.json` (times, sentences, source), `<key>.txt` (the paragraph), `<key>.000.jpg` and on.
The licence of each sample is that of its source video: field `license` of its JSON.
"""
