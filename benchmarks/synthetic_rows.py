"""The rows of one shard for `synthetic_corpus.py`: plan, index, and what of the plan was lost in decoding."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from synthetic_pictures import FRAME_MS, SIZE, Templates, members
from synthetic_text import CAPITAL, NEEDLE, Ints, Speech, Vocabulary, joined, ranks, speech, word_counts

from longtake.schemas.layout import shard_name
from longtake.schemas.tables import INDEX, LEDGER, PLAN, SOURCE_COLOR

Bools = npt.NDArray[np.bool_]
FRAMES = 8  # of a sentence
LANGUAGES = ("en", "es", "pt", "fr", "de")
LONGEST_MS = 225_000
_LICENCES = ("CC BY 4.0", "CC BY-SA 4.0", "CC0 1.0", "Public domain", "CC BY-NC 4.0")
_URLS = (
    "https://www.youtube.com/watch?v=", "https://vimeo.com/", "https://archive.org/details/",
    "https://www.dailymotion.com/video/", "https://media.example.org/v/",
)  # fmt: skip
_SIZES = ((1280, 720), (1920, 1080), (854, 480), (640, 360), (3840, 2160))
_COLOR = ("bt709", "bt709", "bt709", "limited")
_CODECS = ("h264", "vp9", "av1")
_RATES = (29.97, 25.0, 23.976, 30.0, 60.0)
_CHANNELS = 20_000
_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)


@dataclass(frozen=True)
class Flags:
    """What was planted, for each row: `copy` is the number of the paragraph that it repeats or -1."""

    copy: Ints
    near: Bools  # the copy has one other word
    email: Bools
    fast: Bools  # more than 7 words a second
    late: Bools  # a frame 1.5 s from its time
    misfit: Bools  # text and frames do not belong together
    overlap: Bools  # in an evaluation set
    needle: Bools
    unlicensed: Bools
    homeless: Bools  # no url

    def taken(self, rows: Any) -> "Flags":
        return Flags(**{name: value[rows] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Piece:
    """The rows of a shard, lost ones included. `video` and `number` (of the long clip in its video) make the ids; `repeats` is
    the number of the video whose pictures it shows again, or -1."""

    seed: int
    split: str
    shard: int
    video: Ints
    number: Ints
    sentences: Ints
    lost: Bools
    repeats: Ints
    flags: Flags

    @property
    def name(self) -> str:
        return shard_name(self.split, self.shard)


@dataclass(frozen=True)
class Made:
    """The tables of a shard, and counts: words of sentences and of long clips, rows with a word or phrase that is searched."""

    plan: Any
    index: Any
    lost: Any  # rows of the ledger
    counts: Counter[tuple[str, ...]]


def mixed(numbers: Ints, salt: int) -> npt.NDArray[np.uint64]:
    """Numbers that look drawn at random: splitmix64, which never gives two numbers the same."""
    x = numbers.astype(np.uint64) + np.uint64((0x9E3779B97F4A7C15 * (salt + 1)) % (1 << 64))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)


def video_ids(numbers: Ints) -> Any:
    """Ids of eleven characters, as YouTube has them."""
    value = mixed(numbers, 0)
    shifts = np.arange(0, 66, 6, dtype=np.uint64)
    letters = _BASE64[((value[:, None] >> shifts) & np.uint64(63)).astype(np.int64)]
    return pa.array(np.ascontiguousarray(letters).view("S11").ravel().astype("U11"), pa.string())


def chosen(numbers: Ints, salt: int, shares: tuple[float, ...]) -> Ints:
    """For each video one of some things with these shares; the same at each call."""
    draws = mixed(numbers, salt).astype(np.float64) / 2**64
    return np.minimum(np.searchsorted(np.cumsum(shares), draws, side="right"), len(shares) - 1)


def sources(videos: Ints, ends: Ints) -> tuple[Any, ...]:
    """Width, height, frame rate, codec and duration in ms of the source of each long clip, which ends there."""
    size = np.array(_SIZES)[chosen(videos, 5, (0.45, 0.3, 0.13, 0.1, 0.02))]
    rate = np.array(_RATES)[chosen(videos, 7, (0.4, 0.2, 0.15, 0.15, 0.1))]
    codec = np.array(_CODECS)[chosen(videos, 6, (0.7, 0.25, 0.05))]
    which, owner = np.unique(videos, return_inverse=True)
    last = np.zeros(len(which), np.int64)
    np.maximum.at(last, owner, ends)
    return size[:, 0], size[:, 1], rate, codec, last[owner] + (mixed(videos, 14) % np.uint64(120_000)).astype(np.int64)


def text(column: Any) -> Any:
    return pc.cast(pa.array(column) if isinstance(column, np.ndarray) else column, pa.string())


def padded(ms: Ints) -> Any:
    return pc.utf8_lpad(text(ms), 9, "0")


def keys_of(ids: Any, starts: Ints, ends: Ints) -> Any:
    return pc.binary_join_element_wise(ids, padded(starts), padded(ends), "-")


def make(piece: Piece, words: Vocabulary, copies: list[Speech], templates: Templates | None) -> Made:
    """The tables of a shard. Without `templates` there is no index."""
    rng = np.random.default_rng([piece.seed, 2, piece.split != "train", piece.shard])
    rows, flags = len(piece.video), piece.flags
    first = np.cumsum(piece.sentences) - piece.sentences  # sentence of each row
    owner = np.repeat(np.arange(rows), piece.sentences)
    spoken = _spoken(rng, piece, first, owner, words, copies)
    starts, ends = _times(rng, piece, spoken.counts, first, owner)
    row_starts, row_ends = starts[first], ends[first + piece.sentences - 1]
    ids = video_ids(piece.video)
    keys = keys_of(ids, row_starts, row_ends)
    texts = spoken.sentences(words)
    within = np.arange(len(owner)) - first[owner]
    clip_ids = pc.binary_join_element_wise(
        ids.take(pa.array(owner, pa.int32())), text(piece.number[owner] * 20 + within), pa.scalar("mp4"), "."
    )
    nothing = pa.nulls(len(owner), pa.string())
    offsets = pa.array(np.concatenate([[0], np.cumsum(piece.sentences)]), pa.int32())
    fields = list(PLAN.field("sentences").type.value_type)
    said = [clip_ids, pa.array(starts), pa.array(ends), texts]
    struct = pa.StructArray.from_arrays([*said, *(nothing for _ in fields[len(said) :])], fields=fields)
    times = (starts[:, None] + np.arange(FRAMES) * (ends - starts)[:, None] // FRAMES).ravel()
    frame_offsets = pa.array(np.concatenate([[0], np.cumsum(piece.sentences * FRAMES)]), pa.int32())
    n_words = np.add.reduceat(spoken.counts, first)
    seconds = np.add.reduceat(ends - starts, first) / 1000
    width, height, *_ = sources(piece.video, row_ends)
    language = chosen(piece.video, 4, (0.82, 0.07, 0.04, 0.04, 0.03))
    licence = pa.array(_LICENCES).take(pa.array(chosen(piece.video, 2, (0.6, 0.15, 0.1, 0.1, 0.05)), pa.int32()))
    host = pa.array(_URLS).take(pa.array(chosen(piece.video, 3, (0.72, 0.13, 0.09, 0.04, 0.02)), pa.int32()))
    url = pc.binary_join_element_wise(host, ids, "")
    planned = {
        "key": keys,
        "video_id": ids,
        "uri": pc.binary_join_element_wise(pa.scalar("videos/"), ids, pa.scalar(".mp4"), ""),
        "url": pc.if_else(pa.array(flags.homeless), pa.scalar(""), url),
        "license": pc.if_else(pa.array(flags.unlicensed), pa.scalar(""), licence),
        "meta": _meta(piece.video, words),
        "start_ms": pa.array(row_starts),
        "end_ms": pa.array(row_ends),
        "sentences": pa.ListArray.from_arrays(offsets, struct),
        "paragraph": joined(texts, piece.sentences),
        "n_sentences": piece.sentences,
        "n_words": n_words,
        "coherence": np.clip(rng.normal(0.56, 0.09, rows), 0, 1),
        "split": pa.array([piece.split] * rows),
        "shard": np.full(rows, piece.shard),
        "position": np.arange(rows),
        "frame_times_ms": pa.ListArray.from_arrays(frame_offsets, pa.array(times)),
        "language": pa.array(LANGUAGES).take(pa.array(language, pa.int32())),
        "duplicate_of": pa.nulls(rows, pa.string()),
        "duplicate_video_of": pc.if_else(
            pa.array(piece.repeats >= 0), video_ids(np.maximum(piece.repeats, 0)), pa.scalar(None, pa.string())
        ),
        "evaluation_overlap": pc.if_else(pa.array(flags.overlap), pa.scalar("msrvtt"), pa.scalar(None, pa.string())),
        "score_words_per_sentence": n_words / piece.sentences,
        "score_words_per_second": n_words / seconds,
        "score_repetition": np.clip(rng.beta(1.1, 30, rows) - 0.01, 0, 0.39),
        "score_non_speech": 1 - seconds * 1000 / (row_ends - row_starts),
        "score_language": np.clip(rng.beta(24, 1.2, rows), 0.51, 1),
        "score_characters": np.clip(rng.beta(400, 1, rows), 0.91, 1),
        "score_profanity": np.where(rng.random(rows) < 0.03, rng.random(rows) * 0.02, 0),
        "score_pii": flags.email.astype(float),
        "score_short_side": height.astype(float),
        "score_aspect": width / height,
        "score_seconds": (row_ends - row_starts) / 1000,
        "score_audio": np.where(rng.random(rows) < 0.95, 1.0, 0.91 + 0.09 * rng.random(rows)),
    }  # fmt: skip
    plan = _table(planned, PLAN)
    counts = _counts(piece, spoken, owner, n_words, row_ends - row_starts, words)
    lost = _lost(rng, plan, piece.lost, first)
    index = None if templates is None else _index(rng, planned, plan, piece, templates)
    return Made(plan, index, lost, counts)


def _table(columns: dict[str, Any], schema: pa.Schema) -> Any:
    arrays = [
        pc.cast(pa.array(column) if isinstance(column, np.ndarray) else column, field.type)
        for field, column in zip(schema, (columns[name] for name in schema.names), strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _spoken(
    rng: np.random.Generator, piece: Piece, first: Ints, owner: Ints, words: Vocabulary, copies: list[Speech]
) -> Speech:
    flags = piece.flags
    counts = word_counts(rng, len(owner))
    repeated = np.flatnonzero(flags.copy >= 0)
    for row in repeated:
        counts[first[row] : first[row] + piece.sentences[row]] = copies[flags.copy[row]].counts
    spoken = speech(rng, counts, words)
    begins, tokens = np.cumsum(counts) - counts, spoken.tokens
    for row in repeated:
        own = copies[flags.copy[row]].tokens
        at = begins[first[row]]
        tokens[at : at + len(own)] = own
        if flags.near[row]:  # another word within the first sentence
            tokens[at + 1] = (tokens[at + 1] + 1) % words.size
    tokens[begins[first[flags.needle]] + 1] = words.rank(NEEDLE)
    last = begins[first[flags.email]] + counts[first[flags.email]] - 1
    tokens[last] = words.emails(piece.video[flags.email])
    return spoken


def _times(rng: np.random.Generator, piece: Piece, counts: Ints, first: Ints, owner: Ints) -> tuple[Ints, Ints]:
    """Starts and ends of sentences in ms, tens of them; long clips of a video follow each other."""
    rows = len(piece.video)
    rate = np.clip(rng.lognormal(np.log(2.45), 0.22, rows), 1, 6)
    rate[piece.flags.fast] = 9
    lasts = counts / np.clip(rate[owner] * rng.normal(1, 0.06, len(owner)), 0.9, 12)
    gaps = np.where(rng.random(len(owner)) < 0.4, 0, rng.exponential(0.5, len(owner)).clip(0, 1.9))
    gaps[first + piece.sentences - 1] = 0
    total = np.add.reduceat(lasts + gaps, first)
    slower = np.where(piece.flags.fast, 1, np.minimum(1, LONGEST_MS / 1000 / total))[owner]
    lasts_ms = np.maximum(10 * np.rint(lasts * slower * 100), 200).astype(np.int64)
    gaps_ms = (10 * np.rint(gaps * slower * 100)).astype(np.int64)
    before = 10 * rng.integers(0, 1200, rows)  # before the first, and between two
    new = np.concatenate([[True], piece.video[1:] != piece.video[:-1]])
    before[~new] += 3000  # longer than max_gap_ms
    before[new] += 1_000_000 * piece.number[new]  # a clip that is here without those before it
    steps = lasts_ms + gaps_ms
    begin = np.cumsum(steps) - steps
    begin += np.cumsum(before)[owner]
    at = first[new]
    base = begin[at] - before[new]
    begin -= np.repeat(base, np.add.reduceat(piece.sentences, np.flatnonzero(new)))
    return begin, begin + lasts_ms


def _meta(videos: Ints, words: Vocabulary) -> Any:
    """{"channel": ..., "title": ...}: channels by Zipf's law."""
    draw = mixed(videos, 8).astype(np.float64) / 2**64
    channel = (_CHANNELS**draw).astype(np.int64)
    letters = [
        words.tokens.take(pa.array(CAPITAL * words.size + 60 + mixed(source, salt).astype(np.int64) % 6000, pa.int32()))
        for source, salt in ((channel, 9), (channel, 10), (videos, 11), (videos, 12), (videos, 13))
    ]
    parts = [
        '{"channel":"',
        letters[0],
        " ",
        letters[1],
        '","title":"',
        letters[2],
        " ",
        letters[3],
        " ",
        letters[4],
        '"}',
    ]
    return pc.binary_join_element_wise(*[pa.scalar(p) if isinstance(p, str) else p for p in parts], "")


def _index(rng: np.random.Generator, planned: dict[str, Any], plan: Any, piece: Piece, templates: Templates) -> Any:
    rows = len(piece.video)
    draws = rng.random(rows)
    real = np.zeros(rows, np.int64)
    for n, able in templates.by_sentences.items():
        here = piece.sentences == n
        real[here] = able[(draws[here] * len(able)).astype(np.int64)]
    if (piece.split, piece.shard) == ("train", 0):
        real[: len(templates.starts) - 1] = np.arange(len(templates.starts) - 1)  # these are in the tar themselves
    times = plan["frame_times_ms"].combine_chunks()
    taken = times.flatten().to_numpy() // FRAME_MS * FRAME_MS
    late = times.offsets.to_numpy()[:-1][piece.flags.late]
    taken[late + 3] -= 1500 + FRAME_MS
    width, height, rate, codec, duration = sources(piece.video, plan["end_ms"].to_numpy())
    columns = planned | {
        "shard": pa.array([piece.name] * rows),
        "members": members(plan["key"].combine_chunks(), real, templates),
        "sha256": templates.sha256.take(pa.array(real, pa.int32())),
        "frame_pts_ms": pa.ListArray.from_arrays(times.offsets, pa.array(np.maximum(taken, 0))),
        "frame_height": np.full(rows, SIZE[0]),
        "frame_width": np.full(rows, SIZE[1]),
        "source_width": width,
        "source_height": height,
        "source_fps": rate,
        "source_codec": pa.array(codec),
        "source_duration_ms": duration,
        **{f"source_{name}": pa.array([value] * rows) for name, value in zip(SOURCE_COLOR, _COLOR, strict=True)},
        "score_black": np.where(rng.random(rows) < 0.05, 0.45 * rng.random(rows), 0),
        "score_frozen": np.clip(rng.beta(1, 6, rows), 0, 0.79),
        "score_slides": np.clip(rng.beta(0.5, 8, rows), 0, 0.89),
        "score_relevance": np.where(
            piece.flags.misfit, 0.15 + 0.045 * rng.random(rows), np.clip(rng.normal(0.285, 0.025, rows), 0.205, 0.4)
        ),
    }
    table = _table(columns, INDEX).filter(pa.array(~piece.lost))
    at = INDEX.names.index("position")
    return table.set_column(at, INDEX.field("position"), pa.array(np.arange(len(table)), pa.int32()))


def _lost(rng: np.random.Generator, plan: Any, lost: Bools, first: Ints) -> Any:
    """The ledger's rows of the long clips that were lost in decoding, and of their sentences."""
    rows: list[dict[str, str]] = []
    for row in plan.filter(pa.array(lost)).to_pylist():
        at = row["frame_times_ms"][int(rng.integers(len(row["frame_times_ms"])))]
        reason, detail = (
            ("frames_damaged", f"the frame on screen at {at} ms cannot be decoded"),
            ("frames_past_end", f"{at} ms; the video ends at {at - 1200} ms"),
            ("black_frames", f"black {0.5 + rng.random() / 2:.4g} is above max_black 0.5"),
            ("frozen_frames", f"frozen {0.8 + rng.random() / 5:.4g} is above max_frozen 0.8"),
            ("slides", f"slides {0.9 + rng.random() / 10:.4g} is above max_slides 0.9"),
        )[int(rng.integers(5))]
        own = {"video_id": row["video_id"], "stage": "decode", "reason": reason}
        rows.append(own | {"subject": "clip", "subject_id": row["key"], "detail": detail})
        inside = {"subject": "sentence", "detail": f"in long clip {row['key']}"}
        rows += [own | inside | {"subject_id": sentence["clip_id"]} for sentence in row["sentences"]]
    return pa.Table.from_pylist(rows, schema=LEDGER)


def _counts(
    piece: Piece, spoken: Speech, owner: Ints, n_words: Ints, lasts: Ints, words: Vocabulary
) -> Counter[tuple[str, ...]]:
    counts: Counter[tuple[str, ...]] = Counter()
    for name, values in (("words_in", spoken.counts), ("words_out", n_words), ("sentences_out", piece.sentences)):
        for value, number in zip(*np.unique(values, return_counts=True), strict=True):
            counts[name, str(value)] += int(number)
    kept = ~piece.lost
    counts[("ms",)] += int(lasts.sum())
    counts[("samples",)] += int(kept.sum())
    counts[("sentences",)] += int(piece.sentences[kept].sum())
    counts[("words",)] += int(n_words[kept].sum())
    said = ranks(spoken.tokens, words)
    rows = owner[np.repeat(np.arange(len(owner)), spoken.counts)]
    for name, word in searched(words).items():
        wanted = [words.rank(part) for part in word.split()]
        hit = said == wanted[0]
        if len(wanted) == 2:
            hit[:-1] &= (said[1:] == wanted[1]) & (rows[1:] == rows[:-1])
            hit[-1] = False
        counts["holds", name] += int(kept[np.unique(rows[hit])].sum())
    return counts


def searched(words: Vocabulary) -> dict[str, str]:
    """What is searched in benchmarks: words from rare to very common, and a phrase."""
    phrase = words.phrases[len(words.phrases) // 2]
    return {
        "rare": NEEDLE,
        "uncommon": words.common(0.001),
        "common": words.common(0.03),
        "very common": words.words[0],
        "phrase": " ".join(words.words[rank] for rank in phrase),
    }
