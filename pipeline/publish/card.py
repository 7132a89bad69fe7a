"""The dataset card: README.md of a corpus, with Hugging Face front matter. A build writes the short card from corpus.json. An
audit writes the long card, with its findings."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from longtake.pipeline.publish.licences import OTHER, Licence, licence
from longtake.pipeline.publish.loader_columns import dataset_info
from longtake.pipeline.publish.markdown import escape, fenced, table
from longtake.schemas.layout import shard_name
from longtake.schemas.manifest import CorpusManifest

_CAPTIONS = """
Texts are captions that the model {model} wrote from the speech. Field `asr` of a sentence is what was said; a sentence without it
is speech as it was recognised."""
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SHOWN = 20  # rows of a table
_SIZES = (
    "n<1K",
    "1K<n<10K",
    "10K<n<100K",
    "100K<n<1M",
    "1M<n<10M",
    "10M<n<100M",
    "100M<n<1B",
    "1B<n<10B",
    "10B<n<100B",
)


@dataclass(frozen=True, slots=True)
class SplitFigures:
    """The figures of one split, from the index. `seconds` are the shortest, median and longest durations of its long clips."""

    name: str
    samples: int
    videos: int
    sentences: int
    words: int
    hours: float
    seconds: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Shares:
    """The number of samples with each value, most frequent first. `left` samples have a value that is not listed. "" means no
    value."""

    counts: tuple[tuple[str, int], ...]
    left: int = 0


@dataclass(frozen=True, slots=True)
class CardFigures:
    """The figures that an audit adds to a card.

    `licences` are as the records state them, `languages` are ISO 639 codes, `hosts` come from the URLs. `limits` are sentences
    on what checks found or could not check, `reviews` on what people found. `audited` says when and by what.
    """

    splits: tuple[SplitFigures, ...]
    total: SplitFigures
    licences: Shares
    languages: Shares
    hosts: Shares
    limits: tuple[str, ...] = ()
    reviews: tuple[str, ...] = ()
    audited: str = ""
    most_frames: int = 0  # of a sample


@dataclass(frozen=True, slots=True)
class Publication:
    """Facts that a corpus does not know, "" if its publisher has not given them: where it is published, by whom, when (a date
    like 2026-11-25), and a contact for requests to take videos down."""

    url: str = ""
    creator: str = ""
    date: str = ""
    contact: str = ""


def dataset_card(manifest: CorpusManifest, most: int) -> str:
    """The short card: the facts of the manifest, and the columns of samples with up to `most` frames."""
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
{files}{_yaml({"dataset_info": dataset_info(most)})}---

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


def audited_card(manifest: CorpusManifest, figures: CardFigures, publication: Publication | None = None) -> str:
    """The long card. All text from strangers is escaped."""
    publication = publication or Publication()
    sections = (
        f"# {escape(manifest.name)}\n\n{_what(manifest)}",
        f"## Figures\n\n{_figures(manifest, figures)}",
        f"## Where it comes from\n\n{_provenance(manifest, figures)}",
        f"## How it was made\n\n{_making(manifest)}",
        f"## Known limits\n\n{_limits(figures)}",
        f"## Taking videos down\n\n{_takedown(publication)}",
        f"## Loading it\n\n{_loading(manifest)}",
        f"## Citing it\n\n{fenced(citation(manifest, publication), 'bibtex')}",
    )
    return f"---\n{_yaml(_front_matter(manifest, figures))}---\n\n" + "\n\n".join(sections) + "\n"


# -- front matter


def _yaml(value: dict[str, Any]) -> str:
    return yaml.dump(value, Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True, width=10_000)


class _WithoutAliases(yaml.SafeDumper):
    """A YAML dumper that writes repeated values in full: people read the text, and not every reader knows aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _front_matter(manifest: CorpusManifest, figures: CardFigures) -> dict[str, Any]:
    languages = sorted(code for code, _ in figures.languages.counts if _LANGUAGE.fullmatch(code))
    model = manifest.config.get("captions", {}).get("model")
    return {
        "pretty_name": one_line(manifest.name),
        **({"language": languages} if languages else {}),
        **_licence_fields(figures.licences),
        "size_categories": [_SIZES[min(max(len(str(figures.total.samples)) - 3, 0), len(_SIZES) - 1)]],
        "task_categories": ["video-text-to-text"],
        **({"annotations_creators": ["machine-generated"]} if model else {}),
        "tags": ["webdataset", "video", "long-form video", "longtake"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": one_line(name), "path": f"shards/{one_line(name)}-*.tar"}
                    for name in sorted(manifest.splits())
                ],
            }
        ],
        "dataset_info": dataset_info(figures.most_frames),
    }


def one_line(name: str) -> str:
    """A name as plain text on one line."""
    return "".join(c if c.isprintable() else " " for c in " ".join(name.split()))


def known_licences(licences: Shares) -> dict[Licence, int]:
    """The number of samples under each licence that the texts name, most frequent first."""
    found: dict[Licence, int] = {}
    for text, samples in licences.counts:
        named = licence(text)
        found[named] = found.get(named, 0) + samples
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0].name)))


def _licence_fields(licences: Shares) -> dict[str, Any]:
    """The field `license`; also `license_name` and `license_link` if a licence is not on the hub's list."""
    found = known_licences(licences)
    ids = list(dict.fromkeys([one.hub_id for one in found] + ([OTHER] if licences.left else [])))
    if not ids:
        return {}
    fields: dict[str, Any] = {"license": ids[0] if len(ids) == 1 else ids}
    if OTHER in ids:
        others = [one for one in found if one.hub_id == OTHER]
        is_one = len(others) == 1 and not licences.left
        slug = re.sub(r"[^a-z0-9.]+", "-", others[0].name.lower())[:60].strip("-.") if is_one else ""
        fields["license_name"] = slug or "several-see-card"
        if is_one and others[0].url:
            fields["license_link"] = others[0].url
    return fields


# -- sections


def _what(manifest: CorpusManifest) -> str:
    frames = manifest.config["frames"]
    model = manifest.config.get("captions", {}).get("model")
    captions = _CAPTIONS.format(model=escape(model)) if model else ""
    made = escape(manifest.versions.get("longtake", ""))
    return f"""Long clips with paragraph captions, made by Longtake {made} from source videos and their
timestamped speech. Each sample is a run of consecutive sentences of one video: their text, their times, and
{escape(frames["per_sentence"])} frames for each sentence (JPEG, short side {escape(frames["short_side"])} pixels).{captions}

The shards are WebDataset tars: `<key>.json` (times, sentences, source), `<key>.txt` (the paragraph), `<key>.000.jpg` and on.
`index/` has a row for each sample with all that is known of it, `plan/` what was decided, `ledger/` what was left out and why."""


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

Everything that entered is accounted for; `ledger/` gives the reason for each thing that was left out.

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
    text = f"""{_shares(("host of the source", "samples"), figures.hosts, "no URL stated")}

The licence of each sample is that of its source video, as the record of the video states it: field `license` of its JSON,
column `license` of the index. Nobody has checked here that the statement is true.

{table(("licence", "id on the hub", "samples"), rows, text_columns=2)}

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
    by = f" ({escape(figures.audited)})" if figures.audited else ""
    lines = [f"- {escape(line, 600)}" for line in figures.limits]
    told = "\n".join(lines) if lines else "The checks of the audit found nothing to warn of, and none was left out."
    text = f"What the audit{by} found and could not check:\n\n{told}"
    if figures.reviews:
        text += "\n\nWhat people found who reviewed a random sample:\n\n"
        text += "\n".join(f"- {escape(line, 600)}" for line in figures.reviews)
    return text


def _takedown(publication: Publication) -> str:
    who = (
        f"Requests go to {escape(publication.contact)}."
        if publication.contact
        else "**No contact is named yet.** The corpus knows none: whoever publishes it has to put one here."
    )
    return f"""{who}

`longtake takedown` takes videos out of shards, index and plan and makes a new version; the ledger then says that they were taken
down, and keeps their ids and no text."""


def _loading(manifest: CorpusManifest) -> str:
    splits = manifest.splits()
    name = "train" if "train" in splits else min(splits)
    last = splits[name]["shards"] - 1
    shards = f"{shard_name(name, 0)}.tar" if last == 0 else f"{name}-{{000000..{last:06d}}}.tar"
    code = f"""import webdataset as wds  # pip install webdataset pillow

for sample in wds.WebDataset({json.dumps(f"shards/{shards}")}, shardshuffle=False).decode("pil"):
    print(sample["__key__"], sample["txt"], sample["json"]["sentences"], sample["000.jpg"].size)"""
    query = """import duckdb  # pip install duckdb

print(duckdb.sql("SELECT key, url, license, start_ms, end_ms, paragraph FROM 'index/*.parquet' LIMIT 5"))"""
    return f"""In the folder of the corpus:

{fenced(code, "python")}

{fenced(query, "python")}

`datasets.load_dataset` reads it too: `dataset_info` above names a column for each frame of the longest sample, which is None
where a sample has fewer. Field `meta` of a sample, which has other fields in each corpus, is in tars and index only."""


def citation(manifest: CorpusManifest, publication: Publication) -> str:
    """A BibTeX entry. It has author, year and URL only if they are known."""
    fields = {
        "title": manifest.name,
        "author": publication.creator,
        "year": publication.date[:4],
        "version": str(manifest.version),
        "howpublished": publication.url,
        "note": f"Made with Longtake {manifest.versions.get('longtake', '')}, fingerprint {manifest.fingerprint[:16]}",
    }
    lines = [f"  {name} = {{{_bibtex(value)}}}" for name, value in fields.items() if value]
    key = re.sub(r"[^A-Za-z0-9]+", "-", manifest.name).strip("-") or "corpus"
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


def _bibtex(text: str) -> str:
    return re.sub(r"[{}\\]", "", one_line(text))
