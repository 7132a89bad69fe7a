"""Annotation files in their published forms, and what is wrong with them."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from longtake.model.data.paragraphs import merge_sentences
from longtake.model.retrieval.annotation_formats import FORMATS, read_annotations, read_list
from longtake.model.retrieval.annotations import (
    Annotation,
    AnnotationError,
    AnnotationProblem,
    Annotations,
    VideoFiles,
)


def write(folder: Path, name: str, content: Any) -> str:
    """A file of JSON, or of the text or bytes given; returns its path."""
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


# -- formats -----------------------------------------------------------------------------------------------------------


def test_activitynet(tmp_path: Path) -> None:
    raw = {
        "v_uqiMw7tQ1Cc": {
            "duration": 55.15,
            "timestamps": [[0.28, 55.15], [13.79, 54.32]],
            "sentences": ["A weight lifting tutorial is given.", " The coach helps the guy in red."],
        },
        "v_bXdq2zI1Ms0": {"duration": 73.1, "timestamps": [[0, 10.23]], "sentences": ["Three men are standing."]},
        "v_empty": {"duration": 1.0, "timestamps": [], "sentences": []},
        "v_blank": {"duration": 1.0, "timestamps": [[0, 1]], "sentences": ["  "]},
        "v_none": {"duration": 1.0},
        "v_number": {"sentences": [3]},
    }
    found = read_annotations(write(tmp_path, "val_1.json", raw), "activitynet")
    assert found.records == [
        Annotation("v_uqiMw7tQ1Cc", ("A weight lifting tutorial is given.", " The coach helps the guy in red.")),
        Annotation("v_bXdq2zI1Ms0", ("Three men are standing.",)),
    ]
    assert [(p.id, p.reason) for p in found.problems] == [
        ("v_empty", "no_text"),
        ("v_blank", "no_text"),
        ("v_none", "malformed"),
        ("v_number", "malformed"),
    ]
    assert found.total == 6


def test_an_id_that_comes_twice_in_an_object_is_said(tmp_path: Path) -> None:
    text = '{"v_a": {"sentences": ["first"]}, "v_a": {"sentences": ["second"]}}'
    found = read_annotations(write(tmp_path, "val_1.json", text), "activitynet")
    assert found.records == [Annotation("v_a", ("second",))]
    assert found.problems == [AnnotationProblem("v_a", "malformed", "the id comes twice; the last is taken")]


def test_didemo_joins_the_rows_of_a_video(tmp_path: Path) -> None:
    def row(number: int, video: str, text: str) -> dict[str, Any]:
        times = [[3, 3], [3, 3], [2, 3]]
        link = f"https://www.flickr.com/video_download.gne?id={number}"
        return {
            "annotation_id": number,
            "description": text,
            "video": video,
            "times": times,
            "num_segments": 6,
            "download_link": link,
        }

    first, second = "54322086@N00_2408598493_274c77d26a.avi", "12090392@N02_13482799053_87ef417396.mov"
    raw = [row(1, first, "dog runs"), row(2, second, "the man sits"), row(3, first, "dog stops"), {"video": "x"}, 7]
    found = read_annotations(write(tmp_path, "test_data.json", raw), "didemo")
    assert found.records == [Annotation(first, ("dog runs", "dog stops")), Annotation(second, ("the man sits",))]
    assert [(p.id, p.reason) for p in found.problems] == [("record 3", "malformed"), ("record 4", "malformed")]


def test_queryd_as_json(tmp_path: Path) -> None:
    raw = {
        "video-Gq0BLBIF_FM": [["a", "man", "walks"], ["he", "sits"]],
        "video-b": [],
        "video-c": 3,
        "video-d": [["a", 1]],
    }
    found = read_annotations(write(tmp_path, "captions.json", raw), "queryd")
    assert found.records == [Annotation("video-Gq0BLBIF_FM", ("a man walks", "he sits"))]
    assert [(p.id, p.reason) for p in found.problems] == [
        ("video-b", "no_text"),
        ("video-c", "malformed"),
        ("video-d", "malformed"),
    ]


DESCRIPTIONS = """videoid,imdbid,description
aaa,tt1,"Jim says ""hi"", then
leaves."
bbb,tt2,A car explodes.
ccc,tt1,Same text.
ddd,tt2,Same text.
eee,tt1,
"""
CLIPS = "videoid,year,clip_idx,clip_tot,upload_year,title,clip_name,imdbid\n" + "".join(
    f"{video},2012.0,1,9,2019,Film,Scene,{film}\n"
    for video, film in (("aaa", "tt1"), ("bbb", "tt2"), ("ccc", "tt1"), ("ddd", "tt2"), ("eee", "tt1"))
)


def test_condensed_movies(tmp_path: Path) -> None:
    path = write(tmp_path, "descriptions.csv", DESCRIPTIONS)
    found = read_annotations(path, "condensed-movies")
    assert found.records == [
        Annotation("aaa", ('Jim says "hi", then\nleaves.',)),
        Annotation("bbb", ("A car explodes.",)),
    ]
    assert [(p.id, p.reason) for p in found.problems] == [
        ("ccc", "duplicate_text"),
        ("ddd", "duplicate_text"),
        ("eee", "no_text"),
    ]


def test_condensed_movies_have_their_split_beside_them(tmp_path: Path) -> None:
    path = write(tmp_path, "descriptions.csv", DESCRIPTIONS)
    with pytest.raises(AnnotationError, match=r"split\.csv: no such file"):
        read_annotations(path, "condensed-movies", "test")
    write(tmp_path, "clips.csv", CLIPS)
    write(tmp_path, "split.csv", "imdbid,split\ntt1,train\ntt2,test\n")
    assert [r.video_id for r in read_annotations(path, "condensed-movies", "test").records] == ["bbb", "ddd"]
    with pytest.raises(AnnotationError, match="has no split 'dev'; it has test, train"):
        read_annotations(path, "condensed-movies", "dev")


def test_condensed_movies_challenge(tmp_path: Path) -> None:
    text = "videoid,caption,split\naaa,A man runs.,val\nbbb,A dog.,train\n"
    path = write(tmp_path, "train_val_challf0.csv", text)
    assert read_annotations(path, "condensed-movies", "val").records == [Annotation("aaa", ("A man runs.",))]


def test_jsonl_of_the_released_code(tmp_path: Path) -> None:
    lines = [
        '{"clip_id": "a", "text": "one sentence. not cut."}',
        '{"clip_id": "b", "text": ["one", "two"]}',
        "",
        "not json",
        '{"clip_id": "c"}',
        '{"clip_id": 3, "text": "x"}',
        '{"clip_id": "a", "text": "another caption"}',
        '{"clip_id": "d", "text": "half \\ud800 a character"}',
        "[" * 100_000,
    ]
    found = read_annotations(write(tmp_path, "val.jsonl", "\n".join(lines)), "jsonl")
    assert found.records == [
        Annotation("a", ("one sentence. not cut.",)),
        Annotation("b", ("one", "two")),
        Annotation("a", ("another caption",)),
    ]
    assert [(p.id, p.reason) for p in found.problems] == [
        ("line 4", "malformed"),
        ("line 5", "malformed"),
        ("3", "malformed"),
        ("d", "malformed"),
        ("line 9", "malformed"),
    ]


# -- files that cannot be used -----------------------------------------------------------------------------------------


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("/nonexistent/pickle-was-run", "w"))


@pytest.mark.parametrize("name", ["raw_captions_combined_filtered.pkl", "captions.json"])
def test_a_pickle_is_refused_and_not_run(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, pickle.dumps({"video-a": _Bomb()}))
    with pytest.raises(AnnotationError, match=r"a pickle, which can run code .* convert it once: python -c") as error:
        read_annotations(path, "queryd")
    assert path in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "format", "said"),
    [
        ("a.json", "{", "activitynet", "not JSON"),
        ("a.json", [], "activitynet", "holds list, not an object by video id: is --format right"),
        ("a.json", {}, "didemo", "holds dict, not a list of records"),
        ("a.json", {}, "queryd", "holds no annotations"),
        ("a.json", "[" * 100_000, "didemo", "not JSON"),
        ("a.json", b"\xff\xfe{}", "queryd", "not UTF-8"),
        ("a.csv", "id,text\n1,x\n", "condensed-movies", "no column called videoid"),
        ("a.csv", "videoid,text\n1,x\n", "condensed-movies", "no column called description or caption"),
        ("a.csv", "videoid,caption\n1," + "x" * (1 << 21), "condensed-movies", "not CSV after line 1"),
        ("a.jsonl", "", "jsonl", "holds no annotations"),
        ("a.jsonl", "", "msrvtt", "no format 'msrvtt'; use one of activitynet, didemo"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, name: str, content: Any, format: str, said: str) -> None:
    with pytest.raises(AnnotationError, match=said):
        read_annotations(write(tmp_path, name, content), format)


def test_a_missing_file_and_a_split_that_no_file_has(tmp_path: Path) -> None:
    for format in FORMATS:
        with pytest.raises(AnnotationError, match="no such file"):
            read_annotations(str(tmp_path / "gone.json"), format)
    with pytest.raises(AnnotationError, match="hold one split each"):
        read_annotations(write(tmp_path, "a.json", {}), "activitynet", "val")


# -- ids and files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "..", ".", "a..b", "/etc/passwd", "a\0b", "a\nb"])
def test_an_id_that_could_leave_the_folder_is_refused(name: str) -> None:
    found = Annotations()
    found.add(name, ["text"])
    assert not found.records and [(p.id, p.reason) for p in found.problems] == [(name, "unsafe_id")]


@pytest.mark.parametrize("name", [None, 3, "", "\ud800"])
def test_an_id_that_is_no_text_is_refused(name: object) -> None:
    found = Annotations()
    found.add(name, ["text"])
    assert not found.records and found.problems[0].reason == "malformed"


def test_a_list_chooses_and_names_what_is_missing(tmp_path: Path) -> None:
    found = Annotations()
    for name in ("a", "b", "../c"):
        found.add(name, ["text"])
    chosen = found.only(read_list(write(tmp_path, "test_list.txt", "b\n\n d \n../c\n")))
    assert [r.video_id for r in chosen.records] == ["b"]
    assert [(p.id, p.reason) for p in chosen.problems] == [("../c", "unsafe_id"), ("d", "no_text")]


def test_videos_in_a_folder(tmp_path: Path) -> None:
    names = ("v_a.mp4", "b.webm", "54@N0_24.avi.mp4", "12@N0_13.mp4", "v_d.mkv", "v_d.mp4", "plain", "video-e.txt")
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    files = VideoFiles(str(tmp_path), prefix="v_")
    expected = {
        "v_a": "v_a.mp4",
        "v_b": "b.webm",  # downloaded under the id of YouTube
        "54@N0_24.avi": "54@N0_24.avi.mp4",
        "12@N0_13.mov": "12@N0_13.mp4",  # another container than when it was annotated
        "v_d": "v_d.mp4",
        "plain": "plain",
        "video-e": None,
        "folder": None,
        "gone": None,
    }
    for video_id, name in expected.items():
        assert files.find(video_id) == (None if name is None else str(tmp_path / name)), video_id


def test_videos_by_template(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a.mp4").touch()
    files = VideoFiles(str(tmp_path / "{id}" / "{id}.mp4"))
    assert files.find("a") == str(tmp_path / "a" / "a.mp4") and files.find("b") is None


def test_a_folder_without_videos(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="holds no files"):
        VideoFiles(str(tmp_path / "gone"))


# -- sentences ---------------------------------------------------------------------------------------------------------


def released(texts: list[str], most: int) -> list[str]:
    """The rule as words: while there are too many, join the first pair of neighbours that is shortest together."""
    while len(texts) > most:
        sums = [(len(texts[i]) + len(texts[i + 1]), i) for i in range(len(texts) - 1)]
        _, at = min(sums)
        texts = [*texts[:at], texts[at] + " " + texts[at + 1], *texts[at + 2 :]]
    return texts


def test_the_shortest_neighbours_are_joined() -> None:
    assert merge_sentences(["aaaa", "b", "c", "dddd", "ee"], 4) == ["aaaa", "b c", "dddd", "ee"]
    assert merge_sentences(["a", "b", "c", "d", "e"], 4) == ["a b", "c", "d", "e"]
    assert merge_sentences(["a", "b"], 4) == ["a", "b"]
    assert merge_sentences(["a", "b", "c"], 1) == ["a b c"]
    texts = ["x" * n for n in (9, 3, 4, 1, 7, 7, 2, 5, 6, 1)]
    for most in range(1, 10):
        assert merge_sentences(texts, most) == released(texts, most)
