"""examples/activitynetqa.py: the public files of ActivityNet-QA become the lists that its recipe reads.

The rows are a few of the real ones (MILVLG/activitynet-qa, Apache-2.0); one answer was changed to one that no other row has.
"""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import yaml
from reading import read
from sources import REPOSITORY

from longtake.schemas.config import load_config

TRAIN = [
    ("okC18bPTils", "are all the people in the video men", "v_okC18bPTils_3", "no"),
    ("ALjodjboELk", "are all the people in the video men", "v_ALjodjboELk_3", "no"),
    ("_ucD-3rUWWE", "are all the people in the video women", "v__ucD-3rUWWE_3", "no"),
    ("Mzt-E6pxuUI", "is the child indoors", "v_Mzt-E6pxuUI_2", "yes"),
    ("Mzt-E6pxuUI", "is the child outdoors", "v_Mzt-E6pxuUI_4", "yes"),
    ("whcxrkF2hws", "is the no.3 athlete playing indoor", "v_whcxrkF2hws_3", "perhaps"),
]
TEST = [
    ("1QIUV7WYKXg", "is the athlete wearing trousers", "v_1QIUV7WYKXg_3", "no"),
    ("9eniCub7u60", "does the girl in black clothes have long hair", "v_9eniCub7u60_2", "perhaps"),
]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("activitynetqa_lists", REPOSITORY / "examples" / "activitynetqa.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_public_files_become_lists_and_samples(tmp_path: Path) -> None:
    for split, rows in (("train", TRAIN), ("test", TEST)):
        questions = [{"video_name": video, "question": asked, "question_id": name} for video, asked, name, _ in rows]
        answers = [{"answer": answer, "type": 3, "question_id": name} for _, _, name, answer in reversed(rows)]
        (tmp_path / f"{split}_q.json").write_text(json.dumps(questions))
        (tmp_path / f"{split}_a.json").write_text(json.dumps(answers))
    script().main(tmp_path, tmp_path / "lists")
    assert (tmp_path / "lists" / "answers.txt").read_text() == "no\nyes\n"
    found = {}
    for split in ("train", "test"):
        settings = {
            "name": "a", "output": "out", "frames": {"uniform": 32},
            "source": {"recipe": "activitynetqa", "videos": f"{split}.jsonl", "uri": "v/{video_id}.mp4"},
        }  # fmt: skip
        path = tmp_path / "lists" / "corpus.yaml"
        path.write_text(yaml.safe_dump(settings))
        videos, drops = read(load_config(str(path)))
        assert drops == []
        for video in videos:
            items = json.loads(video.video.meta)["task"]["items"]
            found[video.video.video_id] = [(item["question"], item.get("answer")) for item in items]
    assert found == {
        "v_okC18bPTils": [("are all the people in the video men", 0)],
        "v_ALjodjboELk": [("are all the people in the video men", 0)],
        "v__ucD-3rUWWE": [("are all the people in the video women", 0)],
        "v_Mzt-E6pxuUI": [("is the child indoors", 1), ("is the child outdoors", 1)],
        "v_1QIUV7WYKXg": [("is the athlete wearing trousers", 0)],
        "v_9eniCub7u60": [("does the girl in black clothes have long hair", None)],
    }
