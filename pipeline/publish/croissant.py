"""Croissant metadata: croissant.json of a corpus, JSON-LD that tools and search engines read (https://docs.mlcommons.org/croissant)."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from longtake.pipeline.publish.citation import citation
from longtake.pipeline.publish.figures import CardFigures, known_licences
from longtake.pipeline.publish.licences import UNKNOWN
from longtake.pipeline.publish.markdown import one_line
from longtake.schemas.datasheet import QUESTIONS
from longtake.schemas.manifest import CorpusManifest

CONFORMS_TO = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
LISTED_SHARDS = (
    1000  # a larger corpus names shards by pattern only: mlcroissant takes 1.4 s and 280 KB for each thousand files
)
_LISTED_LICENCES = 50
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_FIELDS = (  # for each column of the index: name, type, meaning
    ("key", "sc:Text", "The name of the sample, unique in the corpus; its files in the shard begin with it."),
    ("video_id", "sc:Text", "The id of the source video."),
    ("url", "sc:URL", "Where the source video can be seen; empty where none was stated."),
    ("license", "sc:Text", "The licence of the source video, as its record states it."),
    ("split", "sc:Text", "The split of the sample."),
    ("shard", "sc:Text", "The shard that holds the sample, without .tar."),
    ("position", "sc:Integer", "The place of the sample in its shard, from 0."),
    ("start_ms", "sc:Integer", "Where the long clip begins in the video, in milliseconds."),
    ("end_ms", "sc:Integer", "Where it ends, in milliseconds."),
    ("paragraph", "sc:Text", "The sentences, joined by a space."),
    ("n_sentences", "sc:Integer", "How many sentences there are."),
    ("n_words", "sc:Integer", "How many words there are."),
    ("language", "sc:Text", "The language of the text (ISO 639), where it was determined."),
    ("frame_width", "sc:Integer", "Width of the frames in pixels."),
    ("frame_height", "sc:Integer", "Height of the frames in pixels."),
    ("sha256", "sc:Text", "SHA-256 of the files of the sample in the shard, one after the other."),
)
_SENTENCE_FIELDS = (
    ("clip_id", "sc:Text", "The id of the sentence."),
    ("start_ms", "sc:Integer", "Where it begins in the video, in milliseconds."),
    ("end_ms", "sc:Integer", "Where it ends, in milliseconds."),
    ("text", "sc:Text", "What is said."),
)


def croissant(manifest: CorpusManifest, figures: CardFigures, corpus_json: bytes | None = None) -> dict[str, Any]:
    """The metadata of a corpus, with paths relative to its folder. `corpus_json` is the content of that file, if it is on disk.

    The specification asks for `url`, `creator` and `datePublished`. They are absent unless the publisher has given them. Up to
    LISTED_SHARDS shards are listed with their hashes. corpus.json is always listed with its hash, and has all shards.
    """
    publication = manifest.publication
    digest = hashlib.sha256(corpus_json or manifest.to_bytes()).hexdigest()
    languages = [code for code, _ in figures.languages.counts if code]
    whole = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": one_line(manifest.name),
        "description": _description(manifest, figures),
        "conformsTo": CONFORMS_TO,
        "version": f"{manifest.version}.0.0",
        "license": _licences(figures),
        "url": publication.url,
        "creator": {"@type": "sc:Organization", "name": publication.creator} if publication.creator else None,
        "datePublished": publication.date,
        "citeAs": citation(manifest),
        "keywords": ["video", "long-form video", "speech", "WebDataset", *languages],
        "inLanguage": languages,
        **_responsible_ai(manifest, figures),
        "distribution": list(_distribution(manifest, digest)),
        "recordSet": [_splits(manifest), _samples()],
    }
    return {name: value for name, value in whole.items() if value not in (None, "", [])}


def croissant_json(manifest: CorpusManifest, figures: CardFigures, corpus_json: bytes | None = None) -> bytes:
    """The content of croissant.json."""
    return (json.dumps(croissant(manifest, figures, corpus_json), indent=2, ensure_ascii=False) + "\n").encode()


def _description(manifest: CorpusManifest, figures: CardFigures) -> str:
    total, frames = figures.total, manifest.config["frames"]
    what, how = "long clips with paragraph captions", "runs of consecutive sentences of timestamped speech"
    taken = f"{frames['per_sentence']} frames for each sentence"
    if frames.get("uniform") is not None:
        what, how = "whole videos with what is asked about them", "paragraphs to find, questions or labels (meta.task)"
        taken = f"{frames['uniform']} frames spread over each video"
    return (
        f"{total.samples:,} {what}, {total.hours:,.2f} hours and {total.words:,} words of "
        f"{total.videos:,} source videos: {how}, with {taken} (JPEG, short side {frames['short_side']} pixels). The shards are "
        "WebDataset tars: <key>.json (times, sentences, source), <key>.txt (the paragraph), <key>.000.jpg and on; "
        "the record set `samples` is their index."
    )


def _licences(figures: CardFigures) -> list[Any]:
    """URLs of the licences if they are known, else names."""
    found = [
        one.url or {"@type": "sc:CreativeWork", "name": one_line(one.name)[:200]}
        for one in known_licences(figures.licences)
        if one.hub_id != UNKNOWN
    ]
    listed = found[:_LISTED_LICENCES]
    if len(found) > len(listed) or figures.licences.left:
        listed.append({"@type": "sc:CreativeWork", "name": "others: field license of each sample"})
    return listed or [{"@type": "sc:CreativeWork", "name": "none stated"}]


def _responsible_ai(manifest: CorpusManifest, figures: CardFigures) -> dict[str, Any]:
    """Properties of the vocabulary for responsible AI."""
    config = manifest.config
    model = config.get("captions", {}).get("model")
    pii = config.get("filters", {}).get("pii", "keep")
    personal = {
        "keep": "Speech was not searched for personal data.",
        "mask": "E-mail addresses and numbers that were found in the speech are masked.",
        "drop": "Long clips in which e-mail addresses or numbers of persons were found are dropped.",
    }
    sources = ", ".join(f"{host} ({samples:,} samples)" for host, samples in figures.hosts.counts[:20] if host)
    answers, accounted = figures.answers, manifest.counts
    missing = ", ".join(f"{c.dropped:,} of {c.total:,} {name}" for name, c in sorted(accounted.items()) if c.dropped)
    found = {
        "rai:dataCollection": f"Videos and their transcripts as a manifest lists them. Hosts: {sources or 'none stated'}.",
        "rai:dataPreprocessingProtocol": [
            "Sentences of a video are cleaned, merged into long clips and filtered; frames are decoded at planned times. The "
            "settings are in corpus.json under config; ledger/ says what was dropped, and why."
        ],
        "rai:machineAnnotationTools": [f"captions by {model}"] if model else [],
        "rai:personalSensitiveInformation": [
            f"Faces and voices are not searched for. {personal.get(pii, f'Personal data in speech: {pii}.')}"
        ],
        "rai:dataLimitations": [one_line(text) for text in (*figures.limits, *figures.reviews)],
        "rai:dataCollectionMissingData": f"Dropped: {missing}. ledger/ has the reason for each." if missing else "",
        "rai:dataCollectionRawData": "Source videos and transcripts at their hosts. They are not part of the corpus.",
        "rai:dataAnnotationPlatform": ["longtake browse"] if figures.reviews else [],
        "rai:dataAnnotationAnalysis": [one_line(text) for text in (figures.agreement, *figures.reviews) if text],
    }
    for question in QUESTIONS:
        answer = one_line(answers.answer(question))
        if not question.rai or not answer:
            continue
        name = f"rai:{question.rai}"
        if question.name == "collected":
            found[name] = list(answers.collected)
        else:
            found[name] = [*found.get(name, ()), answer] if question.is_list else answer
    return found


# -- files


def _distribution(manifest: CorpusManifest, digest: str) -> Iterator[dict[str, Any]]:
    yield {
        "@type": "cr:FileObject",
        "@id": "corpus.json",
        "name": "corpus.json",
        "description": "What the corpus consists of: settings, versions, counts, and each shard with its SHA-256.",
        "contentUrl": "corpus.json",
        "encodingFormat": "application/json",
        "sha256": digest,
    }
    yield _file_set("index", "index/*.parquet", "application/x-parquet", "One row for each sample.")
    for split in sorted(manifest.splits()):
        about = f"The shards of split {one_line(split)}."
        yield _file_set(f"shards-{one_line(split)}", f"shards/{one_line(split)}-*.tar", "application/x-tar", about)
    for folder, about in (("plan", "What was decided."), ("ledger", "What was dropped, and why.")):
        yield _file_set(folder, f"{folder}/*.parquet", "application/x-parquet", about)
    for shard in manifest.shards if len(manifest.shards) <= LISTED_SHARDS else ():
        yield {
            "@type": "cr:FileObject",
            "@id": f"shards/{one_line(shard.name)}",
            "name": one_line(shard.name),
            "contentUrl": f"shards/{one_line(shard.name)}",
            "contentSize": f"{shard.bytes} B",
            "encodingFormat": "application/x-tar",
            "sha256": shard.sha256,
        }


def _file_set(name: str, includes: str, encoding: str, about: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": about,
        "encodingFormat": encoding,
        "includes": includes,
    }


# -- records


def _splits(manifest: CorpusManifest) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits. All samples of a video are in one.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"splits/name": one_line(name)} for name in sorted(manifest.splits())],
    }


def _samples() -> dict[str, Any]:
    fields = [_field(f"samples/{name}", name, kind, about, name) for name, kind, about in _FIELDS]
    times = _field(
        "samples/frame_pts_ms", "frame_pts_ms", "sc:Integer", "When each frame is shown, in ms.", "frame_pts_ms"
    )
    sentences = {
        "@type": "cr:Field",
        "@id": "samples/sentences",
        "name": "sentences",
        "description": "The sentences in time order.",
        "repeated": True,
        "subField": [
            _field(f"samples/sentences/{name}", name, kind, about, "sentences", name)
            for name, kind, about in _SENTENCE_FIELDS
        ],
    }
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "The index: one record for each sample.",
        "key": {"@id": "samples/key"},
        "field": [*fields, times | {"repeated": True}, sentences],
    }


def _field(name: str, short: str, kind: str, about: str, column: str, path: str = "") -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": "index"}, "extract": {"column": column}}
    if path:
        source["transform"] = {"jsonPath": path}
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": short,
        "description": about,
        "dataType": kind,
        "source": source,
    }
