"""The examples of docs/readers.md, each with the real library, on a corpus that readers get wrong.

Every frame that an example reads is compared with the tars, which are read with the standard library.
"""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ragged
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
DOC = (ROOT / "docs" / "readers.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^## ([^\n]+)\n|^```python\n(.*?)^```", DOC, re.MULTILINE | re.DOTALL)
#: Libraries too large, or too choosy of versions, for everybody's `make test`.
HEAVY = {"polars", "Megatron Energon", "Lance", "LitData", "MosaicML Streaming"}
RANKS = "More ranks than shards"
#: What a heavy example is run with: it writes down what it read, picture by picture.
TELL = """
if __name__ == "__main__":
    import json
    from test_readers import digests
    with open("read.json", "w") as stream:
        json.dump({"counts": globals().get("counts"), "frames": digests(globals().get("frames") or {})}, stream)
"""


def examples() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for heading, code in EXAMPLES:
        name = heading or name
        if code:
            found.setdefault(name, []).append(code)
    return found


def digest(picture: Any) -> str:
    """The hash of the pixels of a picture: of JPEG data, a PIL image, or a tensor of colour, height and width."""
    if isinstance(picture, bytes | bytearray | memoryview):
        picture = Image.open(BytesIO(picture))
    is_image = isinstance(picture, Image.Image)
    pixels = np.asarray(picture.convert("RGB")) if is_image else np.asarray(picture).transpose(1, 2, 0)
    return f"{pixels.shape} {sha256(pixels.tobytes()).hexdigest()}"


def digests(frames: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {key: [digest(picture) for picture in pictures] for key, pictures in frames.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the corpus in out/demo, where the examples expect it."""
    folder = tmp_path_factory.mktemp("readers")
    ragged.build(folder / "out" / "demo")
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, list[str]]:
    samples = ragged.in_tars(str(folder / "out" / "demo"))
    assert {len(sample.frames) for sample in samples.values()} == {2, 4, 6}
    return digests({key: list(sample.frames.values()) for key, sample in samples.items()})


def needed(code: str) -> list[str]:
    """The libraries that an example imports and that are not here."""
    names = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return sorted({name.split(".")[0] for name in names if importlib.util.find_spec(name.split(".")[0]) is None})


def run_here(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if absent := needed(code):
        pytest.skip(f"not installed: {', '.join(absent)}")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "readers.md", "exec"), found)  # noqa: S102
    return found


@pytest.mark.parametrize("name", sorted(examples().keys() - HEAVY - {RANKS}))
def test_all_is_read(name: str, folder: Path, expected: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = examples()[name]
    found = run_here(code, folder, monkeypatch)
    if "counts" in found:
        assert found["counts"] == {key: len(pictures) for key, pictures in expected.items()}
    else:
        assert digests(found["frames"]) == expected


@pytest.mark.parametrize("number", [0, 1], ids=["webdataset", "datasets"])
def test_more_ranks_than_shards_read_each_training_sample_once(
    number: int, folder: Path, expected: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run_here(examples()[RANKS][number], folder, monkeypatch)
    ranks = [digests(frames) for frames in found["of_ranks"]]
    assert len(ranks) > len(list((folder / "out" / "demo" / "shards").glob("train-*.tar"))) and all(ranks)
    read = {key: pictures for frames in ranks for key, pictures in frames.items()}
    samples = ragged.in_tars(str(folder / "out" / "demo"))
    assert read == {key: expected[key] for key, sample in samples.items() if sample.split == "train"}
    assert sum(map(len, ranks)) == len(read)


def test_split_by_node_alone_leaves_ranks_without_a_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the page says of webdataset."""
    import webdataset as wds

    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    shards = sorted(map(str, (folder / "out" / "demo" / "shards").glob("train-*.tar")))
    assert len(shards) == 2
    with pytest.raises(ValueError, match="No samples found in dataset"):
        next(iter(wds.WebDataset(shards, shardshuffle=False, nodesplitter=wds.split_by_node)))
    assert not list(wds.WebDataset(shards, shardshuffle=False, nodesplitter=wds.split_by_node, empty_check=False))


@pytest.mark.exhaustive  # the libraries are large and want versions of their own
@pytest.mark.parametrize("name", sorted(HEAVY))
def test_all_is_read_where_the_library_is_installed(
    name: str, folder: Path, expected: dict[str, list[str]], tmp_path: Path
) -> None:
    (code,) = examples()[name]
    if absent := needed(code):
        pytest.skip(f"not installed: {', '.join(absent)}")
    (tmp_path / "out").symlink_to(folder / "out")
    (tmp_path / "example.py").write_text(code + TELL)
    paths = os.pathsep.join([str(ROOT / "tests" / "end_to_end"), str(ROOT / "tests"), *sys.path])
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths}, timeout=300,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read = json.loads((tmp_path / "read.json").read_text())
    if read["counts"]:
        assert read["counts"] == {key: len(pictures) for key, pictures in expected.items()}
    else:
        assert read["frames"] == expected
    assert not list((folder / "out" / "demo").rglob(".nv-meta")), "nothing is written into the corpus"


def test_the_table_has_a_row_for_each_example() -> None:
    rows = re.findall(r"^\| \[.+?\]\(#(.+?)\)", DOC, re.MULTILINE)
    assert rows == [name.lower().replace(" ", "-") for name in examples()]
    assert examples().keys() >= HEAVY
    heavy = re.findall(r"^\| \[(.+?)\].*\| by hand \|$", DOC, re.MULTILINE)
    assert set(heavy) == HEAVY


@pytest.mark.parametrize("library", ["datasets", "webdataset", "mlcroissant", "duckdb", "pandas", "torch"])
def test_the_versions_in_the_table_are_those_of_ci(library: str) -> None:
    try:
        installed = importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"not installed: {library}")
    row = next(line for line in DOC.splitlines() if re.match(rf"\| \[(torch )?{library}", line, re.IGNORECASE))
    assert ".".join(installed.split("+")[0].split(".")[:2]) in row, f"{library} {installed}: {row}"
