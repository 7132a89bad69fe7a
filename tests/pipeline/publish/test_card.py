"""The card: figures counted again from the rows, front matter as the hub reads it, and nothing of strangers in it that acts."""

import contextlib
import io
import json
import re
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard, metadata_load
from markdown_it import MarkdownIt

from longtake.pipeline.audit.card_limits import limits_of
from longtake.pipeline.audit.result import AuditCheck, CheckStatus
from longtake.pipeline.publish.attestation import Attestation
from longtake.pipeline.publish.card import dataset_card
from longtake.pipeline.publish.figures import CardFigures, SampleFields, Shares, SplitFigures
from longtake.pipeline.publish.index_figures import card_figures
from longtake.pipeline.publish.markdown import escape, fenced
from longtake.schemas.datasheet import Datasheet
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest, ShardRecord, read_manifest
from longtake.schemas.publication import Publication

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
HOSTILE = (
    "<script>alert(1)</script>",
    "a | b\n---\nlicense: mit\n",
    "`x` **bold** _i_ ![i](http://evil.example/i.png) [l](javascript:alert(1))",
    "</table><img src=x onerror=alert(1)>",
    "--- \r\n---\u2028# heading",
    "```\n# out of the block",
    "&lt;b&gt; {{ x }} $$ <!-- ",
    "- a\n- b\n1. c\n> d",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return corpora.build(tmp_path_factory.mktemp("corpus"))


def manifest_of(corpus: Layout) -> CorpusManifest:
    manifest = read_manifest(corpus)
    assert manifest is not None
    return manifest


def figures_of(corpus: Layout, **changes: Any) -> CardFigures:
    return replace(card_figures(corpus, manifest_of(corpus)), **changes)


def front_matter(card: str, folder: Path) -> dict[str, Any]:
    """As the hub's own library reads it, in two ways."""
    path = folder / "README.md"
    path.write_text(card, encoding="utf-8", newline="")
    loaded = metadata_load(path)
    assert loaded is not None and loaded == DatasetCard(card).data.to_dict()
    return loaded


def shares(*texts: str) -> Shares:
    return Shares(tuple((text, 10 - n) for n, text in enumerate(texts)))


# -- figures


def test_figures_are_those_of_the_rows(corpus: Layout) -> None:
    rows = [row for path in sorted(Path(corpus.index).iterdir()) for row in pq.read_table(path).to_pylist()]
    figures = figures_of(corpus)
    assert [one.name for one in figures.splits] == ["train", "val"]
    for one, own in [(figures.total, rows)] + [(s, [r for r in rows if r["split"] == s.name]) for s in figures.splits]:
        lengths = sorted(row["end_ms"] - row["start_ms"] for row in own)
        assert one.samples == len(own) > 0
        assert one.videos == len({row["video_id"] for row in own})
        assert one.sentences == sum(len(row["sentences"]) for row in own)
        assert one.words == sum(len(row["paragraph"].split()) for row in own)
        assert one.hours == pytest.approx(sum(lengths) / 3.6e6)
        assert one.seconds == (lengths[0] / 1000, statistics.median(lengths) / 1000, lengths[-1] / 1000)
    assert dict(figures.licences.counts) == Counter(row["license"] for row in rows)
    assert dict(figures.hosts.counts) == {"example.org": len(rows)}
    assert figures.languages == Shares((("", len(rows)),))


def test_licences_and_hosts_beyond_those_listed_are_counted(corpus: Layout, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    rows = [
        {"video_id": f"v{n}", "n_sentences": 1, "n_words": 2, "start_ms": 0, "end_ms": 5, "license": f" licence {n // 2}",
         "url": f"https://me:pw@H{n}.example:80/x", "language": None if n % 2 else "en", "meta": json.dumps({"n": n})}
        for n in range(3000)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "index" / "train-000000.parquet")
    shard = ShardRecord(name="train-000000.tar", split="train", samples=3000, frames=6000, bytes=1, sha256="0")
    manifest = manifest_of(corpus).model_copy(update={"shards": (shard,)})
    figures = card_figures(Layout(str(tmp_path)), manifest)
    assert len(figures.licences.counts) == 1000 and figures.licences.left == 1000
    assert figures.hosts.counts[0] == ("h0.example", 1) and figures.hosts.left == 2900
    assert figures.licences_of["h0.example"] == Shares((("licence 0", 1),))
    assert dict(figures.languages.counts) == {"en": 1500, "": 1500}
    assert figures.fields == SampleFields(2, {"n": "int64"})
    assert "| others |  | 2,980 |" in dataset_card(manifest, figures)
    pq.write_table(pa.Table.from_pylist(rows).drop_columns(["video_id"]), tmp_path / "index" / "train-000000.parquet")
    with pytest.raises(CorpusError, match="video_id"):
        card_figures(Layout(str(tmp_path)), manifest)
    (tmp_path / "index" / "train-000000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(CorpusError, match=r"train-000000\.parquet: not a Parquet file, or a damaged one"):
        card_figures(Layout(str(tmp_path)), manifest)


def test_limits_are_what_checks_did_not_pass() -> None:
    status = (CheckStatus.PASS, CheckStatus.SKIP, CheckStatus.WARN, CheckStatus.FAIL)
    checks = [AuditCheck(f"c{n}", f"Check {n}", one, f"found {n}") for n, one in enumerate(status)]
    assert limits_of(checks) == ("Check 3 failed: found 3", "Check 2: found 2", "Not checked: Check 1. found 1")


# -- front matter


def test_front_matter_is_what_the_hub_reads(corpus: Layout, tmp_path: Path) -> None:
    figures = figures_of(corpus, languages=shares("en", "fr", "", "not a code", "norsk"))
    found = front_matter(dataset_card(manifest_of(corpus), figures), tmp_path)
    info = found.pop("dataset_info")
    columns = [column["name"] for column in info["features"]]
    assert columns == ["json", "txt", *(f"{n:03d}.jpg" for n in range(6)), "__key__", "__url__"]
    sizes = {name: sum(s.bytes for s in manifest_of(corpus).shards if s.split == name) for name in ("train", "val")}
    assert info["splits"] == [
        {"name": name, "num_bytes": sizes[name], "num_examples": split["samples"]}
        for name, split in manifest_of(corpus).splits().items()
    ]
    assert info["download_size"] == sum(path.stat().st_size for path in Path(corpus.shards).iterdir())
    assert found == {
        "pretty_name": "small",
        "language": ["en", "fr"],
        "license": "cc-by-4.0",
        "size_categories": ["n<1K"],
        "task_categories": ["video-text-to-text"],
        "tags": ["webdataset", "video", "long-form video", "longtake"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "shards/train-*.tar"},
                    {"split": "val", "path": "shards/val-*.tar"},
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("licences", "wanted"),
    [
        (shares("CC BY 4.0", "cc-by-4.0"), {"license": "cc-by-4.0"}),
        (shares("CC BY 4.0", "MIT"), {"license": ["cc-by-4.0", "mit"]}),
        (shares("CC BY 4.0", ""), {"license": ["cc-by-4.0", "unknown"]}),
        (shares(""), {"license": "unknown"}),
        (shares("Ask: the Author!"), {"license": "other", "license_name": "ask-the-author"}),
        (
            shares("https://example.org/terms"),
            {
                "license": "other",
                "license_name": "https-example.org-terms",
                "license_link": "https://example.org/terms",
            },
        ),
        (shares("one", "two"), {"license": "other", "license_name": "several-see-card"}),
        (shares(*HOSTILE), {"license": "other", "license_name": "several-see-card"}),
        (Shares((("MIT", 3),), 7), {"license": ["mit", "other"], "license_name": "several-see-card"}),
        (shares("|||"), {"license": "other", "license_name": "several-see-card"}),
    ],
)
def test_licences_of_the_front_matter(corpus: Layout, tmp_path: Path, licences: Shares, wanted: dict[str, Any]) -> None:
    found = front_matter(dataset_card(manifest_of(corpus), figures_of(corpus, licences=licences)), tmp_path)
    assert {name: value for name, value in found.items() if name.startswith("license")} == wanted


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (2_000_000, "1M<n<10M")],
)
def test_size_categories(corpus: Layout, tmp_path: Path, samples: int, wanted: str) -> None:
    figures = figures_of(corpus)
    figures = replace(figures, total=replace(figures.total, samples=samples))
    assert front_matter(dataset_card(manifest_of(corpus), figures), tmp_path)["size_categories"] == [wanted]


# -- strangers


def test_nothing_of_strangers_acts(corpus: Layout, tmp_path: Path) -> None:
    plain = manifest_of(corpus)
    for text in HOSTILE:
        entry = {"version": 2, "command": text, "parent": "0", "note": text}
        manifest = plain.model_copy(
            update={
                "name": text,
                "versions": {"longtake": text, text: text},
                "config": plain.config | {"captions": {"model": text}, text: text},
                "version": 2,
                "history": (entry,),
                "shards": tuple(shard.model_copy(update={"split": text}) for shard in plain.shards),
            }
        )
        one = SplitFigures(text, 1, 1, 1, 1, 1.0, (1, 1, 1))
        stated = shares(text, "CC0")
        fields = SampleFields(2, {text: {text: [None]}, "_type": "string"})
        figures = CardFigures((one,), one, *[stated] * 3, {text: stated}, fields, (text,), (text,), text)
        answers = Datasheet.model_construct(purpose=text, biases="- b\n# c")
        policy, found = {"name": text, "sha256": text, "lines": text}, {"made": text, "checks": {text: 1}}
        signed = Attestation(1, text, text, text, {}, policy, found, {"text": text}, None)
        figures = replace(figures, answers=answers, attestation=signed, agreement=text)
        published = Publication.model_construct(creator=text, url=text, date=text, contact=text)
        card = dataset_card(manifest.model_copy(update={"publication": published}), figures)
        found = front_matter(card, tmp_path)
        plain_names = {
            "pretty_name",
            "license",
            "size_categories",
            "task_categories",
            "annotations_creators",
            "tags",
            "configs",
            "dataset_info",
        }
        assert set(found) == plain_names | {"license_name"}
        assert "mit" not in found["license"]
        assert len(found["configs"][0]["data_files"]) == 1
        body = card.split("\n---\n", 1)[1]
        tokens = [inner for token in MARKDOWN.parse(body) for inner in (token, *(token.children or ()))]
        kinds = Counter(token.type for token in tokens)
        assert not {"html_block", "html_inline", "link_open", "image", "em_open", "hr", "blockquote_open"} & set(kinds)
        assert [t.content for n, t in enumerate(tokens) if n and tokens[n - 1].type == "heading_open"][1:] == [
            "Figures", "Fields", "Where it comes from", "How it was made", "Known limits", "Sign-off", "Data sheet",
            "Taking videos down", "Loading it", "Citing it",
        ]  # fmt: skip
        assert kinds["fence"] == 5 and kinds["table_open"] == 7 and kinds["bullet_list_open"] == 4
        assert kinds["list_item_open"] == 16 and kinds["ordered_list_open"] == 0
        shown = "".join(token.content for token in tokens if token.type == "text")
        assert "alert(1)" in shown or "alert" not in text


@pytest.mark.parametrize(
    "text",
    [*HOSTILE, "https://evil.example", "www.evil.example", "me@evil.example", "2.1 % (1 to 4)", "= x", "1. x", "12) x"],
)
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    rendered = MARKDOWN.parse(f"- {escape(text)}")
    (inline,) = [token for token in rendered if token.type == "inline"]
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}
    shown = "".join(child.content for child in inline.children or ())
    assert shown == " ".join(text.split()).replace("\u2028", " ")
    assert not re.search(r"(?i)(https?:|www\.)", escape(text)), "what GitHub and the hub would make a link of"


def test_a_block_of_code_ends_where_it_should() -> None:
    (block,) = MARKDOWN.parse(fenced("a\n```\n````\nb"))
    assert block.type == "fence" and block.content == "a\n```\n````\nb\n"


# -- text


def test_the_card_says_what_is_known_and_what_is_not(corpus: Layout) -> None:
    manifest, figures = manifest_of(corpus), figures_of(corpus)
    bare = dataset_card(manifest, figures)
    assert "**No contact is named yet.**" in bare and "author" not in bare and "year" not in bare
    assert "Nobody has audited this version yet" in bare
    assert "found nothing to warn of" in dataset_card(manifest, replace(figures, audited="2026-11-25"))
    known = Publication(
        url="https://example.org/small", creator="Ada L.", date="2026-11-25", contact="takedown at example.org"
    )
    figures = replace(
        figures,
        limits=("Split leakage failed: 3 videos",),
        reviews=("2.1 % (1 % to 4 %) rejected",),
        audited="2026-11-25",
    )
    full = dataset_card(manifest.model_copy(update={"publication": known}), figures)
    assert "Requests go to takedown at example.org." in full and "No contact" not in full
    assert "What the audit (2026-11-25) found" in full and "- Split leakage failed: 3 videos\n" in full
    assert "- 2.1 % (1 % to 4 %) rejected" in full
    assert (
        "  author = {Ada L.},\n  year = {2026},\n  version = {1},\n  howpublished = {https://example.org/small},"
        in full
    )
    samples = sum(shard.samples for shard in manifest.shards)
    assert (
        f"| example.org | CC BY 4.0 ({samples}) | {samples} |" in full
        and f"| CC BY 4.0 | cc-by-4.0 | {samples} |" in full
    )
    videos = manifest.counts["videos"]
    assert f"| videos | {videos.total} | {videos.kept} | {videos.dropped} |" in full
    assert f"fingerprint `{'0' * 64}`" in full
    assert str(Path(corpus.root)) not in full


def test_the_same_corpus_has_the_same_card(corpus: Layout) -> None:
    assert dataset_card(manifest_of(corpus), figures_of(corpus)) == dataset_card(
        manifest_of(corpus), figures_of(corpus)
    )


def test_versions_and_settings_are_told(corpus: Layout) -> None:
    history = ({"version": 2, "command": "takedown", "parent": "ab" * 32, "videos": 3, "note": "asked"},)
    card = dataset_card(manifest_of(corpus).model_copy(update={"version": 2, "history": history}), figures_of(corpus))
    assert '| 2 | takedown | {"note": "asked", "videos": 3} |' in card and "ab" * 32 not in card
    settings = re.search(r"```yaml\n(.*?)```", card, re.DOTALL)
    assert settings is not None
    stated = yaml.safe_load(settings[1])
    config = manifest_of(corpus).config
    assert stated["merge"] == config["merge"] and "captions" not in stated
    assert all(config["filters"][name] is None for name in set(config["filters"]) - set(stated["filters"]))


def test_the_code_of_the_card_runs(corpus: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(corpus.root)
    card = dataset_card(manifest_of(corpus), figures_of(corpus))
    Path(corpus.card).write_text(card, encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(blocks) == 3 and '"shards/train-{000000..000001}.tar"' in blocks[1]
    said = []
    for block in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, "README.md", "exec"), {})  # noqa: S102
        said.append(printed.getvalue())
    for text in said[:2]:
        keys = re.findall(r"^(\S+-\d{9}-\d{9}) ", text, re.MULTILINE)
        assert len(keys) == len(set(keys)) == sum(s.samples for s in manifest_of(corpus).shards if s.split == "train")
        assert "(64, 48)" in text
    assert "paragraph" in said[2]


def test_one_shard_is_named_without_braces(corpus: Layout) -> None:
    shard = ShardRecord(name="val-000000.tar", split="val", samples=1, frames=8, bytes=1, sha256="0")
    card = dataset_card(manifest_of(corpus).model_copy(update={"shards": (shard,)}), figures_of(corpus))
    assert 'WebDataset("shards/val-000000.tar"' in card


def test_decisions_of_curators_are_told(corpus: Layout) -> None:
    decisions = {"sha256": "0" * 64, "rejects": 12, "applied": 9}
    card = dataset_card(manifest_of(corpus).model_copy(update={"decisions": decisions}), figures_of(corpus))
    assert "Curators had rejected 12 samples or videos; 9 of them applied to the plan." in card
    assert "Curators had" not in dataset_card(manifest_of(corpus), figures_of(corpus))
