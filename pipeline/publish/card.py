"""The dataset card: README.md of a corpus, from one template at build, after an audit and in new versions.

An audit adds what it found. All text from strangers is escaped.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from longtake.pipeline.publish.citation import citation
from longtake.pipeline.publish.figures import CardFigures, Shares, SplitFigures, known_licences
from longtake.pipeline.publish.front_matter import front_matter
from longtake.pipeline.publish.licences import OTHER
from longtake.pipeline.publish.markdown import escape, fenced, table
from longtake.pipeline.publish.people import data_sheet, signed_off
from longtake.schemas.layout import shard_name
from longtake.schemas.manifest import CorpusManifest

_CAPTIONS = """
Texts are captions that the model {model} wrote from the speech. Field `asr` of a sentence is what was said; a sentence without it
is speech as it was recognised."""
_FIELDS = (
    ("__key__, json.key", "text", "name of the sample"),
    ("txt", "text", "the paragraph: its sentences, joined by a space"),
    ("000.jpg, 001.jpg, ...", "images", "the frames in time order; a shorter sample has fewer"),
    ("json.video_id, url, license", "text", "the source video, and its licence as its record states it"),
    ("json.split, shard, position", "text, number", "the place of the sample"),
    ("json.start_ms, end_ms", "numbers", "the long clip in the video, in milliseconds"),
    ("json.sentences", "list", "clip_id, start_ms, end_ms, text of each; timing, asr, speaker where known"),
    ("json.frame_times_ms, frame_pts_ms", "numbers", "when each frame was wanted, and when it is shown"),
    ("json.frame_sentence", "numbers", "the sentence of each frame, from 0"),
    ("json.frame_size", "numbers", "height and width of the frames"),
    ("json.source", "object", "size, frame rate, codec, duration and colours of the source video"),
    ("json.meta", "object", "what the record of the video says besides"),
)
_SHOWN = 20  # rows of a table
_LISTED = 3  # licences of a host


def dataset_card(manifest: CorpusManifest, figures: CardFigures) -> str:
    """The card of a corpus."""
    sections = (
        f"# {escape(manifest.name)}\n\n{_what(manifest)}",
        f"## Figures\n\n{_figures(manifest, figures)}",
        f"## Fields\n\n{table(('field', 'type', 'meaning'), _FIELDS, text_columns=3)}",
        f"## Where it comes from\n\n{_provenance(manifest, figures)}",
        f"## How it was made\n\n{_making(manifest)}",
        f"## Known limits\n\n{_limits(figures)}",
        f"## Sign-off\n\n{signed_off(figures.attestation)}",
        f"## Data sheet\n\n{data_sheet(figures.answers)}",
        f"## Taking videos down\n\n{_takedown(manifest)}",
        f"## Loading it\n\n{_loading(manifest)}",
        f"## Citing it\n\n{fenced(citation(manifest), 'bibtex')}",
    )
    return front_matter(manifest, figures) + "\n" + "\n\n".join(sections) + "\n"


def _what(manifest: CorpusManifest) -> str:
    frames = manifest.config["frames"]
    model = manifest.config.get("captions", {}).get("model")
    captions = _CAPTIONS.format(model=escape(model)) if model else ""
    made = escape(manifest.versions.get("longtake", ""))
    if frames.get("uniform") is None:
        said = f"""Long clips with paragraph captions, made by Longtake {made} from source videos and their
timestamped speech. Each sample is a run of consecutive sentences of one video: their text, their times, and
{escape(frames["per_sentence"])} frames for each sentence"""
    else:
        said = f"""Whole videos with what is asked about them, made by Longtake {made} from source videos and
annotations. Each sample is one video: {escape(frames["uniform"])} frames spread over it, and in `meta` its `task`: paragraphs to
find, questions with their answers, or a label"""
    return f"""{said} (JPEG, short side {escape(frames["short_side"])} pixels).{captions}

The shards are WebDataset tars: `<key>.json` (times, sentences, source), `<key>.txt` (the paragraph), `<key>.000.jpg` and on.
`index/` has a row for each sample with all that is known of it, `plan/` what was decided, `ledger/` what was dropped and why."""


def _figures(manifest: CorpusManifest, figures: CardFigures) -> str:
    splits = manifest.splits()
    whole = {name: sum(split[name] for split in splits.values()) for name in ("frames", "shards")}
    lines = [
        (
            one.name,
            one.samples,
            one.videos,
            _hours(one),
            one.sentences,
            one.words,
            of["frames"],
            of["shards"],
            _span(one),
        )
        for one, of in [
            *((one, splits.get(one.name, dict.fromkeys(whole, 0))) for one in figures.splits),
            (figures.total, whole),
        ]
    ]
    columns = (
        "split",
        "samples",
        "videos",
        "hours",
        "sentences",
        "words",
        "frames",
        "shards",
        "seconds: min, median, max",
    )
    accounted = ((name, count.total, count.kept, count.dropped) for name, count in sorted(manifest.counts.items()))
    return f"""{table(columns, lines)}

Everything that entered is accounted for; `ledger/` gives the reason for each thing that was dropped.

{table(("", "in", "kept", "dropped"), accounted)}

{_shares(("language of the samples", "samples"), figures.languages, "not determined")}"""


def _hours(split: SplitFigures) -> str:
    return f"{split.hours:,.{0 if split.hours >= 100 else 2}f}"


def _span(split: SplitFigures) -> str:
    return ", ".join(f"{value:,.1f}" for value in split.seconds)


def _shares(columns: tuple[str, str], shares: Shares, nothing: str) -> str:
    shown, rest = shares.counts[:_SHOWN], shares.counts[_SHOWN:]
    rows: list[tuple[str, int]] = [(value or nothing, samples) for value, samples in shown]
    if left := sum(samples for _, samples in rest) + shares.left:
        rows.append(("others", left))
    return table(columns, rows)


def _provenance(manifest: CorpusManifest, figures: CardFigures) -> str:
    known = [(one.name, one.hub_id, samples) for one, samples in known_licences(figures.licences).items()]
    rows = known[:_SHOWN]
    if left := sum(samples for *_, samples in known[_SHOWN:]) + figures.licences.left:
        rows.append(("others", OTHER, left))
    text = f"""The licence of each sample is that of its source video, as the record of the video states it: field `license` of
its JSON, column `license` of the index. Nobody has checked here that the statement is true.

{table(("licence", "id on the hub", "samples"), rows, text_columns=2)}

{_hosts(figures)}

Version {manifest.version}, fingerprint `{re.sub("[^0-9a-f]", "", manifest.fingerprint)}`."""
    if manifest.decisions:
        made = {name: escape(manifest.decisions.get(name, "?")) for name in ("rejects", "applied")}
        text += f"\n\nCurators had rejected {made['rejects']} samples or videos; {made['applied']} of them applied to the plan."
    if manifest.history:
        asked = [
            (entry.get("version", ""), entry.get("command", ""), _asked(entry)) for entry in manifest.history[-_SHOWN:]
        ]
        text += "\n\n" + table(("version", "made by", "with"), asked, text_columns=3)
    return text


def _hosts(figures: CardFigures) -> str:
    """The hosts of the source videos, each with its licences counted."""
    rows = [
        (host or "no URL stated", _licences_of(figures.licences_of.get(host, Shares(()))), samples)
        for host, samples in figures.hosts.counts[:_SHOWN]
    ]
    if left := sum(samples for _, samples in figures.hosts.counts[_SHOWN:]) + figures.hosts.left:
        rows.append(("others", "", left))
    return table(("host of the source", "licences (samples)", "samples"), rows, text_columns=2)


def _licences_of(shares: Shares) -> str:
    known = known_licences(shares)
    told = [f"{one.name[:60]} ({samples:,})" for one, samples in list(known.items())[:_LISTED]]
    if left := sum(list(known.values())[_LISTED:]) + shares.left:
        told.append(f"others ({left:,})")
    return ", ".join(told)


def _asked(entry: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in entry.items() if name not in ("version", "command", "parent")}
    return json.dumps(rest, ensure_ascii=False, sort_keys=True)


def _making(manifest: CorpusManifest) -> str:
    versions = ", ".join(f"{escape(name)} {escape(version)}" for name, version in sorted(manifest.versions.items()))
    settings = yaml.safe_dump(_stated(manifest.config), sort_keys=True, allow_unicode=True)
    return f"""The settings that decided the corpus, without those that were not set:

{fenced(settings, "yaml")}

Made with {versions}."""


def _stated(value: Any) -> Any:
    """Settings without null values, and without sections that have no other values."""
    if isinstance(value, Mapping):
        return {name: _stated(own) for name, own in value.items() if own is not None and _stated(own) != {}}
    return value


def _limits(figures: CardFigures) -> str:
    if not figures.audited:
        return "Nobody has audited this version yet: `longtake audit` says here what its checks find."
    lines = [f"- {escape(line, 600)}" for line in figures.limits]
    told = "\n".join(lines) if lines else "The checks of the audit found nothing to warn of, and none was left out."
    text = f"What the audit ({escape(figures.audited)}) found and could not check:\n\n{told}"
    if figures.reviews:
        text += "\n\nWhat people found who reviewed a random sample:\n\n"
        text += "\n".join(f"- {escape(line, 600)}" for line in figures.reviews)
    if figures.agreement:
        text += f"\n\n{escape(figures.agreement, 600)}"
    return text


def _takedown(manifest: CorpusManifest) -> str:
    contact = manifest.publication.contact
    who = (
        f"Requests go to {escape(contact, 500)}. Name the video by its address or by `video_id`."
        if contact
        else "**No contact is named yet.** Whoever publishes the corpus sets `publication.contact` in its configuration."
    )
    return f"""{who}

`longtake takedown` takes videos out of shards, index and plan and makes a new version; the ledger then says that they were taken
down, and keeps their ids and no text."""


def _loading(manifest: CorpusManifest) -> str:
    splits = manifest.splits()
    name = "train" if "train" in splits else min(splits)
    last = splits[name]["shards"] - 1
    shards = f"{shard_name(name, 0)}.tar" if last == 0 else f"{name}-{{000000..{last:06d}}}.tar"
    whole = f"""import os

import datasets  # pip install datasets pillow

for sample in datasets.load_dataset(os.getcwd(), split={json.dumps(name)}, streaming=True):
    frames = [picture for name, picture in sample.items() if name.endswith(".jpg") and picture is not None]
    print(sample["__key__"], sample["txt"], len(frames), frames[0].size)"""
    code = f"""import webdataset as wds  # pip install webdataset pillow

for sample in wds.WebDataset({json.dumps(f"shards/{shards}")}, shardshuffle=False).decode("pil"):
    print(sample["__key__"], sample["txt"], sample["json"]["sentences"], sample["000.jpg"].size)"""
    query = """import duckdb  # pip install duckdb

print(duckdb.sql("SELECT key, url, license, start_ms, end_ms, paragraph FROM 'index/*.parquet' LIMIT 5"))"""
    return f"""In the folder of the corpus:

{fenced(whole, "python")}

{fenced(code, "python")}

{fenced(query, "python")}

`dataset_info` above names a column for each frame of the longest sample, which is None where a sample has fewer."""
