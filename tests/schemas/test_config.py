import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from longtake.schemas.config import CorpusConfig, load_config, parse_config
from longtake.schemas.errors import ConfigError

GOOD: dict[str, Any] = {"name": "mini", "output": "out/mini", "source": {"videos": "videos.jsonl"}}


def written(tmp_path: Path, raw: Any) -> str:
    path = tmp_path / "corpus.yaml"
    path.write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw))
    return str(path)


def test_defaults_are_those_of_the_design(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert (config.seed, config.max_failed, config.split, config.shards.samples) == (0, 0.2, {"train": 1.0}, 256)
    assert config.merge.model_dump() == {
        "min_sentences": 4,
        "max_sentences": 16,
        "max_gap_ms": 2000,
        "max_duration_ms": 240_000,
    }
    assert config.frames.model_dump() == {
        "per_sentence": 8,
        "uniform": None,
        "short_side": 240,
        "format": "jpeg",
        "hdr": "drop",
        "hold_last": True,
        "quality": 90,
        "tolerance_ms": 0,
        "decoder": "pyav",
    }
    assert config.source.text.format == "none"


def test_paths_start_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    config = load_config("corpus.yaml")
    assert config.root == str(tmp_path / "out" / "mini")
    assert config.resolve("/abs/v.mp4") == "/abs/v.mp4"
    assert config.resolve("gs://bucket/v.mp4") == "gs://bucket/v.mp4"
    assert config.resolve("file:///abs/v.mp4") == "/abs/v.mp4"


def change(path: str, value: Any) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(yaml.safe_dump(GOOD))
    section, names = raw, path.split(".")
    for name in names[:-1]:
        section = section.setdefault(name, {})
    section[names[-1]] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("nmae", "x", "nmae: no such setting"),
        ("frames.colour", "x", "frames.colour: no such setting"),
        ("frames.qualty", 80, "frames.qualty: no such setting. Did you mean quality?"),
        (
            "duplicates.evaluation",
            [{"pth": "x", "name": "x", "path": "x"}],
            "evaluation.0.pth: no such setting. Did you mean path?",
        ),
        ("name", "", "name: "),
        ("name", "a/b", "name: "),
        ("name", "bad\nname", "name: "),
        ("output", 7, "output: "),
        ("seed", "x", "seed: "),
        ("source", {}, "source: give videos, a file of records, or folder"),
        ("source", {"videos": "v.jsonl", "folder": "f"}, "source: give videos, a file of records, or folder"),
        ("source", {"folder": "f", "uri": "v/{video_id}.mp4"}, "source: uri goes with videos, a file of records"),
        ("source", {"folder": "f", "recipe": "webvid"}, "source: recipe goes with videos"),
        ("source", {"folder": "f", "text": {"format": "hdvila", "path": "x"}}, "is no format of transcripts beside"),
        ("source.recipe", "webvids", "source.recipe: Input should be 'howto100m', "),
        ("source.uri", "videos/{video_id}/v.{ext}", "must contain {video_id} once, in the name of the file"),
        ("source.uri", ["a/{video_id}.mp4", "b*/{video_id}.mp4"], "* and {ext} can only be its end"),
        ("source.uri", "a/{video_id}{ext}", "write a dot before {ext}"),
        ("source.uri", [], "source.uri: must be a path, or a list of paths in the order of preference"),
        ("source.text", {"format": "vtt", "path": [7]}, "source.text.path: must be a path, or a list of paths"),
        ("source.text", {"format": "hdvila", "path": ["x", "y"]}, "format 'hdvila' takes one path"),
        ("source.text", {"format": "vtt", "path": ["a/{video_id}.vtt", "b.vtt"]}, "path 'b.vtt' must name one file"),
        ("source.text.languages", ["english"], "source.text.languages.0: "),
        ("source.uri", "videos/one.mp4", "source.uri: 'videos/one.mp4' must contain {video_id}"),
        ("source.text", {"format": "docx", "path": "x"}, "source.text.format: "),
        ("source.text", {"format": "vtt"}, "source.text: format 'vtt' needs path"),
        ("source.text", {"format": "none", "path": "x"}, "source.text: format 'none' takes no path"),
        (
            "source.text",
            {"format": "srt", "path": "one.srt"},
            "source.text: path 'one.srt' must name one file per video",
        ),
        (
            "source.text",
            {"format": "vtt", "path": "{video_id}.vtt", "encoding": "idna"},
            "source.text.encoding: 'idna' is not a text encoding",
        ),
        ("merge.min_sentences", 0, "merge.min_sentences: "),
        ("merge.max_sentences", 2, "merge: max_sentences (2) is below min_sentences (4)"),
        ("merge.max_gap_ms", -1, "merge.max_gap_ms: "),
        ("frames.per_sentence", 0, "frames.per_sentence: "),
        ("frames.short_side", 4, "frames.short_side: "),
        ("frames.quality", 101, "frames.quality: "),
        ("frames.format", "png", "frames.format: "),
        ("frames.decoder", "gpu", "frames.decoder: "),
        ("frames", {"tolerance_ms": 10, "decoder": "decord"}, "frames.tolerance_ms needs decoder: pyav"),
        ("split", {}, "split: the shares must add up to 1, not 0"),
        ("split", {"train": 0.5, "val": 0.4}, "split: the shares must add up to 1, not 0.9"),
        ("split", {"train": 1.5, "val": -0.5}, "split.train: "),
        ("split", {"../train": 1.0}, "'../train': the name of a split may have only letters and digits"),
        ("split", {"all": 1.0}, "'all': readers take this name for all splits together"),
        ("split", {"train": float("nan"), "val": 1.0}, "split.train: "),
        ("shards.samples", 0, "shards.samples: "),
        ("limits.decode_seconds", 0, "limits.decode_seconds: "),
        ("max_failed", 20, "max_failed: "),
    ],
)
def test_each_fault_is_one_line_that_names_the_setting(tmp_path: Path, path: str, value: Any, message: str) -> None:
    where = written(tmp_path, change(path, value))
    with pytest.raises(ConfigError) as caught:
        load_config(where)
    lines = str(caught.value).splitlines()
    assert any(line.startswith(where) and message in line for line in lines), lines
    assert all(re.match(rf"{re.escape(where)}(:[0-9]+: |: settings: )", line) for line in lines), "file and line"
    assert [p.name for p in tmp_path.iterdir()] == ["corpus.yaml"]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(GOOD | {"seed": "x", "max_failed": 2, "what": 1})
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "must hold a mapping of settings, not list"),
        ("", "must hold a mapping of settings, not NoneType"),
        ("name: [", "not valid YAML"),
        ("name: !!python/object/apply:os.system [touch /tmp/pwned]", "not valid YAML"),
    ],
)
def test_files_that_hold_no_settings(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", ":5: seed: given twice, first on line 4"),
        (
            "frames: {quality: 900}\nframes: {quality: 90}\n",
            ":5: frames: given twice, first on line 4",
        ),  # even a wrong one
        ("frames:\n  quality: 80\n  'quality': 90\n", ":6: frames.quality: given twice, first on line 5"),
        (
            "duplicates:\n  evaluation:\n  - {name: a, name: b, path: x}\n",
            ":6: duplicates.evaluation.0.name: given twice",
        ),
    ],
)
def test_a_setting_that_is_given_twice_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """YAML would take the last without a word."""
    where = written(tmp_path, "name: x\noutput: out\nsource: {videos: v.jsonl}\n" + text)
    with pytest.raises(ConfigError) as caught:
        load_config(where)
    assert str(caught.value).startswith(f"{where}{message}")


def test_the_same_part_in_two_places_is_not_given_twice(tmp_path: Path) -> None:
    text = "name: x\noutput: out\nsource: {videos: v.jsonl}\nclean: &a {loops: 0}\nsplit: {<<: {train: 1.0}}\n"
    assert load_config(written(tmp_path, text)).split == {"train": 1.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["merge.min_sentences=3"], {"merge": {"min_sentences": 3}}),
        (["seed=1", "seed=2"], {"seed": 2}),  # the last one counts
        (["source.uri=x/{video_id}.mp4"], {"source": {"videos": "videos.jsonl", "uri": "x/{video_id}.mp4"}}),
        (["split={train: 0.9, val: 0.1}"], {"split": {"train": 0.9, "val": 0.1}}),
        (["split.train=0.5", "split.val=0.5"], {"split": {"train": 0.5, "val": 0.5}}),
        (["filters.languages=[en, fr]", "filters.languages.1=de"], {"filters": {"languages": ["en", "de"]}}),
        (["source.uri=null"], {}),
    ],
)
def test_a_change_is_as_in_the_file(tmp_path: Path, changes: list[str], expected: dict[str, Any]) -> None:
    path = written(tmp_path, GOOD)
    assert load_config(path, changes) == load_config(path).model_validate(GOOD | expected | {"base": str(tmp_path)})


def test_a_change_of_what_is_in_two_places_changes_one(tmp_path: Path) -> None:
    text = "name: a\noutput: o\nsource: {videos: v}\nduplicates:\n  evaluation:\n  - &e {name: x, path: p}\n  - *e\n"
    sets = load_config(written(tmp_path, text), ["duplicates.evaluation.1.path=q"]).duplicates.evaluation
    assert [one.path for one in sets] == ["p", "q"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("merge.min_sentences=0", "--set merge.min_sentences: Input should be greater than or equal to 1"),
        ("merge.min_sentences=30", "{path}:4 with --set merge.min_sentences: merge: max_sentences (16) is below "),
        (
            "merge.min_sentence=3",
            "--set merge.min_sentence: no such setting. Did you mean min_sentences? See docs/format.md",
        ),
        ("mrege.min_sentences=3", "--set mrege.min_sentences: mrege: no such setting. Did you mean merge?"),
        ("filters.languages=[en, 3]", "--set filters.languages: filters.languages.1: Input should be a valid string"),
        ("frames.quality=", "--set frames.quality: Input should be a valid integer"),
        ("name.x=3", "--set name.x: name holds a value, not settings"),
        ("merge=3", "--set merge: Input should be a valid dictionary"),
        ("split.val=0.5", "--set split.val: split: the shares must add up to 1, not 0.5"),
        ("duplicates.evaluation.0.path=x", "--set duplicates.evaluation.0.path: duplicates.evaluation: "),
        (
            "filters.languages.0=en",
            "--set filters.languages.0: filters.languages is a list of 0; name a place in it, counted",
        ),
        ("seed={", "--set seed: '{{' is not a value in YAML: while parsing a flow node"),
        ("seed=!!python/object/apply:os.system [x]", "is not a value in YAML: could not determine a constructor"),
        ("base=/", "--set base: base: no such setting"),
        ("seed", "--set seed: write it as in --set merge.min_sentences=3"),
        ("=3", "--set =3: write it as in --set merge.min_sentences=3"),
        ("merge..x=3", "--set merge..x=3: write it as in --set merge.min_sentences=3"),
    ],
)
def test_a_bad_change_is_one_line_that_names_it(tmp_path: Path, change: str, message: str) -> None:
    text = "name: a\noutput: o\nsource: {videos: v}\nmerge: {max_sentences: 16}\nfilters: {languages: []}\n"
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_config(path, [change])
    assert message.format(path=path) in str(error.value)
    assert "\n" not in str(error.value)


def test_base_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"corpus.yaml:1: base: no such setting"):
        load_config(written(tmp_path, GOOD | {"base": "/"}))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file\. `longtake init DIR`"):
        load_config(str(tmp_path / "corpus.yaml"))


def test_a_file_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "corpus.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(str(tmp_path / "corpus.yaml"))


def test_what_is_published_has_no_path_of_this_machine(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert str(tmp_path) not in str(config.published())
    assert "videos.jsonl" not in str(config.published())
    moved = CorpusConfig.model_validate(GOOD | {"base": "/elsewhere", "output": "other"})
    assert moved.published() == config.published()
    assert parse_config(GOOD | {"seed": 1}).published() != config.published()


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a: " + "{a: " * 3000, "name: 2020-13-45", "a: &a [*a]", 'name: "\\ud800"']
)
def test_yaml_that_is_out_to_break_the_reader_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "corpus.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        load_config(str(path))
