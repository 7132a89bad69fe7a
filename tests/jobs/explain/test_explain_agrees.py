"""`longtake explain` says of each video what `longtake plan` writes: each sentence of the plan, each row of the ledger."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from sources import ONE_THREAD, POLAR_MAMMALS, SourceSet, Video, rows_of, source_set, spoken, write_rows

from longtake.jobs.build.plan import make_plan
from longtake.jobs.build.request import BuildRequest, ProbeMode
from longtake.jobs.explain.explain import explain_video
from longtake.pipeline.explain.explanation import Explanation
from longtake.pipeline.filters.rejects import Rejects
from longtake.schemas import tables
from longtake.schemas.config import load_config

torch.set_num_threads(1)
TOPICS = (
    "Chop two onions and a clove of garlic.", "Fry them in olive oil until they are soft.",
    "Add the tomatoes and a pinch of salt.", "Let the sauce simmer for twenty minutes.",
    "Boil the pasta in salted water.",
    "The rocket lifts off from the launch pad.", "Its first stage separates after two minutes.",
    "The spacecraft reaches orbit around the Earth.", "Astronauts dock with the space station.",
    "They float through the hatch in weightlessness.", "Months later the capsule lands in the desert.",
)  # fmt: skip
DUPLICATES = {"exact_duplicate", "near_duplicate", "all_clips_filtered"}


def planned(sources: SourceSet, probe: ProbeMode = ProbeMode.NONE) -> dict[str, Explanation]:
    """Plan a source set; the explanations of its videos, each checked against the plan."""
    config = load_config(str(sources.config))
    make_plan(BuildRequest(config, probe, 2, ONE_THREAD), Console(file=io.StringIO()))
    plan, ledger = rows_of(sources.output, "plan"), rows_of(sources.output, "ledger")
    videos = {row["video_id"] for row in plan + ledger if row["video_id"]}
    found = {}
    for video_id in sorted(videos):
        found[video_id] = explanation = explain_video(config, video_id, None)
        kept = {n: clip for n, clip in enumerate(explanation.clips) if clip.state != "dropped"}
        assert {clip.key for clip in kept.values()} == {row["key"] for row in plan if row["video_id"] == video_id}
        for number, clip in kept.items():
            row = next(row for row in plan if row["key"] == clip.key)
            said = [s for s in explanation.sentences if s.clip == number]
            assert [(s.clip_id, s.start_ms, s.end_ms, s.text, s.timing) for s in said] == [
                (s["clip_id"], s["start_ms"], s["end_ms"], s["text"], s["timing"]) for s in row["sentences"]
            ]
            assert {check.score: check.value for check in clip.checks} == {
                name.removeprefix("score_"): value
                for name, value in row.items()
                if name.startswith("score_") and value is not None
            }
            assert clip.coherence == pytest.approx(row["coherence"]) if clip.coherence else row["coherence"] is None
        ours = tables.ledger_table([*explanation.recomputed, *explanation.later]).to_pylist()
        theirs = [row for row in ledger if row["video_id"] == video_id]
        assert sorted(ours, key=str) == sorted(theirs, key=str)
        assert {drop.reason.value for drop in explanation.later} <= DUPLICATES
        assert explanation.notes == ()
    return found


def reasons(explanation: Explanation) -> set[str]:
    return {drop.reason.value for drop in explanation.recomputed}


def test_records_with_their_own_text(tmp_path: Path) -> None:
    many = spoken(3) + spoken(9, 20_000) + ((21_000, 21_500, "within another"), (40_000, 39_000, "ends first"))
    videos = [Video("a", many), Video("lonely", spoken(1)), Video("b", spoken(3, says="word"))]
    sources = source_set(tmp_path, videos, filters={"scores": True, "max_repetition": 0.3, "min_words_per_sentence": 3})
    records = [json.loads(line) for line in (tmp_path / "videos.jsonl").read_text().splitlines()]
    again = {**records[0], "sentences": records[0]["sentences"][:2]}
    write_rows(tmp_path / "videos.jsonl", [*records, again, {"video_id": "a", "uri": 5}])
    found = planned(sources)
    assert {"duplicate_id", "malformed", "span_reversed"} <= reasons(found["a"])
    assert "no_long_clip" in reasons(found["lonely"])
    kinds = [cut.kind for cut in found["a"].cuts]
    assert kinds.count("gap") == 1 and "limit" in kinds


def test_rejected_long_clips(tmp_path: Path) -> None:
    """One that a filter would drop too, one that would stay: the ledger has one row for each, and explain no other."""
    fast = tuple((start, start + 300, "one two three four five six") for start in range(30_000, 33_000, 1000))
    video = Video("a", spoken(3) + fast + spoken(3, 60_000))
    sources = source_set(tmp_path, [video], filters={"scores": True, "max_words_per_second": 10})
    dropped, kept = {}, []
    for clip in planned(sources)["a"].clips:
        dropped |= {clip.key: clip.reason} if clip.reason else {}
        kept += [] if clip.reason else [clip.key]
    assert dropped and kept
    rejected = {next(iter(dropped)): "by Ann", kept[0]: "by Bob"}
    config = load_config(str(sources.config))
    make_plan(BuildRequest(config, ProbeMode.NONE, 2, rejects=Rejects(rejected, {})), Console(file=io.StringIO()))
    found = explain_video(config, "a", None)
    states = {clip.key: (clip.state, clip.reason) for clip in found.clips}
    assert {key for key, state in states.items() if state == ("dropped", "rejected")} == set(rejected)
    assert found.notes == ()
    ours = sorted((row.subject.value, row.subject_id, row.reason.value) for row in (*found.recomputed, *found.later))
    assert ours == sorted(
        (row["subject"], row["subject_id"], row["reason"]) for row in rows_of(sources.output, "ledger")
    )


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("transcripts", "PolarMammals.en.vtt"),
        ("transcripts", "PolarMammals.fr.vtt"),
        ("transcripts", "boston_captions.vtt"),
        ("odd", "la-council.transcript.en.vtt"),
        ("odd", "whisper.stucked_lm_apollo11.words.json"),
        ("transcripts", "example_whisper_output_transcript.json"),
    ],
)
def test_real_transcripts(tmp_path: Path, shared: Path, folder: str, name: str) -> None:
    sources = source_set(tmp_path, [Video("v", (), POLAR_MAMMALS)])
    shutil.copy(shared / "data" / folder / name, tmp_path / "v.vtt")
    source = {"videos": "videos.jsonl", "text": {"format": "auto", "path": "{video_id}.vtt"}}
    filters = {"scores": True, "max_repetition": 0.05, "min_words_per_sentence": 8, "pii": "mask"}
    sources.change(source=source, filters=filters, merge={"min_sentences": 3})
    found = planned(sources)["v"]
    assert len(found.cues) > len(found.steps[-1].changes)
    removed = {step.name: sum(change.lost for change in step.changes) for step in found.steps}
    assert removed == {
        step: sum(d.stage == "clean" and d.reason == reason and d.subject != "note" for d in found.recomputed)
        for step, reason in {
            "at_once": "said_at_once",
            "rolling": "rolling_caption",
            "boilerplate": "boilerplate",
            "sound_tags": "sound_tag",
            "speakers": "speaker_label",
            "loops": "loop",
        }.items()
    }


def test_the_header_of_the_source_counts(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v", spoken(4) + spoken(4, 200_000)), Video("gone", spoken(4))])
    (tmp_path / "videos" / "gone.mp4").unlink()
    sources.change(filters={"scores": True, "min_short_side": 200}, max_failed=1.0)
    found = planned(sources, ProbeMode.HEADER)
    assert found["v"].source is not None and found["v"].source.height == 300
    assert "span_past_end" in reasons(found["v"])
    assert reasons(found["gone"]) == {"missing"} and not found["gone"].clips and found["gone"].sentences


def test_one_file_with_the_captions_of_all(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("a", ()), Video("b", ()), Video("none", ())])
    captions = {
        v: {"start": [0, 3, 6, 9], "end": [4, 6.5, 9, 12], "text": [f"{v} goes number {i}." for i in range(4)]}
        for v in ("b", "other", "a")
    }
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    sources.change(source={"videos": "videos.jsonl", "text": {"format": "howto100m", "path": "captions.json"}})
    found = planned(sources)
    assert len(found["a"].sentences) == 4 and found["a"].steps
    assert reasons(found["none"]) == {"no_text"}


@pytest.mark.parametrize("clean", [{}, {"texts": "all"}])
@pytest.mark.parametrize("form", ["hdvila", "hdvila.gz", "hdvila.parquet"])
def test_text_joined_by_clip_id(tmp_path: Path, form: str, clean: dict[str, Any]) -> None:
    videos = [Video("a", (*spoken(5), (9000, 9900, "[Applause]"))), Video("b", spoken(3)), Video("c.1", spoken(3))]
    sources = source_set(tmp_path, videos, form, clean=clean)
    found = planned(sources)
    assert ("sound_tag" in reasons(found["a"])) == bool(clean)


def test_clips_that_other_videos_claim_and_texts_that_are_missing(tmp_path: Path) -> None:
    def record(name: str, *clips: tuple[str, int]) -> dict[str, Any]:
        spans = [{"clip_id": i, "span": [f"00:00:{at:02}.000", f"00:00:{at + 1:02}.000"]} for i, at in clips]
        return {"video_id": name, "uri": "videos/a.mp4", "clip": spans}

    sources = source_set(tmp_path, [Video("a", spoken(1))], "hdvila")
    rows = [
        record("b\u00e9", ("x.1", 0), ("x.2", 2), ("x.3", 4), ("b.4", 6), ("x.9", 8)),
        record("a", ("x.3", 0), ("a.1", 2), ("a.2", 4), ("a.3", 6)),
        record("a", ("x.5", 0)),
        record("z", ("x.1", 1), ("x.2", 3)),
    ]
    lines = [json.dumps(row, ensure_ascii=n % 2 == 0) for n, row in enumerate(rows)]
    (tmp_path / "videos.jsonl").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    texts = [("x.1", "one"), ("x.2", "two"), ("x.3", "three"), ("a.1", "four"), ("a.2", " "), ("x.1", "again")]
    write_rows(tmp_path / "text.jsonl", [{"clip_id": i, "text": t} for i, t in [*texts, ("nobody", "here")]])
    sources.change(max_failed=1.0)
    found = planned(sources)
    assert {"duplicate_id", "clip_without_text"} <= reasons(found["b\u00e9"])
    assert "empty_text" in reasons(found["a"])
    assert reasons(found["z"]) == {"duplicate_id", "no_text"}


@pytest.mark.parametrize("form", ["records", "hdvila", "vtt"])
def test_groups(tmp_path: Path, form: str) -> None:
    videos = [Video("a", spoken(6)), Video("b", spoken(4))]
    sources = source_set(tmp_path, videos, form)
    groups = [["a.1", "a.2", "a.3"], ["a.3", "a.4"], ["a.5", "a.7"], ["b.2", "b.1"], ["nobody.1"]]
    write_rows(tmp_path / "groups.jsonl", groups)  # type: ignore[arg-type]
    sources.change(source=sources.settings["source"] | {"groups": "groups.jsonl"})
    found = planned(sources)
    assert {"group_conflict", "group_incomplete", "not_in_group"} <= reasons(found["a"])
    assert len(found["a"].clips) == 1


@pytest.mark.parametrize("where", ["meta", "chapters.json", "chapters.jsonl"])
def test_chapters(tmp_path: Path, where: str) -> None:
    sources = source_set(tmp_path, [Video("a", spoken(8)), Video("b", spoken(3))], merge={"min_sentences": 2})
    chapters = [{"start_time": 0}, {"start_time": 4.2}]
    if where == "meta":
        records = [json.loads(line) for line in (tmp_path / "videos.jsonl").read_text().splitlines()]
        records[0]["meta"], records[1]["meta"] = {"chapters": chapters}, {"chapters": "none"}
        write_rows(tmp_path / "videos.jsonl", records)
    elif where == "chapters.json":
        (tmp_path / where).write_text(json.dumps({"a": {"chapters": chapters}, "b": 3}))
    else:
        write_rows(tmp_path / where, [{"video_id": "a", "chapters": chapters}, {"video_id": "b", "chapters": 3}])
    sources.change(source=sources.settings["source"] | {"chapters": where})
    found = planned(sources)
    assert [(cut.kind, cut.before) for cut in found["a"].cuts] == [("chapter", 4)]
    assert "chapters_unreadable" in reasons(found["b"])


def test_coherence(tmp_path: Path) -> None:
    spans = tuple((2000 * i, 2000 * i + 1900, text) for i, text in enumerate(TOPICS))
    merge = {"min_sentences": 2, "max_sentences": 16}
    sources = source_set(tmp_path, [Video("a", spans)], merge=merge, coherence={"enabled": True, "device": "cpu"})
    found = planned(sources)["a"]
    assert [(cut.kind, cut.before) for cut in found.cuts] == [("topic", 5)]
    curve = [said.similarity for said in found.sentences]
    assert curve[0] is None and min(curve[1:]) == curve[5]  # type: ignore[type-var]


def test_duplicates_and_evaluation_sets(tmp_path: Path) -> None:
    texts = tuple((2000 * i, 2000 * i + 1900, text) for i, text in enumerate(TOPICS[:4]))
    sources = source_set(tmp_path, [Video("a", texts), Video("b", texts), Video("c", spoken(3)), Video("d", spoken(4))])
    (tmp_path / "held-back.txt").write_text("c\n")
    held_back = [{"name": "held-back", "path": "held-back.txt"}]
    sources.change(duplicates={"paragraphs": "drop", "evaluation": held_back}, filters={"pii": "drop"})
    found = planned(sources)
    fates = {name: explanation.clips[0] for name, explanation in found.items()}
    assert sorted((fates["a"].state, fates["b"].state)) == ["dropped", "planned"]
    assert {fates["a"].reason, fates["b"].reason} == {"", "exact_duplicate"}
    assert (fates["c"].reason, fates["d"].state) == ("evaluation_overlap", "planned")
    assert [check.setting for check in fates["d"].checks] == ["pii"]
