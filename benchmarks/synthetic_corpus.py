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
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from synthetic_ledger import FILTERED, ROWS_PER_VIDEO, Part, dropped_videos, ledger_part
from synthetic_pictures import REAL, Templates, read_templates, write_shard
from synthetic_rows import FRAMES, LANGUAGES, Flags, Ints, Piece, make, searched, sources
from synthetic_text import Speech, Vocabulary, speech, vocabulary, word_counts

from longtake.pipeline.fingerprint import fingerprint
from longtake.pipeline.plan_summary import PlanSummary, write_summary
from longtake.pipeline.tally import distribution, histogram
from longtake.schemas import storage, tables
from longtake.schemas.config import CorpusConfig, parse_config
from longtake.schemas.layout import FORMAT, Layout, part_name
from longtake.schemas.manifest import CorpusManifest, Count, ShardRecord
from longtake.schemas.reasons import FAILURES
from longtake.schemas.records import SourceInfo
from longtake.schemas.versions import versions

_SHARD = 4096  # samples
_PART = 200_000  # rows of a part of the ledger
_LOST = 0.004  # of the planned long clips, in decoding
_VAL = 0.02
_NEEDLES = 7


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
            "split": {"train": 1 - _VAL, "val": _VAL},
            "shards": {"samples": _SHARD},
        },
        "synthetic_corpus.py",
    )  # fmt: skip


# -- who is where ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cast:
    """All rows, shard by shard, and what was planted among them."""

    pieces: list[Piece]
    videos: int
    copies: list[Speech]
    planted: dict[str, Any]


def cast(rows: int, seed: int, words: Vocabulary) -> Cast:
    """Who is where: videos, splits, shards, lost long clips, planted faults."""
    rng = np.random.default_rng([seed, 0])
    lost_number = int(_LOST * rows)
    total = rows + lost_number
    sizes = 1 + rng.poisson(2, total)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), total)) + 1]
    sizes[-1] -= sizes.sum() - total
    videos = len(sizes)
    video = np.repeat(np.arange(videos), sizes)
    number = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    val = (rng.random(videos) < _VAL)[video]
    lost = np.zeros(total, bool)
    lost[rng.choice(np.flatnonzero(number == 1), lost_number, replace=False)] = True
    lost[np.isin(video, np.arange(2 * REAL))] = False  # the first rows are those of the real shard
    lost_number = int(lost.sum())
    keep = np.flatnonzero(~lost)
    surplus = len(keep) - rows  # those that were just saved
    if surplus:
        again = rng.choice(np.flatnonzero((number == 1) & ~lost & (video > 2 * REAL)), surplus, replace=False)
        lost[again] = True

    many = max(2, rows // 100_000)
    apart = rng.choice(np.flatnonzero((sizes >= 3) & ~val[np.cumsum(sizes) - 1]), many, replace=False)
    apart = apart[apart > 2 * REAL]
    val[np.cumsum(sizes)[apart] - 1] = True  # their last long clip went astray
    planted: dict[str, Any] = {"split_videos": len(apart)}

    free = rng.permutation(np.flatnonzero(~lost & ~np.isin(video, apart) & (video > 2 * REAL)))
    taken = 0

    def take(wanted: int) -> Ints:
        nonlocal taken
        taken += wanted
        return np.asarray(free[taken - wanted : taken])

    exact, near = max(4, rows // 500), max(4, rows // 1000)
    sentences = 4 + rng.choice(13, total, p=_falling())
    sentences[:REAL] = 4 + np.arange(REAL) % 13
    copies = [_copy(rng, words) for _ in range(exact + near)]
    originals, again = take(exact + near), take(exact + near)
    astray = free[taken:][val[free[taken:]]][
        : max(2, exact // 50)
    ]  # copies in validation of what is mostly in training
    again[: len(astray)] = astray
    free = np.concatenate([free[:taken], np.setdiff1d(free[taken:], astray)])
    rng.shuffle(free[taken:])
    copy = np.full(total, -1)
    copy[originals] = copy[again] = np.arange(exact + near)
    for rows_of in (originals, again):
        sentences[rows_of] = [len(one.counts) for one in copies]
    flags = {name: np.zeros(total, bool) for name in Flags.__dataclass_fields__ if name != "copy"}
    flags["near"][again[exact:]] = True
    for name, wanted in (
        ("email", rows // 1000), ("fast", rows // 2000), ("late", rows // 2000), ("misfit", rows // 200),
        ("overlap", rows // 5000), ("needle", _NEEDLES),
    ):  # fmt: skip
        flags[name][take(wanted)] = True
    for name, share in (("unlicensed", 300), ("homeless", 2000)):
        some = rng.choice(np.arange(2 * REAL, videos), max(1, videos // share), replace=False)
        flags[name] = np.isin(video, some)
    repeats, leaking = _repeats(rng, rows, video, val, lost)

    splits = np.where(val, "val", "train")
    planted |= {
        "split_texts": int((splits[originals[:exact]] != splits[again[:exact]]).sum()),
        "split_pictures": leaking,
        "exact_duplicates": exact,
        "near_duplicates": exact + near,
        "near_duplicates_across": int((splits[originals] != splits[again]).sum()),
        "contamination": int(flags["overlap"].sum()),
        "licences": int((flags["unlicensed"] & ~lost).sum()),
        "origins": int((flags["homeless"] & ~lost).sum()),
        "personal_data": int(flags["email"].sum()),
        "text_frames": int(flags["misfit"].sum()),
        "speech_rate": int(flags["fast"].sum()),
        "frame_times": int(flags["late"].sum()),
        "plan_lost": 0,
    }
    order = np.argsort(val, kind="stable")
    pieces = list(_pieces(seed, order, video, number, sentences, lost, repeats, val, Flags(copy=copy, **flags)))
    return Cast(pieces, videos, copies, planted)


def _falling() -> Any:
    """Chances of 4 to 16 sentences: 7.2 on the average."""
    chances = np.exp(-np.arange(13) / 4)
    return chances / chances.sum()


def _copy(rng: np.random.Generator, words: Vocabulary) -> Speech:
    return speech(rng, word_counts(rng, int(rng.integers(4, 9)), fewest=9), words)


def _repeats(rng: np.random.Generator, rows: int, video: Ints, val: Any, lost: Any) -> tuple[Ints, int]:
    """For each row the number of the video that its own repeats, or -1; and how many are in another split than that."""
    firsts = np.unique(video, return_index=True)[1]
    usable = rng.permutation(np.flatnonzero(np.arange(len(firsts)) > 2 * REAL))
    pairs = max(2, rows // 10_000)
    again, of = usable[:pairs], usable[pairs : 2 * pairs]
    others = usable[2 * pairs :][val[firsts[usable[2 * pairs :]]]][: max(1, pairs // 10)]
    of[: len(others)] = others
    target = np.full(len(firsts), -1)
    target[again] = of
    repeats = target[video]
    flagged = (repeats >= 0) & ~lost
    # A video in two splits is none of the check's business here: its first long clip stands for it, as in the audit.
    return repeats, int((val[flagged] != val[firsts[repeats[flagged]]]).sum())


def _pieces(
    seed: int, order: Ints, video: Ints, number: Ints, sentences: Ints, lost: Any, repeats: Ints, val: Any, flags: Flags
) -> Iterator[Piece]:
    for split, inside in (("train", order[~val[order]]), ("val", order[val[order]])):
        shards = max(1, round(len(inside) / _SHARD))
        begins = np.flatnonzero(np.concatenate([[True], video[inside][1:] != video[inside][:-1]]))
        wanted = np.arange(shards) * len(inside) // shards
        cuts = [*begins[np.searchsorted(begins, wanted)], len(inside)]
        for shard, (first, last) in enumerate(pairwise(cuts)):
            own = inside[first:last]
            yield Piece(
                seed, split, shard, video[own], number[own], sentences[own], lost[own], repeats[own], flags.taken(own)
            )


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
    storage.write_parquet(layout.shard_index(piece.name), made.index)
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
