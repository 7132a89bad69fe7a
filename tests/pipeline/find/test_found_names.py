"""What names of files say, and the orders of preference, which the guide writes down."""

import re
from itertools import permutations
from pathlib import Path

import pytest
from sources import REPOSITORY

from longtake.pipeline.find import names
from longtake.pipeline.find.folder import files_digest, videos_in
from longtake.pipeline.parse.manifest import TranscriptFile
from longtake.schemas import storage
from longtake.schemas.errors import ConfigError
from longtake.schemas.reasons import Reason, Subject
from longtake.schemas.templates import is_listed, parse_template

GUIDE = (REPOSITORY / "docs" / "sources.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("what", "suffixes"), [("videos", names.VIDEOS), ("transcripts", names.TRANSCRIPTS)])
def test_the_guide_writes_down_the_order_of_suffixes(what: str, suffixes: tuple[str, ...]) -> None:
    told = re.search(rf"Suffixes of {what}, in this order: (.+?)\.\s", GUIDE, re.S)
    assert told is not None
    assert tuple(re.findall(r"`(\w+)`", told[1])) == suffixes


@pytest.mark.parametrize(
    ("name", "is_video", "is_transcript"),
    [
        ("talk.mp4", True, False),
        ("talk.MKV", True, False),
        ("talk.f137.mp4", True, False),
        ("talk.mp4.part", False, False),
        ("talk.temp.mp4", False, False),
        ("talk.f137.mp4.part-Frag12", False, False),
        ("talk.mp4.ytdl", False, False),
        ("talk.m4a", False, False),
        ("talk.en.vtt", False, True),
        ("talk.json", False, True),
        ("talk.mp4.words.json", False, True),
        ("talk.info.json", False, False),
        ("talk.live_chat.json", False, False),
        ("talk.txt", False, False),
        ("talk", False, False),
    ],
)
def test_a_name_tells_what_a_file_is(name: str, is_video: bool, is_transcript: bool) -> None:
    assert (names.is_video(name), names.is_transcript(name)) == (is_video, is_transcript)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("talk.mp4", "talk"),
        ("talk.f137.mp4", "talk"),
        ("race.f1.mp4", "race.f1"),
        ("v1.2.final.mkv", "v1.2.final"),
        ("talk.mp4.part", "talk"),
        ("talk.temp.mp4", "talk"),
        ("talk.temp.mp4.part", "talk"),
        ("talk.f251.webm.part-Frag3", "talk"),
    ],
)
def test_the_stem_of_a_video_is_without_what_yt_dlp_adds(name: str, stem: str) -> None:
    assert names.stem_of(name) == stem


@pytest.mark.parametrize(
    ("middle", "language"),
    [("en", "en"), ("", ""), ("transcript.en-US", "en-US"), ("en-orig", "en-orig"), ("mp3", ""), ("mkv", ""),
     ("mp3.words", ""), ("zh-Hans", "zh-Hans"), ("wav", ""), ("lecture", "")],
)  # fmt: skip
def test_the_language_is_in_the_middle_of_a_name(middle: str, language: str) -> None:
    assert names.language_in(middle) == language


def of(path: str, language: str = "", rank: int = 0) -> TranscriptFile:
    return TranscriptFile(path, language, rank)


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        ((), ["a.json", "a.vtt", "a.de.srt", "a.en.json3", "a.en.vtt", "auto/a.en.vtt"]),
        (("en",), ["a.en.json3", "a.en.vtt", "auto/a.en.vtt", "a.json", "a.vtt", "a.de.srt"]),
        (("de", "en"), ["a.de.srt", "a.en.json3", "a.en.vtt", "auto/a.en.vtt", "a.json", "a.vtt"]),
        (("fr",), ["a.json", "a.vtt", "a.de.srt", "a.en.json3", "a.en.vtt", "auto/a.en.vtt"]),
    ],
)
def test_transcripts_are_taken_by_language_then_template_then_suffix(
    languages: tuple[str, ...], expected: list[str]
) -> None:
    found = [of("a.vtt"), of("a.json"), of("a.en.vtt", "en"), of("a.en.json3", "en"), of("a.de.srt", "de")]
    found.append(of("auto/a.en.vtt", "en", 1))
    for order in list(permutations(found))[::97]:
        assert [one.path for one in names.in_order(order, languages)] == expected


def test_a_regional_language_counts_as_its_language() -> None:
    found = names.in_order([of("a.vtt"), of("a.en-GB.vtt", "en-GB")], ["en"])
    assert [one.path for one in found] == ["a.en-GB.vtt", "a.vtt"]


@pytest.mark.parametrize(
    ("template", "name", "ids"),
    [
        ("v/{video_id}.mp4", "a.b.mp4", ["a.b"]),
        ("v/{video_id}.mp4", "a.mkv", []),
        ("v/{video_id}.{ext}", "a.b.MKV", ["a.b"]),
        ("v/{video_id}.{ext}", "a.txt", []),
        ("v/{video_id}.{ext}", ".mp4", []),
        ("v/x-{video_id}-low.{ext}", "x-a-low.mp4", ["a"]),
        ("v/x-{video_id}-low.{ext}", "x-a.mp4", []),
        ("v/x-{video_id}.{ext}", "a.mp4", []),
        ("v/{video_id}*", "a.b.mp4", ["a", "a.b"]),
        ("v/{video_id}.*", "a.b.mp4", ["a", "a.b"]),
        ("v/{video_id}*", "ab.mp4", ["ab"]),
        ("v/{video_id}.en*", "a.en.mp4", ["a"]),
        ("v/{video_id}.en*", "a.fr.mp4", []),
        ("{video_id}.{ext}", "a.mp4", ["a"]),
    ],
)
def test_a_template_says_which_ids_a_name_may_belong_to(template: str, name: str, ids: list[str]) -> None:
    assert parse_template(template).ids_of(name, names.VIDEOS) == ids


def test_a_template_alone_and_with_no_open_end_is_not_listed() -> None:
    assert [is_listed(t) for t in [(), ("a/{video_id}.mp4",), ("a/{video_id}*",), ("a", "b")]] == [0, 0, 1, 1]


def test_what_yt_dlp_whisper_and_whisperx_leave_belongs_together() -> None:
    found = videos_in(
        "week1",
        [
            "Talk [dQw4w9WgXcQ].webm", "Talk [dQw4w9WgXcQ].en.vtt", "Talk [dQw4w9WgXcQ].en-orig.vtt",
            "Talk [dQw4w9WgXcQ].info.json", "Talk [dQw4w9WgXcQ].live_chat.json", "Talk [dQw4w9WgXcQ].webp",
            "lecture.mp4", "lecture.json", "lecture.srt", "lecture.tsv", "lecture.txt", "lecture.vtt",  # Whisper, WhisperX
            "lecture.2.mp4", "lecture.2.mp4.srt",  # whisper.cpp; and a stem that begins with another
            "split.f137.mp4", "split.f251.webm", "split.de.json3",
        ],
    )  # fmt: skip
    assert {video.video_id: (video.path, video.transcripts) for video in found.videos} == {
        "week1/Talk [dQw4w9WgXcQ]": (
            "week1/Talk [dQw4w9WgXcQ].webm",
            (
                ("week1/Talk [dQw4w9WgXcQ].en-orig.vtt", "en-orig"),
                ("week1/Talk [dQw4w9WgXcQ].en.vtt", "en"),
            ),
        ),
        "week1/lecture": (
            "week1/lecture.mp4",
            tuple((f"week1/lecture.{suffix}", "") for suffix in ("json", "srt", "tsv", "vtt")),
        ),
        "week1/lecture.2": ("week1/lecture.2.mp4", (("week1/lecture.2.mp4.srt", ""),)),
        "week1/split": ("week1/split.f137.mp4", (("week1/split.de.json3", "de"),)),
    }
    assert [(row.video_id, row.reason, row.detail) for row in found.drops] == [
        ("week1/split", Reason.SEVERAL_FILES, "split.f137.mp4 is used; of the same name: split.f251.webm")
    ]
    assert found.others == 4


def test_files_that_belong_to_no_video_have_a_row_each() -> None:
    found = videos_in("", ["a.mp4.part", "b.mp4", "b.mp4.part", "c.en.srt", "package.json", "x\udcff.mp4", "notes.txt"])
    assert [video.video_id for video in found.videos] == ["b"]
    assert found.others == 2
    assert [(row.subject, row.subject_id, row.reason) for row in found.drops] == [
        (Subject.RECORD, "x\\udcff.mp4", Reason.INVALID_UTF8),
        (Subject.VIDEO, "a", Reason.MISSING),
        (Subject.RECORD, "c.en.srt", Reason.TRANSCRIPT_WITHOUT_VIDEO),
    ]


def test_a_digest_tells_what_a_plan_depends_on(tmp_path: Path) -> None:
    def after(path: str, content: str | None) -> str:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).unlink() if content is None else (tmp_path / path).write_text(content)
        return files_digest(str(tmp_path))

    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ConfigError, match="no video in it; videos end in mp4, mkv,"):
        files_digest(str(tmp_path))
    with pytest.raises(ConfigError, match="no such folder"):
        files_digest(str(tmp_path / "nowhere"))
    known = after("a.mp4", "")
    for path in ("out/corpus.json", "out/plan/_plan.json", "out/ledger/x.csv", "readme.txt", ".hidden.mp4"):
        assert after(path, "{}") == known, "a corpus in its own folder is no change of it"
    assert after("a.mp4", "other pictures") == known, "a build compares these itself"
    seen = {known}
    for path, content in [
        ("a.en.vtt", "x"),
        ("a.en.vtt", "xy"),
        ("week/b.mp4", ""),
        ("alone.srt", ""),
        ("a.mp4", None),
    ]:
        if content is None:
            (tmp_path / "c.mp4").write_text("")
        seen.add(after(path, content))
    assert len(seen) == 6


def test_folders_are_listed_at_any_depth_and_links_are_not_followed(tmp_path: Path) -> None:
    deep = tmp_path.joinpath("b", *["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "a.mp4").write_text("")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "circle").symlink_to(tmp_path)
    (tmp_path / "c" / "gone.mp4").symlink_to("nowhere")
    (tmp_path / "c" / "linked.mp4").symlink_to(deep / "a.mp4")
    found = [(inside, [entry.name for entry in entries]) for inside, entries in storage.list_tree(str(tmp_path))]
    assert [inside for inside, _ in found][:4] == ["", "b", "b/d", "b/d/d"]
    assert [one for one in found if one[1]] == [
        ("b/" + "/".join("d" * 300), ["a.mp4"]),
        ("c", ["gone.mp4", "linked.mp4"]),
    ]
