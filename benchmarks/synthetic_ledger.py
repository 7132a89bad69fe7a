"""The ledger of `synthetic_corpus.py`: what was left out before decoding, about nine rows for each video that was kept."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from synthetic_rows import keys_of, text, video_ids
from synthetic_text import Ints

from longtake.schemas.tables import LEDGER

Random = np.random.Generator

#: Scores that are below or above their thresholds: reason, score, setting, threshold, worst value, share of such long clips.
FILTERED = (
    ("few_words", "words_per_sentence", "min_words_per_sentence", 4.0, 1.0, 0.17),
    ("fast_speech", "words_per_second", "max_words_per_second", 12.0, 40.0, 0.04),
    ("repetition", "repetition", "max_repetition", 0.4, 1.0, 0.1),
    ("little_speech", "non_speech", "max_non_speech", 0.6, 0.95, 0.09),
    ("strange_characters", "characters", "min_characters", 0.9, 0.3, 0.04),
    ("low_resolution", "short_side", "min_short_side", 360.0, 144.0, 0.1),
    ("elongated", "aspect", "max_aspect", 2.4, 4.0, 0.02),
    ("short_clip", "seconds", "min_seconds", 5.0, 2.0, 0.06),
    ("no_audio", "audio", "min_audio", 0.9, 0.0, 0.03),
)
_LANGUAGES = ("ru", "hi", "ja", "ar", "id", "ko", "zh", "it")
_ASKED = "en, es, pt, fr, de"

#: Sentences that were left out by themselves: stage, reason, rows for each kept video, detail of (place, ms).
_SENTENCES: tuple[tuple[str, str, float, Callable[[int, int], str]], ...] = (
    ("merge", "run_too_short", 3.0, lambda n, ms: f"run of {n % 3 + 1} sentence{'s' if n % 3 else ''}, min_sentences is 4"),
    ("clean", "rolling_caption", 1.0, lambda n, ms: f"shows again what cue {n} shows"),
    ("clean", "sound_tag", 0.6, lambda n, ms: "nothing but sound tags"),
    ("read", "clip_without_text", 0.3, lambda n, ms: f"videos.jsonl:{n}: no line of the text file names this clip"),
    ("merge", "overlap", 0.1, lambda n, ms: f"{n}.mp4 starts at the same time, {ms} ms, and is not shorter"),
    ("probe", "span_past_end", 0.1, lambda n, ms: f"ends at {ms + 900} ms; the video ends at {ms} ms"),
    ("merge", "cut_remainder", 0.1, lambda n, ms: "run of 17 sentences; this one fits into no long clip of 4 to 16 sentences "
     "and at most 240000 ms"),
    ("clean", "boilerplate", 0.05, lambda n, ms: "nothing but boilerplate"),
    ("clean", "speaker_label", 0.05, lambda n, ms: "nothing but speaker labels"),
    ("clean", "loop", 0.05, lambda n, ms: "nothing but a phrase said before"),
    ("read", "empty_text", 0.05, lambda n, ms: f"clip_text.jsonl:{n}: nothing is left of the text"),
    ("read", "span_reversed", 0.01, lambda n, ms: f"sentence {n % 40} lasts from {ms} to {ms - 700} ms"),
)  # fmt: skip

#: Videos of which nothing was used: stage, reason, number for each kept video, sentences each, detail.
_VIDEOS: tuple[tuple[str, str, float, int, str], ...] = (
    ("read", "no_text", 0.03, 0, "no usable sentence"),
    ("merge", "no_long_clip", 0.12, 2, "none of its 2 sentences is part of a long clip"),
    ("probe", "missing", 0.02, 3, "no such file"),
    ("probe", "unreadable", 0.01, 3, "Invalid data found when processing input"),
    ("read", "transcript_unreadable", 0.005, 0, "not WebVTT: it starts with '<!DOCTYPE html>'"),
    ("probe", "unreachable", 0.005, 3, "timed out after 5 attempts"),
    ("probe", "no_video_stream", 0.003, 3, "1 streams, none of them video"),
    ("probe", "limit_exceeded", 0.002, 3, "93600000 ms long; the limit is 86400000 ms"),
    ("probe", "empty_file", 0.002, 3, "0 bytes"),
)
_CLIPS = 0.36  # long clips that filters left out, for each kept video
_WHOLE = 0.04  # videos all of whose long clips were filtered out: one each
ROWS_PER_VIDEO = 9.3


@dataclass(frozen=True)
class Part:
    """The videos of one part of the ledger: kept ones [first, last), and where the numbers of dropped ones start."""

    seed: int
    number: int
    first: int
    last: int
    dropped: int


def dropped_videos(kept: int) -> int:
    """How many videos `ledger_part` drops where so many were kept."""
    return sum(int(share * kept) for _, _, share, *_ in _VIDEOS) + int(_WHOLE * kept)


def ledger_part(part: Part, survivors: list[str]) -> pa.Table:
    """The rows of a part in order. `survivors` are keys of samples, which duplicates are said to be like."""
    rng, kept = np.random.default_rng([part.seed, 3, part.number]), part.last - part.first
    tables, used, counter = [], part.dropped, 0
    for stage, reason, share, detail in _SENTENCES:
        n = int(share * kept)
        videos = rng.integers(part.first, part.last, n)
        details = [detail(int(a), int(ms)) for a, ms in rng.integers(1, 900_000, (n, 2))]
        tables.append(_sentences(videos, counter, stage, reason, pa.array(details, pa.string())))
        counter += n
    for stage, reason, share, sentences, about in _VIDEOS:
        videos = np.arange(used, used + int(share * kept))
        used += len(videos)
        ids = video_ids(videos)
        tables.append(_rows(ids, "video", ids, stage, reason, pa.array([about] * len(videos))))
        if sentences:
            inside = np.repeat(videos, sentences)
            short = reason == "no_long_clip"
            details = (
                pa.array(["run of 2 sentences, min_sentences is 4"] * len(inside))
                if short
                else pc.binary_join_element_wise(pa.scalar("in video"), video_ids(inside), " ")
            )
            tables.append(_sentences(inside, counter, stage, "run_too_short" if short else reason, details))
            counter += len(inside)
    whole = np.arange(used, used + int(_WHOLE * kept))
    ids = video_ids(whole)
    about = pa.array(["its only long clip filtered out; each has a row of its own"] * len(whole))
    tables.append(_rows(ids, "video", ids, "filter", "all_clips_filtered", about))
    videos = np.concatenate([rng.integers(part.first, part.last, int(_CLIPS * kept)), whole])
    tables += _filtered(rng, rng.permutation(videos), counter, survivors)
    tables.append(_others(rng, part))
    order = [(name, "ascending") for name in ("video_id", "subject", "subject_id")]
    return pa.concat_tables(tables).sort_by(order).combine_chunks()


def _rows(ids: pa.Array, subject: str, subjects: pa.Array, stage: str, reason: str, details: pa.Array) -> pa.Table:
    n = len(ids)
    same = [pa.array([value] * n, pa.string()) for value in (subject, stage, reason)]
    return pa.Table.from_arrays([ids, same[0], subjects, same[1], same[2], details], schema=LEDGER)


def _sentences(videos: Ints, counter: int, stage: str, reason: str, details: pa.Array) -> pa.Table:
    ids = video_ids(videos)
    numbers = text(np.arange(len(videos)) + counter + 1000)
    return _rows(
        ids, "sentence", pc.binary_join_element_wise(ids, numbers, pa.scalar("mp4"), "."), stage, reason, details
    )


def _filtered(rng: Random, videos: Ints, counter: int, survivors: list[str]) -> list[pa.Table]:
    """Long clips that filters left out, with their sentences. Those that start at 7 ms after a ten are no samples."""
    n = len(videos)
    starts = 10 * np.arange(n) + 600_007
    keys = keys_of(video_ids(videos), starts, starts + 10 * rng.integers(500, 20_000, n))
    reasons, details = _why(rng, n, survivors)
    sentences = 4 + np.minimum(rng.geometric(0.24, n) - 1, 12)
    inside = pa.array(np.repeat(np.arange(n), sentences), pa.int32())
    about = pc.binary_join_element_wise(pa.scalar("in long clip"), keys.take(inside), " ")
    own, found = pa.array(reasons), []
    clips = _rows(video_ids(videos), "clip", keys, "filter", "", pa.array(details))
    found.append(clips.set_column(4, LEDGER.field("reason"), own))
    rows = _sentences(np.repeat(videos, sentences), counter, "filter", "", about)
    found.append(rows.set_column(4, LEDGER.field("reason"), own.take(inside)))
    return found


def _why(rng: Random, n: int, survivors: list[str]) -> tuple[list[str], list[str]]:
    draws, values, similar = rng.random(n), rng.random(n), rng.random(n)
    bounds = np.cumsum([rule[-1] for rule in FILTERED])
    which = np.searchsorted(bounds, draws, side="right")
    reasons, details = [], []
    for at, rule in enumerate(which):
        like = survivors[int(similar[at] * len(survivors))]
        if rule < len(FILTERED):
            reason, score, setting, limit, worst, _ = FILTERED[rule]
            side = "below" if setting.startswith("min_") else "above"
            value = limit + (worst - limit) * max(values[at] ** 2, 1e-3)
            detail = f"{score} {value:.4g} is {side} {setting} {limit:g}"
        elif draws[at] < 0.8:
            language = _LANGUAGES[int(values[at] * len(_LANGUAGES))]
            reason, detail = (
                "other_language",
                f"language {language} ({0.5 + similar[at] / 2:.4g}) is not one of {_ASKED}",
            )
        elif draws[at] < 0.87:
            reason, detail = "exact_duplicate", f"the same words, like {like}, which stays"
        else:
            reason = "near_duplicate"
            detail = f"similarity {0.8 + 0.2 * values[at]:.4g} reaches 0.8, like {like}, which stays"
        reasons.append(reason)
        details.append(detail)
    return reasons, details


def _others(rng: Random, part: Part) -> pa.Table:
    """Lines that could not be read, and notes."""
    n = max(1, (part.last - part.first) // 500)
    lines = (part.number + 1) * 10_000_000 + rng.choice(1_000_000, n, replace=False)
    places = [f"videos.jsonl:{line}" for line in lines]
    bad = [f"{place}: Expecting ',' delimiter: line 1 column 80; each line must be one JSON object" for place in places]
    records = _rows(pa.array([""] * n), "record", pa.array(places), "read", "malformed", pa.array(bad))
    ids = video_ids(rng.choice(np.arange(part.first, part.last), n, replace=False))
    about = "compared with no video: its frames show 2 different pictures"
    return pa.concat_tables([records, _rows(ids, "note", ids, "filter", "not_compared", pa.array([about] * n))])
