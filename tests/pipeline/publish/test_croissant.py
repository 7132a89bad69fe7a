"""Croissant metadata: mlcroissant reads it without a fault and yields the rows of the index; no version keeps that of another."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import mlcroissant
import pyarrow.parquet as pq
import pytest

from longtake.pipeline.build.seal import publish
from longtake.pipeline.publish import croissant as croissant_module
from longtake.pipeline.publish.croissant import croissant, croissant_json
from longtake.pipeline.publish.figures import CardFigures, Shares
from longtake.pipeline.publish.index_figures import card_figures
from longtake.pipeline.revise import install
from longtake.pipeline.verify import verify
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, read_manifest
from longtake.schemas.publication import Publication

KNOWN = Publication(url="https://example.org/small", creator="Ada L.", date="2026-11-25")


@pytest.fixture
def corpus(tmp_path: Path) -> Layout:
    return corpora.build(tmp_path / "corpus")


def parts(corpus: Layout) -> tuple[CorpusManifest, CardFigures]:
    manifest = read_manifest(corpus)
    assert manifest is not None
    return manifest, replace(card_figures(corpus, manifest), limits=("Split leakage failed: 3 videos",))


def published(manifest: CorpusManifest) -> CorpusManifest:
    return manifest.model_copy(update={"publication": KNOWN})


def write_croissant(corpus: Layout, manifest: CorpusManifest, figures: CardFigures) -> None:
    Path(corpus.croissant).write_bytes(croissant_json(manifest, figures, Path(corpus.manifest).read_bytes()))


def issues(dataset: Any) -> tuple[set[str], set[str]]:
    found = dataset.metadata.ctx.issues
    return set(found.errors), set(found.warnings)


def test_mlcroissant_finds_no_fault(corpus: Layout) -> None:
    manifest, figures = parts(corpus)
    write_croissant(corpus, published(manifest), figures)
    assert issues(mlcroissant.Dataset(jsonld=corpus.croissant)) == (set(), set())
    write_croissant(corpus, *parts(corpus))
    errors, warnings = issues(mlcroissant.Dataset(jsonld=corpus.croissant))
    assert not errors and len(warnings) == 1 and "datePublished" in warnings.pop(), "what only a publisher knows"


def test_the_record_set_is_the_index(corpus: Layout) -> None:
    write_croissant(corpus, *parts(corpus))
    dataset = mlcroissant.Dataset(jsonld=corpus.croissant)
    rows = [row for path in sorted(Path(corpus.index).iterdir()) for row in pq.read_table(path).to_pylist()]
    records = list(dataset.records("samples"))
    assert len(records) == len(rows) > 0

    def text(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    for record, row in zip(records, rows, strict=True):
        plain = {name.removeprefix("samples/"): value for name, value in record.items()}
        sentences = [
            {name.removeprefix("samples/sentences/"): text(value) for name, value in sentence.items()}
            for sentence in plain.pop("sentences")
        ]
        names = ("clip_id", "start_ms", "end_ms", "text")
        assert sentences == [{name: sentence[name] for name in names} for sentence in row["sentences"]]
        assert plain.keys() > {"key", "video_id", "url", "license", "start_ms", "end_ms", "paragraph", "split"}
        assert {name: text(value) for name, value in plain.items()} == {name: row[name] for name in plain}
    assert [text(record["splits/name"]) for record in dataset.records("splits")] == ["train", "val"]


def test_files_are_listed_with_their_hashes(corpus: Layout) -> None:
    write_croissant(corpus, *parts(corpus))
    raw = json.loads(Path(corpus.croissant).read_bytes())
    objects = [one for one in raw["distribution"] if one["@type"] == "cr:FileObject"]
    assert {one["contentUrl"] for one in objects} == {
        "corpus.json",
        *(f"shards/{path.name}" for path in Path(corpus.shards).iterdir()),
    }
    for one in objects:
        data = Path(corpus.path(one["contentUrl"])).read_bytes()
        assert hashlib.sha256(data).hexdigest() == one["sha256"]
        assert one.get("contentSize", f"{len(data)} B") == f"{len(data)} B"
    sets = {one["@id"]: one["includes"] for one in raw["distribution"] if one["@type"] == "cr:FileSet"}
    for pattern in sets.values():
        assert list(Path(corpus.root).glob(pattern)), pattern
    assert sets["shards-val"] == "shards/val-*.tar"


def test_very_many_shards_are_named_by_patterns(corpus: Layout) -> None:
    manifest, figures = parts(corpus)
    shard = manifest.shards[0]
    many = tuple(shard.model_copy(update={"name": f"train-{n:06d}.tar"}) for n in range(12_000))
    raw = croissant(published(manifest).model_copy(update={"shards": many}), figures)
    assert len(json.dumps(raw)) < 30_000
    assert [one["contentUrl"] for one in raw["distribution"] if "contentUrl" in one] == ["corpus.json"]
    assert issues(mlcroissant.Dataset(jsonld=raw)) == (set(), set())
    few = croissant(manifest.model_copy(update={"shards": many[: croissant_module.LISTED_SHARDS]}), figures)
    assert sum("contentUrl" in one for one in few["distribution"]) == croissant_module.LISTED_SHARDS + 1


def test_licences_languages_and_limits(corpus: Layout) -> None:
    manifest, figures = parts(corpus)
    raw = croissant(published(manifest), figures)
    assert raw["license"] == ["https://creativecommons.org/licenses/by/4.0/"]
    assert raw["conformsTo"][0] == "http://mlcommons.org/croissant/1.0"
    assert raw["rai:dataLimitations"] == ["Split leakage failed: 3 videos"]
    assert "inLanguage" not in raw and raw["version"] == "1.0.0"
    assert raw["creator"]["name"] == "Ada L." and raw["url"] == KNOWN.url and raw["datePublished"] == "2026-11-25"
    bare = croissant(manifest, figures)
    assert not {"creator", "url", "datePublished"} & bare.keys(), "what is not known is not said"
    hostile = 'x"}], "@id": "<script>\n'
    licences = Shares((("MIT", 3), (hostile, 2), ("", 1)), 5)
    figures = replace(figures, licences=licences, languages=Shares((("fr", 3),)), limits=(hostile,))
    raw = croissant(published(manifest).model_copy(update={"name": hostile}), figures)
    assert raw["license"][0] == "https://spdx.org/licenses/MIT.html"
    assert [one["name"] for one in raw["license"][1:]] == [
        'x"}], "@id": "<script>',
        "others: field license of each sample",
    ]
    assert raw["inLanguage"] == ["fr"]
    assert issues(mlcroissant.Dataset(jsonld=raw)) == (set(), set())
    nothing = croissant(published(manifest), replace(figures, licences=Shares((("", 1),)), languages=Shares(())))
    assert nothing["license"] == [{"@type": "sc:CreativeWork", "name": "none stated"}]
    assert issues(mlcroissant.Dataset(jsonld=nothing)) == (set(), set())


def test_no_clock_and_no_path(corpus: Layout, tmp_path: Path) -> None:
    write_croissant(corpus, *parts(corpus))
    first = Path(corpus.croissant).read_text()
    other = Layout(str(shutil.copytree(corpus.root, tmp_path / "other")))
    write_croissant(other, *parts(other))
    assert Path(other.croissant).read_text() == first and str(tmp_path) not in first


def test_verify_has_nothing_against_it(corpus: Layout) -> None:
    write_croissant(corpus, *parts(corpus))
    Path(corpus.card).write_text("---\nlicense: mit\n---\n")
    Path(corpus.path("audit")).mkdir()
    Path(corpus.path("audit", "sample.csv")).write_text("key\n")
    report = verify(corpus.root, workers=1)
    assert report.number == 0 and report.samples > 0


def next_of(corpus: Layout) -> CorpusManifest:
    """Make the next version beside a corpus, with nothing changed but its number."""
    manifest, _ = parts(corpus)
    new = install.next_version(corpus)
    for folder in ("plan", "ledger", "shards", "index"):
        shutil.copytree(corpus.path(folder), new.path(folder))
    entry = {"version": 2, "command": "reshard", "parent": install.digest(corpus)}
    changed = manifest.model_copy(update={"version": 2, "history": (entry,)})
    publish(new, changed)
    return changed


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_new_version_does_not_keep_what_was_said_of_the_old_one(
    corpus: Layout, exchanges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_croissant(corpus, *parts(corpus))
    Path(corpus.card).write_text("of an audit of version 1\n")
    Path(corpus.path("mine.txt")).write_text("not ours\n")
    changed = next_of(corpus)
    if not exchanges:
        monkeypatch.setattr(install, "_exchange", lambda one, other: False)
    install.install(corpus)
    assert read_manifest(corpus) == changed
    assert json.loads(Path(corpus.croissant).read_bytes())["version"] == "2.0.0"
    assert "Split leakage" not in Path(corpus.croissant).read_text()
    assert issues(mlcroissant.Dataset(jsonld=corpus.croissant))[0] == set()
    assert "of an audit" not in Path(corpus.card).read_text()
    assert Path(corpus.path("mine.txt")).read_text() == "not ours\n"
    assert not Path(install.next_version(corpus).root).exists()


def test_a_build_in_the_same_place_does_not_keep_it_either(corpus: Layout) -> None:
    write_croissant(corpus, *parts(corpus))
    publish(corpus, parts(corpus)[0])
    assert "Split leakage" not in Path(corpus.croissant).read_text()
    digest = hashlib.sha256(Path(corpus.manifest).read_bytes()).hexdigest()
    assert json.loads(Path(corpus.croissant).read_bytes())["distribution"][0]["sha256"] == digest
