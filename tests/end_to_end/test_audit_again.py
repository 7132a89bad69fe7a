"""Every figure of the report on the demo corpus, derived again by other means: from the tars and the ledger, in plain Python."""

import io
import itertools
import json
import re
import shutil
import statistics
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from html_tree import Element, parse
from PIL import Image
from sources import ONE_THREAD
from typer.testing import CliRunner

from longtake.jobs.cli import app

DEMO = Path(__file__).parents[2] / "examples" / "demo"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, built and audited as a curator would."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(DEMO, folder / "examples" / "demo")
    config = folder / "examples" / "demo" / "corpus.yaml"
    for command in (["build", str(config)], ["audit", str(folder / "out" / "demo"), "--config", str(config)]):
        result = CliRunner().invoke(app, command, obj=list(ONE_THREAD))
        assert result.exit_code == 0, result.output
    return folder / "out" / "demo"


@pytest.fixture(scope="module")
def page(corpus: Path) -> Element:
    return parse((corpus / "audit" / "report.html").read_text())


@pytest.fixture(scope="module")
def charts(page: Element) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.one("script", id="charts").raw)
    return found


@pytest.fixture(scope="module")
def samples(corpus: Path) -> list[dict[str, Any]]:
    """What the tars hold: each JSON, with the frames as `jpegs`."""
    found: dict[str, dict[str, Any]] = {}
    for shard in sorted((corpus / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, kind = member.name.partition(".")
                data = tar.extractfile(member)
                assert data is not None
                if kind == "json":
                    found[key] = json.loads(data.read()) | {"jpegs": []}
                elif kind.endswith("jpg"):
                    found[key]["jpegs"].append(data.read())
    return list(found.values())


@pytest.fixture(scope="module")
def drops(corpus: Path) -> list[dict[str, str]]:
    parts = sorted((corpus / "ledger").glob("*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def words(sample: dict[str, Any]) -> int:
    return sum(len(s["text"].split()) for s in sample["sentences"])


def spoken_s(sample: dict[str, Any]) -> float:
    return sum(s["end_ms"] - s["start_ms"] for s in sample["sentences"]) / 1000


def lumas(sample: dict[str, Any]) -> list[Any]:
    """Small grey pictures of the frames, by another library than the audit's, from all of their pixels."""
    pictures = [Image.open(io.BytesIO(jpeg)).convert("L").reduce(8) for jpeg in sample["jpegs"]]
    return [np.asarray(picture, float) for picture in pictures]


def brightness(sample: dict[str, Any]) -> float:
    return statistics.fmean(picture.mean() for picture in lumas(sample))


def motion(sample: dict[str, Any]) -> float:
    return statistics.fmean(float(np.abs(a - b).mean()) for a, b in itertools.pairwise(lumas(sample)))


#: What each distribution is of, the title of its table, and how far off it may be.
DISTRIBUTIONS: dict[str, tuple[str, Any, float]] = {
    "duration": ("Duration of long clips", lambda s: [(s["end_ms"] - s["start_ms"]) / 1000], 0),
    "sentences": ("Sentences in a long clip", lambda s: [len(s["sentences"])], 0),
    "words": ("Words in a long clip", lambda s: [words(s)], 0),
    "words_per_sentence": ("Words for each sentence of a long clip", lambda s: [words(s) / len(s["sentences"])], 0),
    "words_per_second": ("Words per second of speech", lambda s: [words(s) / spoken_s(s)], 0),
    "sentence_duration": (
        "Duration of sentences", lambda s: [(x["end_ms"] - x["start_ms"]) / 1000 for x in s["sentences"]], 0,
    ),
    "gaps": (
        "Gaps between sentences of a long clip",
        lambda s: [(b["start_ms"] - a["end_ms"]) / 1000 for a, b in itertools.pairwise(s["sentences"])], 0,
    ),
    "frame_delay": (
        "Frames: wanted time less the time on screen since",
        lambda s: [a - b for a, b in zip(s["frame_times_ms"], s["frame_pts_ms"], strict=True)], 0,
    ),
    "brightness": ("Frames: brightness of a long clip", lambda s: [brightness(s)], 0.02),
    "motion": ("Frames: motion in a long clip", lambda s: [motion(s)], 0.05),
}  # fmt: skip


@pytest.mark.slow
class TestFigures:
    def test_numbers_of_the_summary(self, page: Element, samples: Any, drops: Any) -> None:
        told = {tile.attributes["id"]: tile.one("b").text for tile in page.one("ul", "tiles").all("li")}
        ms = sum(s["end_ms"] - s["start_ms"] for s in samples)
        assert told == {
            "number-samples": f"{len(samples)}",
            "number-videos": f"{len({s['video_id'] for s in samples})}",
            "number-hours": f"{ms / 3.6e6:.2f}",
            "number-sentences": f"{sum(len(s['sentences']) for s in samples)}",
            "number-words": f"{sum(map(words, samples))}",
            "number-frames": f"{sum(len(s['jpegs']) for s in samples)}",
            "number-left_out": f"{sum(d['subject'] == 'clip' for d in drops)}",
            "number-sentences_left_out": f"{sum(d['subject'] == 'sentence' for d in drops)}",
        }
        lead = page.one("section", id="summary").one("div", "lead").text
        assert lead.startswith(
            f"demo holds {len(samples)} long clips of {len({s['video_id'] for s in samples})} videos"
        )

    def test_flows_add_up(self, page: Element, charts: Any, samples: Any, drops: Any) -> None:
        kept = {
            "videos": len({s["video_id"] for s in samples}),
            "sentences": sum(len(s["sentences"]) for s in samples),
            "long-clips": len(samples),
        }
        for at, (name, row) in enumerate((("videos", "video"), ("sentences", "sentence"), ("long-clips", "clip"))):
            lost = Counter((d["stage"], d["reason"]) for d in drops if d["subject"] == row)
            chart = charts[f"flow-{at}"]
            count = {node["id"]: node["count"] for node in chart["nodes"]}
            assert count["in"] == kept[name] + sum(lost.values())
            assert count["shards"] == kept[name]
            for (stage, reason), n in lost.items():
                assert count[f"drop-{row}-{stage}-{reason}".replace("_", "-")] == n
            assert sum(node["drop"] for node in chart["nodes"]) == len(lost)
            for node in chart["nodes"]:  # what goes into a node comes out of it
                into = sum(k["value"] for k in chart["links"] if k["target"] == node["id"])
                out = sum(k["value"] for k in chart["links"] if k["source"] == node["id"])
                assert node["count"] in (into, out) and (not into or not out or into == out)
            steps = page.one("article", "flow", id=f"flow-{name}").one("table", "steps").one("tbody")
            assert sorted(int(row.one("td").text) for row in steps.all("tr")) == sorted(count.values())

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_distribution(self, name: str, page: Element, charts: Any, samples: Any) -> None:
        title, values_of, tolerance = DISTRIBUTIONS[name]
        values = [float(v) for s in samples for v in values_of(s)]
        told = page.table(f"{title}, by split")
        assert [row[0] for row in told] == ["train", "all"]  # the demo has one split
        alike = name in ("sentence_duration", "gaps", "frame_delay")  # many values: quantiles are values that are there
        method = "inverted_cdf" if alike else "linear"
        low, p5, median, p95, high = np.percentile(values, [0, 5, 50, 95, 100], method=method)
        wanted = [len(values), low, p5, median, statistics.fmean(values), p95, high]
        for row in told:
            numbers = [float(cell.replace(",", "")) for cell in row[1:]]
            assert numbers == pytest.approx(wanted, rel=max(tolerance, 6e-4), abs=1e-9)
        chart = charts[f"dist-{name}"]
        edges, counts = chart["edges"], chart["series"][0]["values"]
        assert len(counts) == len(edges) - 1 and sum(counts) == len(values)
        if not tolerance:
            inside = [sum(a <= v < b for v in values) for a, b in itertools.pairwise(edges)]
            inside[-1] += sum(v == edges[-1] for v in values)
            if max(values) <= edges[-1]:
                assert counts == inside
            else:
                assert counts[:-1] == inside[:-1] and counts[-1] == sum(v >= edges[-2] for v in values)

    def test_resolutions(self, charts: Any, samples: Any) -> None:
        chart = charts["dist-resolution"]
        told = dict(zip(chart["labels"], chart["series"][0]["values"], strict=True))
        assert told == Counter(f"{s['source']['width']} x {s['source']['height']}" for s in samples)

    def test_thresholds_are_those_of_the_configuration(self, page: Element) -> None:
        marks = [mark.text for mark in page.all("li", "threshold")]
        for wanted in (
            "merge.min_sentences 4",
            "merge.max_sentences 8",
            "merge.max_gap_ms 2000",
            "max_duration_ms 240000",
        ):
            assert any(wanted in mark for mark in marks), wanted

    def test_what_is_not_known_says_why(self, page: Element, samples: Any) -> None:
        unknown = page.one("details", "unknown")
        said = {dt.attributes["id"]: dd.text for dt, dd in zip(unknown.all("dt"), unknown.all("dd"), strict=True)}
        assert {"dist-language", "dist-coherence", "dist-score_relevance"} <= set(said)
        assert all("Not known" in text for text in said.values())

    def test_checks(self, page: Element, samples: Any, drops: Any) -> None:
        check = {a.attributes["id"].removeprefix("check-").replace("-", "_"): a for a in page.all("article", "check")}
        status = {name: a.one("span", "badge").attributes["class"].split()[-1] for name, a in check.items()}
        no_url = sum(not s["url"] for s in samples)
        assert no_url == 1 and "1 sample has no URL." in check["origins"].text and status["origins"] == "warn"
        assert all(s["license"] for s in samples) and status["licences"] == "pass"
        plain = [" ".join(x["text"] for x in s["sentences"]).lower() for s in samples]
        assert len(set(plain)) == len(plain) and status["exact_duplicates"] == "pass"
        said = [{x["text"].lower() for x in s["sentences"] if len(x["text"]) >= 20} for s in samples]
        shared = [len(a & b) / min(len(a), len(b)) for a, b in itertools.combinations(said, 2) if a and b]
        assert max(shared) < 0.5 and status["near_duplicates"] == "pass"
        splits = {s["video_id"]: {x["split"] for x in samples if x["video_id"] == s["video_id"]} for s in samples}
        assert all(len(found) == 1 for found in splits.values()) and status["split_videos"] == "pass"
        away = [abs(a - b) for s in samples for a, b in zip(s["frame_times_ms"], s["frame_pts_ms"], strict=True)]
        assert max(away) <= 1000 and status["frame_times"] == "pass"
        assert max(words(s) / spoken_s(s) for s in samples) <= 7 and status["speech_rate"] == "pass"
        assert f"The frames of {len(samples)} samples were read" in check["frames_read"].text
        most = max(Counter(s["video_id"] for s in samples).values())
        assert f"{most / len(samples):.1%} of them" in check["balance_videos"].text
        hosts = Counter(s["url"].split("/")[2] if s["url"] else "no url" for s in samples)
        host, n = hosts.most_common(1)[0]
        assert f"{n / len(samples):.1%} of {len(samples)} samples come from {host}" in check["balance_hosts"].text
        text = " ".join(x["text"] for s in samples for x in s["sentences"])
        assert (
            not re.search(r"\S+@\S+\.\S+", text)
            and not re.search(r"\d{10}", text)
            and status["personal_data"] == "pass"
        )
        for name in ("integrity", "accounting", "plan_lost", "plan_drift", "failed_videos", "stale_sources"):
            assert status[name] == "pass", check[name].text
        assert {name for name, s in status.items() if s == "skip"} == {"contamination", "text_frames", "decisions"}
        tally = Counter(status.values())
        assert f"{tally['pass']} of {len(status)} checks passed, 1 warn, 3 could not be made." in page.text

    def test_kept_samples_are_the_extremes(self, page: Element, samples: Any) -> None:
        measures = {
            "words-per-second": lambda s: words(s) / spoken_s(s),
            "duration": lambda s: s["end_ms"] - s["start_ms"],
            "brightness": brightness,
            "motion": motion,
        }
        for name, measure in measures.items():
            ranked = [s["key"] for s in sorted(samples, key=lambda s: (measure(s), s["key"]))]
            for end, wanted in (("lowest", ranked[:2]), ("highest", ranked[::-1][:2])):
                group = page.one("section", id=f"kept-{name}-{end}")
                shown = [x.text for x in group.all() if x.tag in ("h4", "a") and x.text in ranked]
                assert shown == wanted, (name, end)

    def test_sheets_show_each_sentence_under_its_frames(self, page: Element, samples: Any) -> None:
        sheets = {a.one("h4").text: a for a in page.all("article", "sheet")}
        assert set(sheets) == {s["key"] for s in samples}
        for s in samples:
            items = list(sheets[s["key"]].one("ol", "strip").all("li"))
            assert [item.one("div", "p").text for item in items] == [
                " ".join(x["text"].split()) for x in s["sentences"]
            ]
            assert all(len(list(item.all("img"))) == 2 for item in items)

    def test_what_was_left_out(self, page: Element, drops: Any) -> None:
        groups = Counter((d["subject"], d["stage"], d["reason"]) for d in drops)
        for (subject, stage, reason), n in groups.items():
            group = page.one("section", id=f"drop-{subject}-{stage}-{reason}".replace("_", "-"))
            assert group.one("b", "count").text == f"{n}"
            told = {(row[0], row[1], row[2]) for row in rows_of(group)}
            assert told == {(d["video_id"], d["subject_id"], d["detail"]) for d in drops if d["reason"] == reason}
        assert len(list(page.one("section", id="left-out").all("section", "group"))) == len(groups)

    def test_licences_and_published_figures(self, page: Element, samples: Any) -> None:
        told = {row[0]: (int(row[1]), int(row[2])) for row in page.table("Licences")}
        assert told == {
            name: (n, len({s["video_id"] for s in samples if s["license"] == name}))
            for name, n in Counter(s["license"] for s in samples).items()
        }
        own = [row[1] for row in page.table("Beside published datasets")]
        n, ms = len(samples), sum(s["end_ms"] - s["start_ms"] for s in samples)
        sentences, total = sum(len(s["sentences"]) for s in samples), sum(map(words, samples))
        wanted = [
            len({s["video_id"] for s in samples}),
            n,
            ms / 3.6e6,
            ms / n / 1000,
            total / n,
            sentences / n,
            total / sentences,
        ]
        assert [float(cell) for cell in own] == pytest.approx(wanted, abs=0.0051)


def rows_of(element: Element) -> Iterator[list[str]]:
    for row in element.one("tbody").all("tr"):
        yield [cell.text for cell in row.children if isinstance(cell, Element)]


@pytest.mark.slow
class TestSql:
    def test_runs_as_printed_and_gives_what_stands_beside_it(
        self, corpus: Path, page: Element, charts: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(corpus)
        ask = duckdb.connect()
        printed = [details.one("code").raw for details in page.all("details", "sql")]
        assert len(printed) > 60
        for sql in printed:
            ask.execute(sql).fetchall()
        for tile in page.one("ul", "tiles").all("li"):
            (value,) = ask.execute(tile.one("code").raw).fetchall()[0]
            shown = float(tile.one("b").text.split()[0].replace(",", ""))
            assert shown == pytest.approx(value, abs=0.0051)
        for name in DISTRIBUTIONS:
            article = page.one("article", "dist", id=f"dist-{name}")
            histogram = (
                next(d for d in article.all("details", "sql") if d.one("summary").text == "SQL of the chart")
                .one("code")
                .raw
            )
            counts = [0] * len(charts[f"dist-{name}"]["series"][0]["values"])
            for split, at, n in ask.execute(histogram).fetchall():
                assert split == "train"
                counts[at] = n
            assert counts == charts[f"dist-{name}"]["series"][0]["values"]
