"""Each recipe reads files of the shape in which its data set is published. They are made by hand."""

import gzip
import json
import pickle
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from reading import read
from sources import REPOSITORY, longtake_here

from longtake.jobs.build.inputs import inputs_of
from longtake.pipeline.explain.read import read_video
from longtake.pipeline.recipes.recipe import iso_seconds, literal
from longtake.pipeline.recipes.registry import RECIPES
from longtake.schemas.config import TASK_RECIPES, CorpusConfig, RecipeName, load_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.reasons import Reason, Subject

PAGE = (REPOSITORY / "docs" / "recipes.md").read_text(encoding="utf-8")
ID = "QMi8x8o55Ns"
Said = list[tuple[int, int, str]]


def text(path: str, content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(content), encoding="utf-8")

    return write


def lines(path: str, *rows: Any) -> Callable[[Path], None]:
    return text(path, "".join(json.dumps(row) + "\n" for row in rows))


def whole(path: str, value: Any) -> Callable[[Path], None]:
    return text(path, json.dumps(value))


def finevideo(folder: Path) -> None:
    speech = [
        {"start": "00:00:00.000", "end": "00:00:02.760", "text": "Hello and welcome to"},
        {"start": "00:00:02.760", "end": "00:00:05.100", "text": "the bears."},
    ]
    facts = {
        "content_parent_category": "Education", "duration_seconds": 6, "original_video_filename": f"{ID}.mp4",
        "timecoded_text_to_speech": speech, "youtube_channel": "Ours", "youtube_title": "Bears",
        "youtube_upload_date": "20200101",
    }  # fmt: skip
    (folder / "data").mkdir()
    pq.write_table(pa.table({"mp4": [b"\0" * 100], "json": [facts]}), folder / "data/train-00000-of-00001.parquet")


#: For each recipe: the files as published, and what is said in which video.
CASES: dict[str, tuple[list[Callable[[Path], None]], dict[str, Said], dict[str, Any]]] = {
    "hdvila100m": (
        [
            lines(
                "hdvila_part0.jsonl",
                {
                    "video_id": ID,
                    "url": f"https://www.youtube.com/watch?v={ID}",
                    "clip": [{"clip_id": f"{ID}.1.mp4", "span": ["00:00:17.759", "00:00:23.279"]}],
                },
            ),
            text(f"subs/{ID}.en.vtt", "WEBVTT\n\n00:18.000 --> 00:20.000\nBears swim.\n"),
        ],
        {ID: [(18000, 20000, "Bears swim.")]},
        {"url": f"https://www.youtube.com/watch?v={ID}"},
    ),
    "lfvila8m": (
        [
            lines(
                "hdvila_part0.jsonl",
                {
                    "video_id": ID,
                    "url": "",
                    "clip": [
                        {"clip_id": f"{ID}.1.mp4", "span": ["00:00:17.759", "00:00:23.279"]},
                        {"clip_id": f"{ID}.2.mp4", "span": ["00:00:23.279", "00:00:30.000"]},
                    ],
                },
            ),
            lines("clip_text.jsonl", *({"clip_id": f"{ID}.{n}.mp4", "text": f"Bear {n}."} for n in (1, 2))),
            lines("lfvila8m_clipid.jsonl", [f"{ID}.1.mp4", f"{ID}.2.mp4"]),
        ],
        {ID: [(17759, 23279, "Bear 1."), (23279, 30000, "Bear 2.")]},
        {},
    ),
    "howto100m": (
        [
            text(
                "HowTo100M_v1.csv",
                """\
                video_id,category_1,category_2,rank,task_id
                nVbIUDjzWY4,Cars & Other Vehicles,Motorcycles,27,52907
                _97kyZVWVG0,"Hobbies, and Crafts",Crafts,34,119814
                """,
            ),
            whole("raw_caption.json", {"nVbIUDjzWY4": {"start": [1.5, 3], "end": [3.0, 5], "text": ["Take the", "wheel."]}}),
        ],
        {"nVbIUDjzWY4": [(1500, 5000, "Take the wheel.")]},
        {
            "url": "https://www.youtube.com/watch?v=nVbIUDjzWY4",
            "meta": {"category_1": "Cars & Other Vehicles", "category_2": "Motorcycles", "rank": "27", "task_id": "52907"},
        },
    ),
    "howtocaption": (
        [
            whole(
                "captions.json",
                {
                    "---39MFGZ-k": {
                        "start": [29, 12],
                        "end": [37, 20],
                        "text": [["Putting another round", "The danger!"], ["Unload it"]],
                    },
                    "scored": {"start": [1], "end": [9], "text": [[["Show how", 0.57], ["Being nervous", 0.35]]]},
                },
            )
        ],
        {
            "---39MFGZ-k": [(12000, 20000, "Unload it."), (29000, 37000, "Putting another round. The danger!")],
            "scored": [(1000, 9000, "Show how. Being nervous.")],
        },
        {},
    ),
    "yttemporal1b": (
        [
            text("yttemporal1b_ids_train.csv", f"video_id\n{ID}\n"),
            text(f"subs/{ID}.en.vtt", "WEBVTT\n\n00:18.000 --> 00:20.000\nBears swim.\n"),
        ],
        {ID: [(18000, 20000, "Bears swim.")]},
        {"url": f"https://www.youtube.com/watch?v={ID}"},
    ),
    "vidchapters7m": (
        [
            whole(
                "chapters_dvc_val.json",
                {
                    ID: {
                        "duration": 60.0,
                        "timestamps": [[0.0, 30.0], [30.0, 60.0]],
                        "sentences": ["Intro", "Bears"],
                        "path": f"{ID}.mp4.npy",
                    }
                },
            ),
            whole("asr.json", {ID: {"text": ["They swim."], "start": [1.0], "end": [2.5]}}),
        ],
        {ID: [(1000, 2500, "They swim.")]},
        {
            "meta": {
                "chapters": [{"start_time": 0.0, "title": "Intro"}, {"start_time": 30.0, "title": "Bears"}],
                "duration": 60.0,
            }
        },
    ),
    "internvid": (
        [
            lines(
                "InternVid-10M-flt.jsonl",
                *(
                    {"YoutubeID": one, "Start_timestamp": a, "End_timestamp": b, "Caption": caption, "UMT_Score": 0.4,
                     "Aesthetic_Score": 4.5}
                    for one, a, b, caption in [
                        (ID, "00:01:02.000", "00:01:04.500", "a bear swims"),
                        ("other", "00:00:01.000", "00:00:02.000", "a bird"),
                        (ID, "00:00:07.000", "00:00:09.000", "a bear sleeps"),
                    ]
                ),
            )
        ],
        {ID: [(7000, 9000, "a bear sleeps"), (62000, 64500, "a bear swims")], "other": [(1000, 2000, "a bird")]},
        {"url": f"https://www.youtube.com/watch?v={ID}"},
    ),
    "panda70m": (
        [
            text(
                "panda70m_training_2m.csv",
                f"""\
                videoID,url,timestamp,caption,matching_score,desirable_filtering,shot_boundary_detection
                {ID},https://www.youtube.com/watch?v={ID},"[['0:00:05.046', '0:00:09.000'], ['0:01:02.500', '0:01:05.000']]","['A man, who ""talks"".', ""It's a bear.""]","[0.48, 0.5]","['desirable', 'desirable']","[[[0, 118]], [[0, 74]]]"
                """,
            )
        ],
        {ID: [(5046, 9000, 'A man, who "talks".'), (62500, 65000, "It's a bear.")]},
        {"url": f"https://www.youtube.com/watch?v={ID}"},
    ),
    "webvid": (
        [
            text(
                "results_2M_train.csv",
                """\
                videoid,contentUrl,duration,page_dir,name
                21179416,https://ak.picdn.net/shutterstock/videos/21179416/preview/stock-footage-a.mp4,PT00H00M11S,006001_006050,Aerial shot winter forest
                """,
            )
        ],
        {"21179416": [(0, 11000, "Aerial shot winter forest")]},
        {"meta": {"page_dir": "006001_006050"}},
    ),
    "activitynet": (
        [
            whole(
                "train.json",
                {
                    "v_QOlSCBRmfWY": {
                        "duration": 82.73,
                        "timestamps": [[0.83, 19.86], [17.37, 60.81]],
                        "sentences": ["A young woman is seen.", " The girl dances around the room. "],
                    }
                },
            )
        ],
        {"v_QOlSCBRmfWY": [(830, 19860, "A young woman is seen."), (17370, 60810, "The girl dances around the room.")]},
        {"url": "https://www.youtube.com/watch?v=QOlSCBRmfWY", "meta": {"duration": 82.73}},
    ),
    "youcook2": (
        [
            whole(
                "youcookii_annotations_trainval.json",
                {
                    "database": {
                        "9GX8f5EwwE4": {
                            "annotations": [
                                {"id": 0, "segment": [25, 37], "sentence": "cut the onion in half and dice"},
                                {"id": 1, "segment": [37, 50], "sentence": "peel and chop the carrots"},
                            ],
                            "duration": 241.64,
                            "recipe_type": "212",
                            "subset": "validation",
                            "video_url": "https://www.youtube.com/watch?v=9GX8f5EwwE4",
                        },
                        "no_steps": {"annotations": [], "duration": 9.0, "recipe_type": "1", "subset": "testing"},
                    }
                },
            )
        ],
        {"9GX8f5EwwE4": [(25000, 37000, "cut the onion in half and dice"), (37000, 50000, "peel and chop the carrots")]},
        {"meta": {"duration": 241.64, "recipe_type": "212", "subset": "validation"}},
    ),
    "condensedmovies": (
        [
            text(
                "metadata/clips.csv",
                """\
                videoid,year,clip_idx,clip_tot,upload_year,title,clip_name,imdbid
                Sv-BxH3SVS8,2012.0,6,10,2019,Les Misérables,One Day More Scene,tt1707386
                """,
            ),
            text(
                "metadata/descriptions.csv",
                """\
                imdbid,videoid,description
                tt1707386,Sv-BxH3SVS8,"On the eve of the Rebellion, the players sing ""One Day More""."
                """,
            ),
            text("metadata/durations.csv", "videoid,duration\nSv-BxH3SVS8,83\nno_description,4\n"),
            text("metadata/movies.csv", "imdbid,title,year\ntt1707386,Les Misérables,2012.0\n"),
        ],
        {"Sv-BxH3SVS8": [(0, 83000, 'On the eve of the Rebellion, the players sing "One Day More".')]},
        {
            "meta": {"title": "Les Misérables", "clip_name": "One Day More Scene", "year": "2012.0", "imdbid": "tt1707386"},
            "url": "https://www.youtube.com/watch?v=Sv-BxH3SVS8",
        },
    ),
    "finevideo": (
        [finevideo],
        {ID: [(0, 5100, "Hello and welcome to the bears.")]},
        {"license": "CC BY"},
    ),
    "openvid1m": (
        [
            text(
                "data/train/OpenVid-1M.csv",
                """\
                video,caption,aesthetic score,motion score,temporal consistency score,camera motion,frame,fps,seconds
                IIvwqskxtdE_0.mp4,"The video is of a bear, swimming.",5.1,3.2,0.99,static,100,25.0,4.0
                """,
            )
        ],
        {"IIvwqskxtdE_0": [(0, 4000, "The video is of a bear, swimming.")]},
        {
            "meta": {
                "aesthetic score": "5.1",
                "motion score": "3.2",
                "temporal consistency score": "0.99",
                "camera motion": "static",
            }
        },
    ),
    "didemo": (
        [
            whole(
                "train_data.json",
                [
                    {"annotation_id": 2, "video": "54322086@N00_2408598493_274c77d26a.avi", "description": "a bear swims",
                     "times": [[0, 0], [1, 1]], "num_segments": 6},
                    {"annotation_id": 5, "video": "54322086@N00_2408598493_274c77d26a.avi", "description": "a bear leaves",
                     "times": [[4, 5]], "num_segments": 6},
                    {"annotation_id": 9, "video": "other.mov", "description": "snow", "times": [[0, 1]], "num_segments": 6},
                ],
            )
        ],
        {
            "54322086@N00_2408598493_274c77d26a.avi": [(0, 1000, "a bear swims"), (1000, 2000, "a bear leaves")],
            "other.mov": [(0, 1000, "snow")],
        },
        {},
    ),
    "queryd": (
        [whole("raw_captions_combined_filtered.json", {"video-QOlSCBRmfWY": [["a", "bear"], ["it", "swims"]]})],
        {"video-QOlSCBRmfWY": [(0, 1000, "a bear"), (1000, 2000, "it swims")]},
        {"url": "https://www.youtube.com/watch?v=QOlSCBRmfWY"},
    ),
    "lfvilaretrieval": (
        [
            lines(
                "train.jsonl",
                {"clip_id": "v_one", "text": ["A bear swims.", "It eats."]},
                {"clip_id": "v_two", "text": "Snow falls."},
            )
        ],
        {"v_one": [(0, 1000, "A bear swims. It eats.")], "v_two": [(0, 1000, "Snow falls.")]},
        {"meta": {"task": {"kind": "retrieval", "items": [{"sentences": ["A bear swims.", "It eats."]}]}}},
    ),
    "how2qa": (
        [
            lines(
                "how2qa_train.jsonl",
                {"clip_id": "clip_1", "span": [2.5, 9.0], "text_q": "Why does it swim?",
                 "text_a": ["to eat", "to sleep", "to sing", "to fly"], "answer_idx": 0,
                 "text_s": [{"start": 0.5, "end": 2.0, "text": "bears swim"}]},
                {"clip_id": "clip_1", "span": [float("nan"), float("nan")], "text_q": "What colour is it?",
                 "text_a": ["red", "white", "blue", "green"], "answer_idx": 1, "text_s": []},
            )
        ],
        {"clip_1": [(0, 1000, "Why does it swim? What colour is it?")]},
        {
            "meta": {
                "task": {
                    "kind": "choice",
                    "items": [
                        {"question": "Why does it swim?", "choices": ["to eat", "to sleep", "to sing", "to fly"], "answer": 0,
                         "span": [2.5, 9.0], "subtitles": [{"start": 0.5, "end": 2.0, "text": "bears swim"}]},
                        {"question": "What colour is it?", "choices": ["red", "white", "blue", "green"], "answer": 1,
                         "subtitles": []},
                    ],
                }
            }
        },
    ),
    "violin": (
        [
            lines(
                "violin_train.jsonl",
                {"clip_id": "friends_s01e01_seg02_clip_00", "text_q": "A man leaves.", "answer": 1,
                 "text_s": [{"start": 1.0, "end": 2.0, "text": "Bye."}]},
            )
        ],
        {"friends_s01e01_seg02_clip_00": [(0, 1000, "A man leaves.")]},
        {
            "meta": {
                "task": {
                    "kind": "answer",
                    "items": [{"question": "A man leaves.", "answer": 1,
                               "subtitles": [{"start": 1.0, "end": 2.0, "text": "Bye."}]}],
                }
            }
        },
    ),
    "activitynetqa": (
        [lines("train.jsonl", {"video_name": "v_QOlSCBRmfWY", "question": "does she dance", "answer": 1653})],
        {"v_QOlSCBRmfWY": [(0, 1000, "does she dance")]},
        {
            "meta": {"task": {"kind": "answer", "items": [{"question": "does she dance", "answer": 1653}]}},
            "url": "https://www.youtube.com/watch?v=QOlSCBRmfWY",
        },
    ),
    "coin": (
        [lines("coin_train.jsonl", {"video_id": ID, "recipe_type": 13})],
        {ID: [(0, 1000, "class 13")]},
        {"meta": {"task": {"kind": "classify", "items": [{"answer": 13}]}}},
    ),
    "lvu": (
        [lines("relationship_train.jsonl", {"video_id": ID, "recipe_type": "3"})],
        {ID: [(0, 1000, "class 3")]},
        {"meta": {"task": {"kind": "classify", "items": [{"answer": 3}]}}},
    ),
    "folder": (
        [text("videos/talk.mp4", ""), text("videos/talk.en.srt", "1\n00:00:01,000 --> 00:00:02,000\nBears swim.\n")],
        {"talk": [(1000, 2000, "Bears swim.")]},
        {},
    ),
}  # fmt: skip


def published(folder: Path, name: str) -> CorpusConfig:
    """The files of a data set, and the configuration that `longtake init` writes for it."""
    for write in CASES[name][0]:
        write(folder)
    done = longtake_here("init", str(folder), "--recipe", name)
    assert done.returncode == 0, done.stderr
    config = load_config(str(folder / "corpus.yaml"))
    inputs_of(config)
    return config


@pytest.mark.parametrize("name", RECIPES)
def test_the_files_are_read_as_they_are_published(tmp_path: Path, name: str) -> None:
    config = published(tmp_path, name)
    _, expected, about = CASES[name]
    videos, drops = read(config)
    found = {v.video.video_id: sorted((s.start_ms, s.end_ms, s.text) for s, _ in v.sentences) for v in videos}
    assert found == expected
    first = next(v.video for v in videos if v.video.video_id in expected)
    known = {"url": first.url, "license": first.license, "meta": json.loads(first.meta)}
    assert {key: known[key] for key in about} == about
    assert RECIPES[name].has_urls or not first.url
    assert ("#   fetch: {urls: " in (tmp_path / "corpus.yaml").read_text()) == RECIPES[name].has_urls
    assert [d for d in drops if d.subject is not Subject.VIDEO] == []
    assert {d.reason for d in drops} <= {Reason.NO_TEXT}
    for video in videos:  # `longtake explain` reads the same
        text_of = read_video(video.video.video_id, config).text
        assert text_of is not None
        assert (text_of.video, {s for s, _ in text_of.sentences}) == (video.video, {s for s, _ in video.sentences})


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_listed_small_and_described_in_its_own_words(name: str) -> None:
    recipe = RECIPES[name]
    assert (recipe.records is not None) == (name in get_args(RecipeName))
    source = (REPOSITORY / "pipeline" / "recipes" / f"{name}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60
    heading = "A folder of videos" if name == "folder" else recipe.title
    section = " ".join(re.split(rf"^## {re.escape(heading)}$", PAGE, flags=re.M)[1].partition("\n## ")[0].split())
    for text_of in (recipe.files, recipe.licence, recipe.missing, recipe.paper):
        assert text_of.lower() in section.lower(), text_of
    assert f"| `{name}` | [{heading}](" in PAGE
    settings = yaml.safe_load(f"name: x\noutput: y\n{recipe.configuration}")
    assert settings["source"].get("recipe", name) == name


def test_every_recipe_has_its_case() -> None:
    assert CASES.keys() == RECIPES.keys()


def test_words_with_times_become_sentences(tmp_path: Path) -> None:
    words = [
        {"word": word, "time": time} for word, time in [("bears", 1.0), ("swim.", 1.4), ("they", 5.0), ("eat.", 5.2)]
    ]
    lines("a.jsonl", {"info": {"id": ID, "title": "Bears", "duration": 9}, "subtitles": words, "denoised": []})(
        tmp_path
    )
    settings = {
        "name": "t",
        "output": "out",
        "source": {"recipe": "yttemporal1b", "videos": "a.jsonl", "uri": "{video_id}.mp4"},
        "clean": {"texts": "all"},
        "sentences": {"split": "sentences", "min_words": 1},
    }
    (tmp_path / "corpus.yaml").write_text(yaml.safe_dump(settings))
    videos, drops = read(load_config(str(tmp_path / "corpus.yaml")))
    assert [(s.start_ms, s.end_ms, s.text) for s, _ in videos[0].sentences] == [
        (1000, 2400, "bears swim."),
        (5000, 6200, "they eat."),
    ]
    assert drops == []


def test_chapters_as_their_authors_wrote_them() -> None:
    entry = {"duration": 60.0, "chapters": [{"time": 0, "label": "Intro"}, {"time": "30", "label": "Bears"}]}
    records = RECIPES["vidchapters7m"].records
    assert records is not None
    assert next(records(ID, entry))["meta"]["chapters"][1] == {"start_time": "30", "title": "Bears"}


def bad(folder: Path, name: str, content: bytes, recipe: str) -> CorpusConfig:
    (folder / name).write_bytes(content)
    source = {"recipe": recipe, "videos": name, "uri": "v/{video_id}.mp4"}
    frames = {"frames": {"uniform": 8}} if recipe in TASK_RECIPES else {}
    (folder / "corpus.yaml").write_text(yaml.safe_dump({"name": "t", "output": "out", "source": source, **frames}))
    return load_config(str(folder / "corpus.yaml"))


def test_each_row_that_cannot_be_used_has_a_row_with_its_line(tmp_path: Path) -> None:
    rows = (
        b'videoID,url,timestamp,caption,matching_score\r\n'
        b'good,"u\nv","[[\'0:00:01\', \'0:00:02.5\']]","[\'Two\\nlines.\']",[1]\r\n'  # lines 2 and 3
        b'short,u\r\n'
        b'unequal,u,"[[\'0:00:01\', \'0:00:02.5\']]","[\'a\', \'b\']",[1]\r\n'
        b'code,u,"__import__(\'os\').system(\'x\')","[\'a\']",[1]\r\n'
        b'deep,u,"' + b"[" * 300 + b'","[\'a\']",[1]\r\n'
        b'latin,u,"[[\'0:00:01\', \'0:00:02.5\']]","[\'caf\xe9\']",[1]\r\n'
        b',u,"[[\'0:00:01\', \'0:00:02.5\']]","[\'a\']",[1]\r\n'
        b'span,u,"[[\'0:00:01\']]","[\'a\']",[1]\r\n'
    )  # fmt: skip
    videos, drops = read(bad(tmp_path, "panda.csv", rows, "panda70m"))
    assert {v.video.video_id: [s.text for s, _ in v.sentences] for v in videos} == {"good": ["Two lines."]}
    told = {d.subject_id: (d.reason.value, d.detail.partition(": ")[2]) for d in drops if d.subject is Subject.RECORD}
    assert told == {
        "panda.csv:4": ("malformed", "has 2 fields; the first line names 5"),
        "panda.csv:5": ("malformed", "has not as many times as texts"),
        "panda.csv:6": ("malformed", "is no list: \"__import__('os').system('x')\""),
        "panda.csv:7": ("malformed", f"is no list: {'[' * 80 + '...'!r}"),
        "panda.csv:8": ("invalid_utf8", "is not UTF-8; save the file as UTF-8"),
        "panda.csv:9": ("malformed", "has no 'videoID'"),
    }
    assert [(d.video_id, d.reason) for d in drops if d.subject is Subject.SENTENCE] == [("span", Reason.MALFORMED)]


@pytest.mark.parametrize(
    ("recipe", "name", "content", "places"),
    [
        ("activitynet", "a.json", b'{"a": [1], "b": {"timestamps": 7, "sentences": ["x"]}, "c": 1e999, "d": {"timestam', "1234"),
        ("howtocaption", "a.json", b'{"a": {"start": 1, "end": 2, "text": "x"}, "b": {"start": [1], "end": [2], "text": [[7]]}}', "12"),
        ("youcook2", "a.json", b'{"database": {"a": 7}}', "1"),
        ("vidchapters7m", "a.json", b'{"a": {"chapters": [7]}, "b": {"timestamps": [1], "sentences": ["x"]}}', "12"),
        ("internvid", "a.jsonl", b'{"YoutubeID": "a"}\n[]\nx\n{"YoutubeID": {}, "Start_timestamp": 1, "End_timestamp": 2, "Caption": "x"}', "1234"),
        ("finevideo", "a.jsonl", b'{"json": "x"}\n{"json": {"original_video_filename": "a.mp4", "timecoded_text_to_speech": [7]}}', "12"),
        ("webvid", "a.csv", b"videoid,contentUrl,duration,page_dir,name\na,u,14,p,n\n", "2"),
        ("openvid1m", "a.csv", b"", ""),
        ("openvid1m", "a.csv.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 9, "1"),
        ("coin", "a.jsonl", b'{"video_id": "a", "recipe_type": true}\n{"video_id": "a", "recipe_type": 3.9}', "12"),
        ("how2qa", "a.jsonl", b'{"clip_id": "a", "text_q": "q", "text_a": ["a", "b"], "answer_idx": 0, "span": [1, 1' + b"0" * 400 + b"]}", "1"),
    ],
)  # fmt: skip
def test_entries_of_another_shape_have_rows_too(
    tmp_path: Path, recipe: str, name: str, content: bytes, places: str
) -> None:
    config = bad(tmp_path, name, content, recipe)
    if recipe in ("howto100m", "vidchapters7m"):
        assert config.source.text.format == "none"
    videos, drops = read(config)
    assert videos == []
    mark = f"{name}{'#' if name.endswith('.json') else ':'}"
    assert sorted(d.subject_id for d in drops if d.subject is Subject.RECORD) == [f"{mark}{place}" for place in places]


def test_rows_of_one_video_are_joined_in_any_order(tmp_path: Path) -> None:
    rows = [
        {"YoutubeID": ID, "Start_timestamp": f"00:00:0{n}.000", "End_timestamp": f"00:00:0{n}.900", "Caption": f"c{n}"}
        for n in range(6)
    ]
    found = []
    for order in (rows, rows[::-1], [*rows, *rows]):
        content = "".join(json.dumps(row) + "\n" for row in order).encode()
        found.append(read(bad(tmp_path, "a.jsonl", content, "internvid")))
    assert len(found[0][0][0].sentences) == 6
    assert found[0] == found[1] == found[2]


def test_a_pickle_is_refused_before_any_work(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "trapped",))

    for name in ("HowToCaption.pickle", "captions.json"):
        config = bad(tmp_path, name, pickle.dumps({"a": Trap()}), "howtocaption")
        with pytest.raises(ConfigError, match=r"a pickle, which can run code .* json\.dump\(pickle\.load"):
            inputs_of(config)
    assert not (tmp_path / "trapped").exists()


def test_a_table_without_its_column_is_refused_and_json_may_be_text(tmp_path: Path) -> None:
    config = published(tmp_path, "finevideo")
    path = tmp_path / "data" / "train-00000-of-00001.parquet"
    facts = pq.read_table(path)["json"].to_pylist()
    pq.write_table(pa.table({"json": [json.dumps(one) for one in facts]}), path)
    assert [v.video.video_id for v in read(config)[0]] == [ID]
    pq.write_table(pa.table({"mp4": [b""]}), path)
    with pytest.raises(ConfigError, match="no column json; it has mp4"):
        inputs_of(config)


def test_an_unknown_recipe_is_named_with_the_known_ones(tmp_path: Path) -> None:
    done = longtake_here("init", str(tmp_path), "--recipe", "panda70")
    assert done.returncode == 2
    assert "--recipe panda70: no such recipe. Did you mean panda70m? There are hdvila100m, lfvila8m, " in done.stderr
    done = longtake_here("init", str(tmp_path), "--recipe", "webvid", "--full")
    assert "remove --full and --train" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("text_of", "seconds"), [("PT00H00M14S", 14), ("PT1H2M3.5S", 3723.5), ("PT2M", 120)])
def test_durations(text_of: str, seconds: float) -> None:
    assert iso_seconds(text_of) == seconds


@pytest.mark.parametrize("value", ["PT", "14", None, 14, "PT-3S", "P1D"])
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="is no duration such as"):
        iso_seconds(value)


@pytest.mark.parametrize("value", [None, "f()", "[", "[" * 5000 + "]" * 5000, "9" * (5 << 20)])
def test_what_is_no_literal(value: Any) -> None:
    with pytest.raises(ValueError, match="is no list"):
        literal(value)
