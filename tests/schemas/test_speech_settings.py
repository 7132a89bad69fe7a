"""The settings of speech recognition: what can be asked for, and each fault with its file and line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from longtake.schemas.config import load_config, parse_config
from longtake.schemas.errors import ConfigError

SUBS = {"path": "subs/{video_id}.vtt"}


def whole(text: dict[str, Any]) -> dict[str, Any]:
    return {"name": "c", "output": "out", "source": {"videos": "v.jsonl", "text": text}}


def test_recognition_alone_and_for_the_rest() -> None:
    alone = parse_config(whole({"format": "asr", "model": "small"})).source.text
    assert alone.is_transcript and alone.recognises and alone.hears and not alone.has_files
    assert (alone.device_class, alone.arithmetic, alone.batch) == ("cpu", "int8", 1)
    rest = parse_config(whole({"format": ["vtt", "asr"], "model": "small", "device": "cuda:1"} | SUBS)).source.text
    assert (rest.format, rest.fallback) == ("vtt", "asr") and rest.recognises and rest.has_files
    assert (rest.device_class, rest.arithmetic, rest.batch) == ("cuda", "float16", 16)
    compared = parse_config(whole({"format": "vtt", "model": "small", "align": True} | SUBS)).source.text
    assert compared.hears and compared.compares and not compared.recognises


def test_a_plan_without_recognition_says_nothing_of_it() -> None:
    assert parse_config(whole({"format": "vtt"} | SUBS)).published()["source"] == {"text": "vtt", "groups": False}


def test_what_decides_the_text_is_published_without_a_path(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    text = {"format": "asr", "model": "base", "device": "cuda:3"}
    (tmp_path / "corpus.yaml").write_text(yaml.safe_dump(whole(text)))
    told = load_config(str(tmp_path / "corpus.yaml")).published()["source"]["recognition"]
    assert (told["model"], told["device"], told["compute_type"], told["batch_size"]) == ("base", "cuda", "float16", 16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"format": "asr"}, "speech recognition needs model"),
        ({"format": "asr", "model": "small"} | SUBS, "format 'asr' takes no path"),
        ({"format": ["vtt", "asr"], "model": "small"}, "format 'vtt' needs path"),
        ({"format": ["vtt"]} | SUBS, "format [vtt] must be a format and then asr"),
        ({"format": ["asr", "vtt"]} | SUBS, "format [asr, vtt] must be a format and then asr"),
        ({"format": ["docx", "asr"], "model": "small"} | SUBS, "source.text.format: "),
        (
            {"format": ["hdvila", "asr"], "model": "small", "path": "t.jsonl"},
            "format [hdvila, asr] needs a transcript file",
        ),
        (
            {"format": "howto100m", "path": "all.json", "model": "small", "align": True},
            "align compares transcript files",
        ),
        ({"format": "asr", "model": "small", "min_agreement": 0.5}, "min_agreement compares transcript files"),
        ({"format": "vtt", "model": "small"} | SUBS, "model is a setting of speech recognition"),
        ({"format": "none", "vad": False}, "vad is a setting of speech recognition"),
        ({"format": "asr", "model": "small", "vad": False, "batch_size": 4}, "batch_size above 1 needs vad: true"),
        ({"format": "asr", "model": "small", "language": "English"}, "source.text.language: "),
        ({"format": "asr", "model": "small", "device": "gpu"}, "source.text.device: "),
        ({"format": "asr", "model": "small", "compute_type": "int4"}, "source.text.compute_type: "),
        ({"format": "asr", "model": "small", "min_logprob": 1}, "source.text.min_logprob: "),
        (
            {"format": "asr", "model": "small", "modle": "base"},
            "source.text.modle: no such setting. Did you mean model?",
        ),
    ],
)
def test_each_fault_names_file_and_line(tmp_path: Path, text: dict[str, Any], message: str) -> None:
    path = tmp_path / "corpus.yaml"
    path.write_text(yaml.safe_dump(whole(text), sort_keys=False))
    with pytest.raises(ConfigError) as caught:
        load_config(str(path))
    lines = str(caught.value).splitlines()
    assert any(line.startswith(f"{path}:") and message in line for line in lines), lines
