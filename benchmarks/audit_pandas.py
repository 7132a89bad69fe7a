"""What people do without an audit: read the columns that are needed with pandas, and count. Run by audit.py."""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq

_BINS = 24
_FLAT = [
    "key", "video_id", "url", "license", "split", "shard", "paragraph", "start_ms", "end_ms", "n_sentences", "n_words",
    "coherence", "language", "source_width", "source_height", "duplicate_video_of", "evaluation_overlap",
]  # fmt: skip


def histograms(frame: pd.DataFrame, columns: list[str]) -> dict[str, dict[str, list[int]]]:
    """Counts in 24 bins for each split, and quantiles (which are only computed)."""
    out = {}
    for name in columns:
        values = frame[name].dropna()
        edges = np.histogram_bin_edges(values, _BINS)
        out[name] = {
            split: np.histogram(part.dropna(), edges)[0].tolist() for split, part in frame.groupby("split")[name]
        }
        frame.groupby("split")[name].describe(percentiles=[0.05, 0.5, 0.95])
    return out


def main() -> None:
    """Count all that the audit counts, and write the numbers."""
    job = json.loads(Path(sys.argv[1]).read_text())
    resource.setrlimit(resource.RLIMIT_DATA, (job["limit_gb"] * 10**9,) * 2)
    corpus = Path(job["corpus"])
    steps: dict[str, float] = {}
    at = time.monotonic()

    def done(name: str) -> None:
        nonlocal at
        steps[name], at = round(time.monotonic() - at, 1), time.monotonic()

    numbers: dict[str, int] = {}
    files = sorted((corpus / "index").glob("*.parquet"))
    scores = [name for name in pq.read_schema(files[0]).names if name.startswith("score_")]
    index = pd.read_parquet(corpus / "index", columns=_FLAT + scores)
    done("read")
    numbers |= {"samples": len(index), "videos": index.video_id.nunique(), "words": int(index.n_words.sum()),
                "sentences": int(index.n_sentences.sum())}  # fmt: skip
    index["duration"] = (index.end_ms - index.start_ms) / 1000
    found = histograms(index, ["duration", "n_sentences", "n_words", "coherence", *scores])
    found |= {name: index[name].value_counts().head(12).tolist() for name in ("language",)}
    index.groupby(["source_width", "source_height"]).size().sort_values()
    done("histograms")

    numbers["split_videos"] = int((index.groupby("video_id")["split"].nunique() > 1).sum())
    numbers["licences"] = int((index.license.str.strip() == "").sum())
    numbers["origins"] = int((index.url == "").sum())
    numbers["personal_data"] = int((index.score_pii > 0).sum())
    numbers["text_frames"] = int((index.score_relevance < 0.2).sum())
    numbers["contamination"] = int(index.evaluation_overlap.notna().sum())
    index.url.str.extract(r"^https?://([^/:?#]+)", expand=False).value_counts()
    index.groupby(["split", "shard"]).size().groupby("split").agg(["min", "max"])
    firsts = index.sort_values("key").drop_duplicates("video_id").set_index("video_id")["split"]
    flagged = index[index.duplicate_video_of.notna()]
    other = flagged.duplicate_video_of.map(firsts)
    numbers["split_pictures"] = int((other.notna() & (other != flagged["split"])).sum())
    done("checks")

    plain = index.paragraph.str.lower().str.replace(r"[\W_]+", " ", regex=True)
    texts = pd.DataFrame({"text": pd.util.hash_pandas_object(plain, index=False), "split": index["split"]}).groupby(
        "text"
    )["split"]
    sizes, splits = texts.size(), texts.nunique()
    numbers["exact_duplicates"] = int((sizes - 1).sum())
    numbers["split_texts"] = int((splits > 1).sum())
    index = index.drop(columns=["paragraph"])
    del plain, texts
    done("same texts")

    said = ds.dataset(files).to_table(columns={"sentences": ds.field("sentences")})["sentences"].combine_chunks()
    inside = said.flatten()
    starts, ends = (inside.field(name).to_numpy() for name in ("start_ms", "end_ms"))
    lengths = np.diff(said.offsets.to_numpy())
    owner = np.repeat(np.arange(len(index)), lengths)
    sentences = pd.DataFrame({"split": index["split"].to_numpy()[owner], "duration": (ends - starts) / 1000})
    found["sentence_duration"] = histograms(sentences, ["duration"])["duration"]
    spoken = np.bincount(owner, ends - starts, len(index)) / 1000
    numbers["speech_rate"] = int((index.n_words / spoken > 7).sum())
    within = owner[1:] == owner[:-1]
    gaps = pd.DataFrame(
        {"split": sentences["split"].to_numpy()[1:][within], "gap": (starts[1:] - ends[:-1])[within] / 1000}
    )
    found["gaps"] = histograms(gaps, ["gap"])["gap"]
    del sentences, gaps
    done("sentences")

    texts_said = pd.Series(inside.field("text"), dtype=pd.ArrowDtype(inside.field("text").type))
    rows = pd.DataFrame(
        {"row": owner, "text": pd.util.hash_pandas_object(texts_said.str.lower(), index=False).to_numpy()}
    )
    rows = rows[(texts_said.str.len() >= 20).to_numpy()].drop_duplicates()
    del said, inside, texts_said
    n = rows.groupby("row").size()
    shared = rows.groupby("text")["row"].transform("size")
    rows = rows[(shared >= 2) & (shared <= 50)]
    pairs = rows.merge(rows, on="text")
    pairs = pairs[pairs.row_x < pairs.row_y].groupby(["row_x", "row_y"]).size().reset_index(name="common")
    share = pairs.common / np.minimum(pairs.row_x.map(n), pairs.row_y.map(n))
    numbers["near_duplicates"] = int((share >= 0.5).sum())
    done("near duplicates")

    times = ds.dataset(files).to_table(columns=["frame_times_ms", "frame_pts_ms"])
    wanted, taken = (times[name].combine_chunks() for name in ("frame_times_ms", "frame_pts_ms"))
    owner = np.repeat(np.arange(len(index)), np.diff(wanted.offsets.to_numpy()))
    delay = wanted.flatten().to_numpy() - taken.flatten().to_numpy()
    numbers["frames"] = len(delay)
    numbers["frame_times"] = len(np.unique(owner[np.abs(delay) > 1000]))
    frames = pd.DataFrame({"split": index["split"].to_numpy()[owner], "delay": delay})
    found["frame_delay"] = histograms(frames, ["delay"])["delay"]
    del frames, delay, times, wanted, taken
    done("frame times")

    ledger = pd.read_parquet(corpus / "ledger")
    left = {" ".join(name): int(n) for name, n in ledger.groupby(["subject", "stage", "reason"]).size().items()}
    numbers["left_out"] = int((ledger.subject == "clip").sum())
    numbers["sentences_left_out"] = int((ledger.subject == "sentence").sum())
    done("ledger")
    plan = pd.read_parquet(corpus / "plan", columns=["key"])
    gone = set(ledger.loc[ledger.subject == "clip", "subject_id"])
    numbers["plan_lost"] = int((~plan.key.isin(set(index.key)) & ~plan.key.isin(gone)).sum())
    done("plan")
    cpu = time.process_time()
    report: dict[str, Any] = {
        "numbers": numbers,
        "left_out": left,
        "steps": steps,
        "cpu": cpu,
        "histograms": len(found),
    }
    Path(sys.argv[2]).write_text(json.dumps(report))


if __name__ == "__main__":
    main()
