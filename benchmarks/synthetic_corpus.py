"""A finished corpus of made-up rows, as large as wanted: for the audit, the browser, and whoever wants to see them at work.

    python benchmarks/synthetic_corpus.py 1000000 /tmp/synth-1m

Index, plan and ledger (about three rows for each sample) are as a build writes them, of HD-VILA's shape: 3 long clips to a video,
4 to 16 sentences to a long clip, about 100 words. Words follow Zipf's law. One shard is real, with 64 samples: the first 64 rows
of train-000000. All other shards are links to it, and their rows point to its frames, so any sample has frames to look at and
checksums that hold; only the texts inside the tar are not theirs, and `longtake verify` says so. The rows depend on --seed alone,
not on the number of processes.

Faults are planted, and `planted.json` has their true numbers, by the names of the audit's checks.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from synthetic_cast import SHARD, VAL, Cast, cast
from synthetic_ledger import FILTERED, ROWS_PER_VIDEO, Part, dropped_videos, ledger_part
from synthetic_pictures import REAL, Templates, read_templates, write_shard
from synthetic_rows import FRAMES, LANGUAGES, Piece, make, searched, sources
from synthetic_text import Speech, Vocabulary, vocabulary

from longtake.pipeline.build.pack import INDEX_ROW_GROUP
from longtake.pipeline.ledger.tally import distribution, histogram
from longtake.pipeline.plan.fingerprint import fingerprint
from longtake.pipeline.plan.summary import PlanSummary, write_summary
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.layout import FORMAT, Layout, part_name
from longtake.schemas.manifest import CorpusManifest, Count, ShardRecord
from longtake.schemas.reasons import FAILURES
from longtake.schemas.records import SourceInfo
from longtake.schemas.versions import versions

_PART = 200_000  # rows of a part of the ledger


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, help="samples, 1,000 at least")
    parser.add_argument("folder", type=Path, help="of the corpus; must not exist")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def config() -> CorpusConfig:
    """What the corpus would have been built with."""
    filters: dict[str, Any] = {setting: limit for _, _, setting, limit, *_ in FILTERED}
    frames = {"max_black": 0.5, "max_frozen": 0.8, "max_slides": 0.9, "min_relevance": 0.14}
    return parse_config(
        {
            "name": "synthetic",
            "output": "out",
            "source": {
                "videos": "videos.jsonl", "uri": "videos/{video_id}.mp4",
                "text": {"format": "hdvila", "path": "clip_text.jsonl"},
            },
            "filters": {"scores": True, "languages": list(LANGUAGES), "clip_model": "clip-ViT-B-32", **filters, **frames},
            "duplicates": {
                "paragraphs": "drop", "videos": "flag", "evaluation_overlap": "flag",
                "evaluation": [{"name": "msrvtt", "path": "msrvtt.txt", "holds": "ids"}],
            },
            "split": {"train": 1 - VAL, "val": VAL},
            "shards": {"samples": SHARD},
        },
        "synthetic_corpus.py",
    )  # fmt: skip


# -- the work of the processes -----------------------------------------------------------------------------------------

_worker: dict[str, Any] = {}


def start(root: str, words: Vocabulary, copies: list[Speech], templates: Templates) -> None:
    """What each process knows."""
    _worker.update(layout=Layout(root), words=words, copies=copies, templates=templates)
    pa.set_cpu_count(1)


def write_rows(at: int, piece: Piece) -> tuple[Counter[tuple[str, ...]], Any, list[str]]:
    """Write index and plan of a shard; its counts, the ledger's rows of what was lost, and some of its keys."""
    layout: Layout = _worker["layout"]
    made = make(piece, _worker["words"], _worker["copies"], _worker["templates"])
    storage.write_parquet(layout.shard_index(piece.name), made.index, INDEX_ROW_GROUP)
    storage.write_parquet(storage.join(layout.plan, part_name(at)), made.plan)
    keys = made.index["key"]
    return made.counts, made.lost, keys.to_pylist()[:: max(1, len(keys) // 20)]


def write_ledger(part: Part, survivors: list[str]) -> Counter[tuple[str, ...]]:
    """Write a part of the ledger; its counts."""
    table = ledger_part(part, survivors)
    return _write_ledger(_worker["layout"], part_name(part.number, "part-plan"), table)


def _write_ledger(layout: Layout, name: str, table: Any) -> Counter[tuple[str, ...]]:
    storage.write_parquet(storage.join(layout.ledger, name), table, row_group_size=65_536)
    names = ["subject", "stage", "reason"]
    found = table.group_by(names).aggregate([([], "count_all")]).to_pylist()
    return Counter({("dropped", *(row[n] for n in names)): row["count_all"] for row in found})


def write(rows: int, folder: Path, seed: int, processes: int) -> dict[str, Any]:
    """Write the corpus; what was planted."""
    layout, settings, words = Layout(str(folder)), config(), vocabulary(seed)
    who = cast(rows, seed, words)
    real = _real_shard(layout, who.pieces[0], words, who.copies)
    templates = read_templates(layout)
    plan: Counter[tuple[str, ...]] = Counter()
    shards: list[ShardRecord] = []
    lost, survivors = [], []
    context = multiprocessing.get_context("spawn")
    setup = (layout.root, words, who.copies, templates)
    with ProcessPoolExecutor(processes, context, start, setup) as pool:
        parts = _parts(who.videos, seed)
        for piece, (counts, gone, keys) in zip(
            who.pieces, pool.map(write_rows, range(len(who.pieces)), who.pieces), strict=True
        ):
            plan += counts
            lost.append(gone)
            survivors += keys
            frames = int(piece.sentences[~piece.lost].sum()) * FRAMES
            of = {
                "name": f"{piece.name}.tar",
                "split": piece.split,
                "samples": int((~piece.lost).sum()),
                "frames": frames,
            }
            shards.append(real.model_copy(update=of))
            _progress(len(shards), len(who.pieces), "shards")
        for piece in who.pieces[1:]:
            os.link(layout.shard("train-000000"), layout.shard(piece.name))
        dropped: Counter[tuple[str, ...]] = Counter()
        for done, counts in enumerate(pool.map(write_ledger, parts, [survivors] * len(parts)), 1):
            dropped += counts
            _progress(done, len(parts), "parts of the ledger")
    gone = pa.concat_tables(lost).sort_by(
        [("video_id", "ascending"), ("subject", "ascending"), ("subject_id", "ascending")]
    )
    late = _write_ledger(layout, part_name(0, "part-build"), gone.combine_chunks())
    _seal(layout, settings, who, plan, dropped, late, shards)
    planted = who.planted | {
        "samples": plan[("samples",)],
        "videos": who.videos,
        "words": plan[("words",)],
        "ledger_rows": dropped.total() + late.total(),
        "searched": {
            name: {"text": text, "samples": plan["holds", name]} for name, text in searched(words).items()
        },
    }  # fmt: skip
    storage.write_bytes(layout.path("planted.json"), (json.dumps(planted, indent=1) + "\n").encode())
    return planted


def _real_shard(layout: Layout, piece: Piece, words: Vocabulary, copies: list[Speech]) -> ShardRecord:
    made = make(piece, words, copies, None)
    clips = [tables.clip_from_row(row) for row in made.plan.slice(0, REAL).to_pylist()]
    return write_shard(layout, clips, sources_of(piece, made.plan))


def sources_of(piece: Piece, plan: Any) -> list[SourceInfo]:
    """The sources of the first rows, as the index has them."""
    columns = sources(piece.video, plan["end_ms"].to_numpy())
    rows = zip(*(column[:REAL].tolist() for column in columns), strict=True)
    return [SourceInfo(*row) for row in rows]


def _parts(videos: int, seed: int) -> list[Part]:
    number = max(1, round(videos * ROWS_PER_VIDEO / _PART))
    bounds, free, found = np.arange(number + 1) * videos // number, videos, []
    for part, (first, last) in enumerate(pairwise(bounds)):
        found.append(Part(seed, part, int(first), int(last), free))
        free += dropped_videos(int(last - first))
    return found


def _progress(done: int, of: int, what: str) -> None:
    if done == of or done % 20 == 0:
        print(f"{done} of {of} {what}", file=sys.stderr, flush=True)


# -- the rest of the corpus --------------------------------------------------------------------------------------------


def _seal(
    layout: Layout,
    settings: CorpusConfig,
    who: Cast,
    plan: Counter[tuple[str, ...]],
    early: Counter[tuple[str, ...]],
    late: Counter[tuple[str, ...]],
    shards: Sequence[ShardRecord],
) -> None:
    """Write _plan.json and corpus.json."""
    lost = sum(int(piece.lost.sum()) for piece in who.pieces)
    lost_sentences = sum(int(piece.sentences[piece.lost].sum()) for piece in who.pieces)
    kept = {"videos": who.videos, "sentences": plan[("sentences",)], "clips": plan[("samples",)]}
    planned = kept | {"sentences": kept["sentences"] + lost_sentences, "clips": kept["clips"] + lost}
    before = {name: _dropped(early, name[:-1]) for name in kept}
    after = {name: before[name] + _dropped(late, name[:-1]) for name in kept}
    samples = sum(shard.samples for shard in shards)
    splits = {
        split: {"samples": sum(len(p.video) for p in own), "frames": sum(int(p.sentences.sum()) * FRAMES for p in own),
                "shards": len(own)}
        for split, own in ((s, list(found)) for s, found in groupby(who.pieces, lambda p: p.split))
    }  # fmt: skip
    frames = sum(split["frames"] for split in splits.values())
    summary = PlanSummary(
        fingerprint=fingerprint(settings),
        config=settings.published(),
        probe="header",
        counts={name: Count(total=planned[name] + before[name], kept=planned[name], dropped=before[name]) for name in kept},
        failed_videos=sum(n for key, n in early.items() if key[1] == "video" and key[3] in FAILURES),
        drops={" ".join(key[1:]): n for key, n in sorted(early.items())},
        hours={"in": round(plan[("ms",)] / 3.6e6 * 1.6, 4), "out": round(plan[("ms",)] / 3.6e6, 4)},
        words={name: distribution(histogram(plan, f"words_{name}")) for name in ("in", "out")},
        sentences_per_clip=distribution(histogram(plan, "sentences_out")),
        splits=splits,
        estimate={
            "how": "made up", "decoded_frames": 60 * frames, "cpu_hours": round(frames * 2e-5, 4), "bytes": 17_000 * frames,
        },
        cleaned={"rolling": 4 * samples, "sound_tags": samples // 2},
    )  # fmt: skip
    write_summary(layout.plan, summary)
    manifest = CorpusManifest(
        format=FORMAT,
        name=settings.name,
        versions=versions(),
        config=settings.published(),
        fingerprint=fingerprint(settings),
        counts={name: Count(total=kept[name] + after[name], kept=kept[name], dropped=after[name]) for name in kept},
        shards=tuple(shards),
    )
    storage.write_bytes(layout.manifest, manifest.to_bytes())


def _dropped(counts: Counter[tuple[str, ...]], subject: str) -> int:
    return sum(n for key, n in counts.items() if key[1] == subject)


def main() -> None:
    """Write the corpus and print what was planted."""
    options = arguments()
    if options.folder.exists():
        sys.exit(f"{options.folder}: is there already; remove it, or name another folder")
    if options.rows < 1000:
        sys.exit("1,000 rows at least: faults are planted, each in rows of its own")
    print(json.dumps(write(options.rows, options.folder, options.seed, options.processes), indent=1))


if __name__ == "__main__":
    main()
