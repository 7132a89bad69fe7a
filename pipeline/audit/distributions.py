"""The distributions of a corpus, with the thresholds of its configuration and the published figures of LF-VILA-8M and
HD-VILA-100M."""

from collections.abc import Iterator, Mapping
from typing import Any

from longtake.pipeline.audit.database import Database
from longtake.pipeline.audit.histogram import categories, numeric
from longtake.pipeline.audit.result import Distribution, Mark
from longtake.pipeline.filters.rules import CLIP_RULES, FRAME_RULES
from longtake.schemas.scores import INDEX_SCORES, PLAN_SCORES, column

HD_VILA = "HD-VILA-100M, its README (Xue et al. 2022, arXiv:2111.10337)"
LF_VILA = "LF-VILA-8M (Sun et al. 2022, arXiv:2210.06031); remembered, not checked against the paper"
_SHOWN_APART = {"words_per_sentence", "words_per_second", "language", "seconds", "relevance", "short_side", "pii"}
_SCORES = "the scores were not computed; plan with filters: {scores: true}"
_SPOKEN = "list_sum(list_transform(sentences, lambda s: s.end_ms - s.start_ms)) / 1000.0"


def distributions(database: Database, config: Mapping[str, Any], pixels: bool) -> tuple[Distribution, ...]:
    """All distributions. `config` comes from corpus.json; `pixels` says whether audit/frames has measured frames."""
    return (*_of_clips(database, config), *_of_scores(database, config), *_of_frames(database, pixels))


def limits(config: Mapping[str, Any], *paths: str, scale: float = 1) -> list[Mark]:
    """The thresholds that a configuration sets at `paths` such as "merge.max_gap_ms". `scale` converts them to the unit of the
    distribution."""
    found = []
    for path in paths:
        section, _, name = path.partition(".")
        value = config.get(section, {}).get(name)
        if value is not None:
            found.append(Mark(f"{path} {value:g}", value * scale))
    return found


def _of_clips(database: Database, config: Mapping[str, Any]) -> Iterator[Distribution]:
    index = "FROM 'index/*.parquet'"
    yield numeric(
        database, "duration", "Duration of long clips", "s",
        f"SELECT split, (end_ms - start_ms) / 1000.0 AS value {index}",
        thresholds=[*limits(config, "merge.max_duration_ms", scale=0.001), *limits(config, "filters.min_seconds")],
        references=[Mark("LF-VILA-8M mean", 100.2, LF_VILA)],
    )  # fmt: skip
    yield numeric(
        database, "sentences", "Sentences in a long clip", "", f"SELECT split, n_sentences AS value {index}", whole=True,
        thresholds=limits(config, "merge.min_sentences", "merge.max_sentences"),
        references=[Mark("LF-VILA-8M: at least 4", 4, "LF-VILA, its README")],
    )  # fmt: skip
    yield numeric(
        database, "words", "Words in a long clip", "", f"SELECT split, n_words AS value {index}", whole=True,
        references=[Mark("LF-VILA-8M mean", 307.9, LF_VILA)],
    )  # fmt: skip
    yield numeric(
        database, "words_per_sentence", "Words for each sentence of a long clip", "",
        f"SELECT split, coalesce(score_words_per_sentence, n_words / n_sentences) AS value {index}",
        thresholds=limits(config, "filters.min_words_per_sentence"),
        references=[Mark("HD-VILA-100M mean", 32.5, HD_VILA)],
    )  # fmt: skip
    yield numeric(
        database, "words_per_second", "Words per second of speech", "words/s",
        f"SELECT split, coalesce(score_words_per_second, n_words / ({_SPOKEN})) AS value {index}",
        thresholds=limits(config, "filters.max_words_per_second"),
        references=[Mark("HD-VILA-100M mean", round(32.5 / 13.4, 2), f"32.5 words in 13.4 s: {HD_VILA}")],
    )  # fmt: skip
    yield numeric(
        database, "sentence_duration", "Duration of sentences", "s",
        "SELECT split, (s.end_ms - s.start_ms) / 1000.0 AS value FROM "
        "(SELECT split, unnest(sentences) AS s FROM 'index/*.parquet')", alike=True,
        references=[Mark("HD-VILA-100M mean", 13.4, HD_VILA)],
    )  # fmt: skip
    yield numeric(
        database, "gaps", "Gaps between sentences of a long clip", "s",
        "SELECT split, unnest(list_transform(range(1, n_sentences::BIGINT), "
        f"lambda n: sentences[n + 1].start_ms - sentences[n].end_ms)) / 1000.0 AS value {index}",
        alike=True, missing="No long clip has two sentences.", thresholds=limits(config, "merge.max_gap_ms", scale=0.001),
    )  # fmt: skip
    yield categories(database, "resolution", "Resolution of the sources", "source_width || ' x ' || source_height")
    yield categories(
        database, "language", "Language", "language",
        missing="Not known: the language was not detected; plan with filters: {scores: true}.",
    )  # fmt: skip


def _of_scores(database: Database, config: Mapping[str, Any]) -> Iterator[Distribution]:
    yield numeric(
        database, "coherence", "Coherence", "", "SELECT split, coherence AS value FROM 'index/*.parquet'",
        missing="Not known: coherence.enabled is false; plan with coherence: {enabled: true}.",
        note="Mean cosine similarity of the sentences of a long clip to the mean of their embeddings.",
    )  # fmt: skip
    present = set(database.columns("index/*.parquet"))
    rules = {rule.score: rule.setting for rule in (*CLIP_RULES, *FRAME_RULES)}
    for score in (*PLAN_SCORES, *INDEX_SCORES):
        if (score in _SHOWN_APART and score != "relevance") or column(score) not in present:
            continue
        setting = rules.get(score)
        yield numeric(
            database, f"score_{score}", f"Score: {score.replace('_', ' ')}", "",
            f"SELECT split, {column(score)} AS value FROM 'index/*.parquet'",
            missing="Not known: no CLIP model scored it; set filters.clip_model." if score == "relevance"
            else f"Not known: {_SCORES}.",
            thresholds=limits(config, f"filters.{setting}") if setting else (),
        )  # fmt: skip


def _of_frames(database: Database, pixels: bool) -> Iterator[Distribution]:
    yield numeric(
        database, "frame_delay", "Frames: wanted time less the time on screen since", "ms",
        "SELECT split, unnest(frame_times_ms) - unnest(frame_pts_ms) AS value FROM 'index/*.parquet'", whole=True,
        alike=True, note="How long the frame taken had been on screen at the wanted time. Below 0: it came later, as the first "
        "frame of a video does.",
    )  # fmt: skip
    asked = "Not measured: no frame could be read."
    for name, title, unit, value in (
        ("brightness", "Frames: brightness of a long clip", "of 255", "brightness"),
        ("motion", "Frames: motion in a long clip", "of 255", "motion"),
    ):
        if not pixels:
            yield Distribution(name, title, unit, missing=asked)
            continue
        yield numeric(
            database, name, title, unit, f"SELECT split, {value} AS value FROM 'audit/frames/*.parquet'", missing=asked,
            note="Mean luma of its frames." if name == "brightness" else
            "Mean absolute difference of luma from each frame to the next, on small pictures.",
        )  # fmt: skip
