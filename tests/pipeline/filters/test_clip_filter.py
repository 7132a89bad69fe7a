"""Thresholds: each filter on both sides of its own, what it says in the ledger, and what it needs."""

import sys
from pathlib import Path
from typing import Any

import pytest
from paragraphs import clip_of, clips_of_file
from sources import DEMO

from longtake.pipeline.decode import Probe
from longtake.pipeline.filters.clip_filter import ClipFilter, check_filters, library_versions, wanted_scores
from longtake.pipeline.filters.frame_filter import frame_fault
from longtake.schemas.config import CorpusConfig, Filters, parse_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.reasons import Reason, Stage, Subject
from longtake.schemas.records import LongClip, SourceInfo
from longtake.schemas.scores import PLAN_SCORES

MAMMALS = clips_of_file(DEMO / "subs" / "mammals.en.vtt")
FACTS = Probe(SourceInfo(640, 360, 25.0, "h264", 100_000), exact=False, audio_ms=(0, 6_000))
TALK = clip_of("We went to the market today.", "It was closed, so we came back.", "Mail me: a@b.org", ms=4000, gap=1000)


def config(base: Path | None = None, duplicates: dict[str, Any] | None = None, **filters: Any) -> CorpusConfig:
    return parse_config(
        {
            "name": "x",
            "output": "out",
            "source": {"videos": "v.jsonl"},
            "filters": filters,
            "duplicates": duplicates or {},
            "base": str(base or "."),
        }
    )


def reason_of(clip: LongClip, facts: Probe | None = FACTS, base: Path | None = None, **filters: Any) -> Reason | None:
    found = ClipFilter(config(base, **filters)).apply([clip], facts)
    assert len(found.clips) + found.left_out == 1
    rows = [row for row in found.drops if row.subject is Subject.CLIP]
    return rows[0].reason if rows else None


@pytest.mark.parametrize(
    ("setting", "passes", "fails", "reason"),
    [
        ("min_words_per_sentence", 5.3, 5.4, Reason.FEW_WORDS),  # 16 words in 3 sentences
        ("max_words_per_second", 1.34, 1.33, Reason.FAST_SPEECH),  # 16 words in 12 s
        ("max_non_speech", 0.15, 0.14, Reason.LITTLE_SPEECH),  # 2 s of 14 s
        ("min_short_side", 360, 361, Reason.LOW_RESOLUTION),
        ("max_aspect", 1.78, 1.77, Reason.ELONGATED),
        ("min_seconds", 14, 14.1, Reason.SHORT_CLIP),
        ("min_audio", 0.41, 0.42, Reason.NO_AUDIO),  # 5 s of 12 s
        ("min_characters", 1, None, Reason.STRANGE_CHARACTERS),
    ],
)
def test_both_sides_of_each_threshold(setting: str, passes: float, fails: float | None, reason: Reason) -> None:
    assert reason_of(TALK, **{setting: passes}) is None
    if fails is not None:
        assert reason_of(TALK, **{setting: fails}) is reason


def test_repetition_and_characters_and_profanity(tmp_path: Path) -> None:
    loop = clip_of(*["Thank you for watching us."] * 4)
    assert reason_of(loop, max_repetition=0.15) is Reason.REPETITION
    assert reason_of(loop, max_repetition=0.75) is None
    assert reason_of(clip_of("♪ la ♪"), min_characters=0.51) is Reason.STRANGE_CHARACTERS
    assert reason_of(clip_of("♪ la ♪"), min_characters=0.5) is None
    (tmp_path / "words.txt").write_text("market\n")
    assert reason_of(TALK, base=tmp_path, profanity="words.txt", max_profanity=0.06) is Reason.PROFANITY
    assert reason_of(TALK, base=tmp_path, profanity="words.txt", max_profanity=0.07) is None


def test_language_of_real_subtitles() -> None:
    for clip in MAMMALS:
        assert reason_of(clip, languages=["en"]) is None
        assert reason_of(clip, languages=["fr", "de"]) is Reason.OTHER_LANGUAGE
        (kept,) = ClipFilter(config(languages=["en"])).apply([clip], None).clips
        assert kept.language == "en"
        assert dict(kept.scores)["language"] > 0.9
    shouted = clip_of("JUAREZ? HERE.", "MOSQUEDA? PRESENT.", "HERBOLD? HERE.")
    assert reason_of(shouted, languages=["en"], min_language=0.9) is Reason.OTHER_LANGUAGE


def test_language_of_real_french(shared: Path) -> None:
    french = clips_of_file(shared / "data" / "transcripts" / "PolarMammals.fr.vtt")
    assert len(french) >= 4
    for clip in french:
        assert reason_of(clip, languages=["fr"], min_language=0.9) is None
        assert reason_of(clip, languages=["en"]) is Reason.OTHER_LANGUAGE


def test_personal_data_is_kept_masked_or_dropped() -> None:
    assert reason_of(TALK, pii="drop") is Reason.PERSONAL_DATA
    assert reason_of(TALK, pii="drop", pii_kinds=["phone"]) is None
    found = ClipFilter(config(pii="mask")).apply([TALK], FACTS)
    assert found.clips[0].paragraph.endswith("Mail me: [email]")
    assert found.masked == {"email": 1}
    assert dict(found.clips[0].scores)["pii"] == 1, "the score says what was there"
    assert ClipFilter(config()).apply([TALK], FACTS).clips == [TALK], "nothing is asked, nothing is changed"


def test_a_video_that_loses_all_has_a_row_of_its_own() -> None:
    found = ClipFilter(config(min_seconds=1000)).apply([TALK, *MAMMALS[:1]], FACTS)
    video = [row for row in found.drops if row.subject is Subject.VIDEO]
    assert [(row.reason, row.is_failure) for row in video] == [(Reason.ALL_CLIPS_FILTERED, False)]
    assert sum(row.subject is Subject.SENTENCE for row in found.drops) == 3 + 6
    assert {row.stage for row in found.drops} == {Stage.FILTER}
    own = next(row for row in found.drops if row.subject is Subject.CLIP)
    assert own.detail == "seconds 14 is below min_seconds 1000"
    assert not ClipFilter(config()).apply([], FACTS).drops


def test_every_score_on_request() -> None:
    (clip,) = ClipFilter(config(scores=True)).apply([TALK], FACTS).clips
    assert [name for name, _ in clip.scores] == [name for name in PLAN_SCORES if name != "profanity"], (
        "there is no list"
    )
    (blind,) = ClipFilter(config(scores=True)).apply([TALK], None).clips
    assert set(PLAN_SCORES) - {name for name, _ in blind.scores} == {"profanity", "short_side", "aspect", "audio"}
    assert wanted_scores(Filters()) == ()
    assert wanted_scores(Filters(max_repetition=0.1)) == ("repetition",)


def test_a_source_without_sound() -> None:
    silent = Probe(FACTS.source, exact=False)
    assert reason_of(TALK, silent, min_audio=0.01) is Reason.NO_AUDIO
    assert reason_of(TALK, silent, min_audio=0) is None


def test_frames() -> None:
    scores = (("black", 0.5), ("frozen", 0.6), ("slides", 0.7))
    assert frame_fault(scores, Filters()) is None
    assert frame_fault(scores, Filters(max_black=0.5, max_frozen=0.6, max_slides=0.7)) is None
    for name, reason in (("black", Reason.BLACK_FRAMES), ("frozen", Reason.FROZEN_FRAMES), ("slides", Reason.SLIDES)):
        fault = frame_fault(scores, Filters.model_validate({f"max_{name}": 0.4}))
        assert fault is not None
        assert fault[0] is reason


def test_what_is_needed_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"filters.min_short_side needs the source videos to be probed"):
        check_filters(config(min_short_side=10), "none")
    check_filters(config(min_short_side=10), "header")
    with pytest.raises(ConfigError, match=r"words.txt: no such file"):
        check_filters(config(tmp_path, profanity="words.txt", max_profanity=0), "none")
    assert set(library_versions(config(languages=["en"], pii="drop"))) == {"py3langid", "phonenumbers"}
    assert library_versions(config()) == {}
    with pytest.raises(ConfigError, match=r"filters.languages: 'xx' is not a language code"):
        check_filters(config(languages=["en", "xx"]), "none")
    with pytest.raises(ConfigError, match=r"filters.phone_region: 'XX' is not a region"):
        check_filters(config(pii="mask", phone_region="XX"), "none")
    check_filters(config(phone_region="XX"), "none")
    monkeypatch.setitem(sys.modules, "py3langid", None)
    with pytest.raises(
        ConfigError, match=r"filters.languages needs py3langid\. Install it with: pip install 'longtake\[text\]'"
    ):
        check_filters(config(languages=["en"]), "none")
    check_filters(config(), "none")


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"max_repetition": 1.5}, "less than or equal to 1"),
        ({"characters": "a]|.*"}, "not the inside of a character class"),
        ({"characters": "z-a"}, "not the inside of a character class"),
        ({"max_profanity": 0.1}, "max_profanity needs profanity"),
        ({"languages": ["English"]}, "pattern"),
        ({"pii": "hide"}, "keep"),
        ({"max_aspect": 0.5}, "greater than or equal to 1"),
    ],
)
def test_settings_that_make_no_sense(filters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**filters)
