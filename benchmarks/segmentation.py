"""How well runs are cut at topics: Pk and WindowDiff against the true joins of concatenated transcripts.

Writes results/segmentation.json and .md.

    .venv/bin/python benchmarks/segmentation.py             # about five minutes on one core
    .venv/bin/python benchmarks/segmentation.py --throughput    # then: the embeddings' speed in the plan graph and outside it
    .venv/bin/python benchmarks/segmentation.py --sweep     # what the default of cut_cost was chosen by; development side only

The data is ../shared/data (LONGTAKE_SHARED names another folder).
"""

import argparse
import json
import os
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from measure import HERE, RESULTS, machine, machine_line, markdown, write_results
from segmentation_material import SIDES, documents, recipes, side, transcripts
from segmentation_scores import half_mean_length, pk, window_diff
from segmenters import at_pauses, at_random, embedding_similarity, even, longtake, texttiling, word_similarity

from longtake.pipeline.embeddings.sentence_model import SENTENCE_MODEL
from longtake.schemas.config import Coherence, CorpusConfig

DATA = Path(os.environ.get("LONGTAKE_SHARED", HERE.parent.parent / "shared")) / "data"
PER_FAMILY = 200
CUT_COST = Coherence().cut_cost
WINDOWS = (2, 3, 4, 6, 8)
FREE, KNOWN = "number of cuts free", "number of cuts given"


def config() -> CorpusConfig:
    return CorpusConfig.model_validate(
        {"name": "b", "output": "out", "source": {"videos": "v.jsonl"}, "coherence": {"enabled": True, "device": "cpu"}}
    )


def families() -> dict[str, dict[str, Any]]:
    return {"transcripts": transcripts(DATA), "recipes": recipes(DATA)}


def methods(windows: dict[str, int], stop_words: frozenset[str]) -> dict[tuple[str, str], Any]:
    """(method, whether the number is given) -> function of a document and its embeddings."""

    def words(document: Any) -> list[float]:
        return word_similarity(document, windows["words"], stop_words)

    def meaning(embeddings: Any) -> list[float]:
        return embedding_similarity(embeddings, windows["embeddings"])

    return {
        ("fixed length", FREE): lambda d, e: even(d),
        ("pauses", FREE): lambda d, e: at_pauses(d),
        ("TextTiling, words", FREE): lambda d, e: texttiling(words(d)),
        ("TextTiling, embeddings", FREE): lambda d, e: texttiling(meaning(e)),
        ("Longtake", FREE): lambda d, e: longtake(d, e, CUT_COST),
        ("Longtake, after pauses", FREE): lambda d, e: longtake(d, e, CUT_COST, pauses=True),
        ("random", KNOWN): lambda d, e: at_random(d, len(d.truth)),
        ("fixed length", KNOWN): lambda d, e: even(d, len(d.truth)),
        ("pauses", KNOWN): lambda d, e: at_pauses(d, len(d.truth)),
        ("TextTiling, words", KNOWN): lambda d, e: texttiling(words(d), len(d.truth)),
        ("TextTiling, embeddings", KNOWN): lambda d, e: texttiling(meaning(e), len(d.truth)),
        ("Longtake", KNOWN): lambda d, e: longtake(d, e, CUT_COST, len(d.truth)),
    }


class Embedded:
    """Embeddings of documents; each text is embedded once."""

    def __init__(self) -> None:
        self._model, self._known = SENTENCE_MODEL.get(config()), {}

    def add(self, docs: list[Any]) -> None:
        new = sorted({s.text for d in docs for s in d.sentences} - self._known.keys())
        if new:
            self._known.update(zip(new, self._model.encode(new, 64), strict=True))

    def of(self, document: Any) -> Any:
        return np.stack([self._known[s.text] for s in document.sentences])


def scores(docs: list[Any], embedded: Embedded, method: Any) -> dict[str, float]:
    """Means over the documents, and the standard error of the mean of Pk."""
    found = []
    for d in docs:
        lengths, k = method(d, embedded.of(d)), half_mean_length(d.truth)
        found.append((pk(d.truth, lengths, k), window_diff(d.truth, lengths, k), len(lengths) / len(d.truth)))
    means = np.mean(found, axis=0)
    error = float(np.std([f[0] for f in found]) / len(found) ** 0.5)
    return {"pk": float(means[0]), "window_diff": float(means[1]), "segments": float(means[2]), "pk_error": error}


def tuned_windows(embedded: Embedded, stop_words: frozenset[str]) -> dict[str, int]:
    """The window of each TextTiling that does best on the development side, so that it is not the weaker for want of tuning."""
    docs = [d for videos in families().values() for d in documents(videos, "dev", 40, False)]
    embedded.add(docs)
    return {
        "words": min(WINDOWS, key=lambda w: _mean_pk(docs, lambda d: texttiling(word_similarity(d, w, stop_words)))),
        "embeddings": min(
            WINDOWS, key=lambda w: _mean_pk(docs, lambda d: texttiling(embedding_similarity(embedded.of(d), w)))
        ),
    }


def _mean_pk(docs: list[Any], method: Any) -> float:
    return float(np.mean([pk(d.truth, method(d), half_mean_length(d.truth)) for d in docs]))


def sweep() -> None:
    """Pk on the development side for values of cut_cost."""
    embedded = Embedded()
    for family, videos in families().items():
        docs = documents(videos, "dev", 100, False)
        embedded.add(docs)
        row = [
            f"{c:.1f}: {scores(docs, embedded, lambda d, e, c=c: longtake(d, e, c))['pk']:.3f}"
            for c in np.arange(3, 8.1, 0.5)
        ]
        print(family, *row, flush=True)


def compare() -> dict[str, Any]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    stop_words, embedded = frozenset(ENGLISH_STOP_WORDS), Embedded()
    windows = tuned_windows(embedded, stop_words)
    results: dict[str, Any] = {"windows": windows, "cut_cost": CUT_COST, "documents": PER_FAMILY, "tests": {}}
    results["videos"] = {
        f: {s: sum(side(v) == s and len(said) >= 4 for v, said in videos.items()) for s in SIDES}
        for f, videos in families().items()
    }
    for family, videos in families().items():
        for pauses in (False, True):
            docs = documents(videos, "test", PER_FAMILY, pauses)
            embedded.add(docs)
            name = f"{family}, {'long' if pauses else 'any'} pauses"
            results["tests"][name] = {
                f"{method} | {number}": scores(docs, embedded, run)
                for (method, number), run in methods(windows, stop_words).items()
            }
            print(name, {m: round(s["pk"], 3) for m, s in results["tests"][name].items()}, flush=True)
    return results


def throughput() -> dict[str, Any]:
    """Sentences per second: the bare model in single precision, and the plan graph's step, in turn, in one process."""
    import apache_beam as beam
    from apache_beam.testing.util import assert_that, equal_to
    from sentence_transformers import SentenceTransformer

    from longtake.pipeline.embeddings.graph import EmbedTexts
    from longtake.pipeline.read.rows import VideoText
    from longtake.pipeline.run.runner import pipeline_options
    from longtake.schemas.records import Sentence, SourceVideo

    settings = config()
    model = SENTENCE_MODEL.get(settings)
    single = SentenceTransformer(SENTENCE_MODEL.folder(settings), device="cpu")
    texts = sorted({s.text for videos in families().values() for said in videos.values() for s in said})[::2]
    videos = [
        VideoText(
            SourceVideo(str(n), ""), tuple((Sentence(f"{n}.{i}", i, i + 1, t), ()) for i, t in enumerate(texts[n::100]))
        )
        for n in range(100)
    ]
    seconds: dict[str, list[tuple[float, float]]] = {"bare": [], "graph": []}

    def bare() -> None:
        single.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)

    def graph() -> None:
        with beam.Pipeline(options=pipeline_options([], 1)) as root:
            embedded = root | beam.Create(videos) | EmbedTexts(settings, "", "", frozenset(), False)
            rows = embedded | beam.Map(lambda v: len(v.embeddings)) | beam.CombineGlobally(sum)
            assert_that(rows, equal_to([len(texts)]))

    for _ in range(3):
        for name, run in (("bare", bare), ("graph", graph)):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    best = {name: [min(column) for column in zip(*rows, strict=True)] for name, rows in seconds.items()}
    return {
        "sentences": len(texts),
        **_tokens(model, texts),
        "runs": seconds,
        **{f"{name}_per_second": len(texts) / best[name][0] for name in best},
        "ratio_wall": best["graph"][0] / best["bare"][0],
        "ratio_cpu": best["graph"][1] / best["bare"][1],
    }


def _tokens(model: Any, texts: list[str]) -> dict[str, int]:
    """Tokens of the texts, and those that the bare model reads with its padding: it sorts by characters, 64 to a batch."""
    longest = model._model.max_seq_length
    tokens = [min(len(ids), longest) for ids in model._model.tokenizer(texts, verbose=False)["input_ids"]]
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    batches = [[tokens[i] for i in order[start : start + 64]] for start in range(0, len(order), 64)]
    return {"tokens": sum(tokens), "tokens_padded": sum(max(batch) * len(batch) for batch in batches)}


def report(facts: dict[str, Any], results: dict[str, Any]) -> str:
    found = results.get(
        "segmentation", {"documents": 0, "videos": {}, "tests": {}, "cut_cost": CUT_COST, "windows": {}}
    )
    videos = ", ".join(f"{family}: {n['test']} videos" for family, n in found["videos"].items())
    lines = [
        f"# Segmentation\n\n{machine_line(facts)}\n",
        f"{found['documents']} documents per test, each of 2 to 10 stretches of 4 to 16 sentences of the test side's videos "
        f"({videos}). Pk and WindowDiff, lower is better; "
        f"± is the standard error of the mean of Pk; segments: found / true. cut_cost {found['cut_cost']}; windows of TextTiling "
        f"{found['windows']}: all chosen on the development side.\n",
    ]
    for name, rows in found["tests"].items():
        table = [
            [
                *key.split(" | "),
                f"{s['pk']:.3f} ± {s['pk_error']:.3f}",
                f"{s['window_diff']:.3f}",
                f"{s['segments']:.2f}",
            ]
            for key, s in rows.items()
        ]
        lines.append(f"## {name}\n\n" + markdown(["method", "", "Pk", "WindowDiff", "segments"], table))
    if speed := results.get("throughput"):
        lines.append(
            f"## Embeddings\n\n{speed['sentences']:,} sentences, one process, best of three: bare sentence-transformers "
            f"{speed['bare_per_second']:,.0f} per second, through the plan graph {speed['graph_per_second']:,.0f}; "
            f"time {speed['ratio_wall']:.2f} x, CPU time {speed['ratio_cpu']:.2f} x. The texts have {speed['tokens']:,} tokens; "
            f"the bare model, which sorts by characters and pads, reads {speed['tokens_padded']:,}. What is saved by not padding "
            "depends on how unlike in length the texts are.\n"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--throughput", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.threads)
    if arguments.sweep:
        return sweep()
    facts = machine()
    facts["versions"] |= {p: metadata.version(p) for p in ("sentence-transformers", "transformers", "webvtt-py")}
    facts["threads"] = arguments.threads
    path = RESULTS / "segmentation.json"
    results: dict[str, Any] = json.loads(path.read_text())["results"] if path.exists() else {}
    if arguments.throughput:
        results["throughput"] = throughput()
    else:
        results["segmentation"] = compare()
    write_results("segmentation", RESULTS, facts, results)
    (RESULTS / "segmentation.md").write_text(report(facts, results))


if __name__ == "__main__":
    main()
