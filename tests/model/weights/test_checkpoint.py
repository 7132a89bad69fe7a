"""Checkpoints: whole or absent, kept in number, and what reading makes of damage and lies."""

import json
import pickle
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import configured, trained, weights, write_corpora

from longtake.model.weights.checkpoint import (
    FORMAT,
    CheckpointError,
    checkpoints,
    latest,
    load_model,
    load_state,
    save_checkpoint,
    weights_path,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three checkpoints, of which two are kept."""
    folder = tmp_path_factory.mktemp("checkpoints")
    write_corpora(folder)
    trained(configured(folder, steps=6, save={"every": 2, "keep": 2}))
    return folder


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound / "run", tmp_path / "run"))


def header_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found: dict[str, Any] = json.loads(data[8 : 8 + length])
    return found


def with_card(path: Path, change: Callable[[dict[str, Any]], object], text: str | None = None) -> None:
    """Change what a weights file says of its model; the tensors stay."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, card = header_of(path), json.loads(header_of(path)["__metadata__"]["longtake"])
    change(card)
    header["__metadata__"]["longtake"] = json.dumps(card) if text is None else text
    coded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(coded)) + coded + data[8 + length :])


def test_the_newest_are_kept_and_a_run_a_folder_and_a_file_are_the_same_model(run: Path) -> None:
    assert [step for step, _ in checkpoints(str(run))] == [4, 6]
    newest = latest(str(run))
    assert newest and newest.endswith("step-00000006") and sorted(p.name for p in Path(newest).iterdir()) == [
        "model.safetensors", "state.pt"
    ]  # fmt: skip
    assert not list(run.rglob(".tmp-*"))
    states = [load_model(str(place))[0].state_dict() for place in (run, newest, f"{newest}/model.safetensors")]
    assert states[0].keys() == states[1].keys() == states[2].keys()
    assert all(torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_the_card_makes_the_model_again(sound: Path, run: Path) -> None:
    trainer = trained(configured(sound), resume=True)
    model, card = load_model(str(run))
    assert card == trainer.card and not model.training
    assert all(torch.equal(value, weights(trainer)[name]) for name, value in model.state_dict().items())
    assert all(not value.is_meta for value in [*model.parameters(), *model.buffers()])


def test_what_is_incomplete_is_no_checkpoint(run: Path) -> None:
    (run / "checkpoints/step-00000006/state.pt").unlink()
    shutil.copytree(run / "checkpoints/step-00000004", run / "checkpoints/step-8")
    shutil.copytree(run / "checkpoints/step-00000004", run / "checkpoints/.tmp-step-00000009")
    (run / "checkpoints/step-00000010").write_text("a file")
    assert [step for step, _ in checkpoints(str(run))] == [4]
    assert weights_path(str(run)).endswith("step-00000004/model.safetensors")
    with pytest.raises(CheckpointError, match="no such file or folder"):
        weights_path(str(run / "nowhere"))


def test_what_a_killed_process_left_is_cleared_away(sound: Path, run: Path) -> None:
    folder = run / "checkpoints/step-00000008"
    folder.mkdir()
    (folder / ".tmp-1234").write_bytes(b"half of a checkpoint")
    model, card = load_model(str(run))
    assert save_checkpoint(str(run), 8, model, card, {"optimizer": {}}, keep=2) == str(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["model.safetensors", "state.pt"]
    assert [step for step, _ in checkpoints(str(run))] == [6, 8]


SAVE = """
import resource, sys, torch
torch.set_num_threads(1)
from longtake.model.weights.checkpoint import CheckpointError, load_model, load_state, save_checkpoint
run, limit = sys.argv[1], int(sys.argv[2])
model, card = load_model(run)
state = load_state(run + "/checkpoints/step-00000006")
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    save_checkpoint(run, 8, model, card, state, keep=1)
except CheckpointError as error:
    print(error)
"""


@pytest.mark.parametrize("which", ["model.safetensors", "state.pt"])
def test_a_full_disk_leaves_the_earlier_ones_whole(run: Path, which: str) -> None:
    """A limit on the size of files stands for the disk: the file of this name is the first that does not fit."""
    sizes = {path.name: path.stat().st_size for path in (run / "checkpoints/step-00000006").iterdir()}
    assert sizes["state.pt"] > sizes["model.safetensors"]
    limit = sizes["model.safetensors"] + 1000 if which == "state.pt" else sizes["model.safetensors"] // 2
    done = subprocess.run(
        [sys.executable, "-c", SAVE, str(run), str(limit)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"step-00000008/{which}: cannot write" in done.stdout and "go on with --resume" in done.stdout
    assert done.stdout.count("\n") == 1
    assert [step for step, _ in checkpoints(str(run))] == [4, 6]
    assert not list(run.rglob(".tmp-*"))
    assert load_state(str(run / "checkpoints/step-00000004"))["step"] == 4
    load_model(str(run))


def test_a_folder_that_cannot_be_written_is_an_error_for_people(run: Path) -> None:
    model, card = load_model(str(run))
    (run / "checkpoints/step-00000008").write_text("a file in the way")
    with pytest.raises(OSError, match="step-00000008"):
        save_checkpoint(str(run), 8, model, card, {}, keep=1)
    assert [step for step, _ in checkpoints(str(run))] == [4, 6]


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_bomb_is_not_executed(run: Path) -> None:
    state = run / "checkpoints/step-00000006/state.pt"
    touched = run / "touched"
    for write in (lambda: torch.save({"format": FORMAT, "x": Bomb(touched)}, state),
                  lambda: state.write_bytes(pickle.dumps(Bomb(touched)))):  # fmt: skip
        write()
        with pytest.raises(CheckpointError, match=r"state\.pt: cannot be read: .*Delete .*step-00000006 to go on"):
            load_state(str(state.parent))
        assert not touched.exists()


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_damaged_files_are_errors_for_people(run: Path, damage: bytes | None) -> None:
    folder = run / "checkpoints/step-00000006"
    for path, read in ((folder / "state.pt", load_state), (folder / "model.safetensors", load_model)):
        path.write_bytes(path.read_bytes()[:-1000] if damage is None else damage)
        with pytest.raises(CheckpointError, match=path.name) as raised:
            read(str(folder))
        assert "\n" not in str(raised.value)


def test_a_newer_format_is_refused(run: Path) -> None:
    folder = run / "checkpoints/step-00000006"
    torch.save({"format": FORMAT + 1}, folder / "state.pt")
    with pytest.raises(CheckpointError, match="written by another version of Longtake"):
        load_state(str(folder))
    with_card(folder / "model.safetensors", lambda card: card.update(format=FORMAT + 1))
    with pytest.raises(CheckpointError, match="written by another version of Longtake"):
        load_model(str(folder))


HUGE = 1 << 40
LIES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("text.layers", lambda card: card["size"]["text"].update(layers=HUGE)),
    ("text.vocabulary", lambda card: card["size"]["text"].update(vocabulary=HUGE)),
    ("model in its header", lambda card: card["size"]["text"].update(vocabulary=1 << 20)),
    ("depths", lambda card: card["size"]["video"].update(depths=[HUGE] * 6)),
    ("depths", lambda card: card["size"]["video"].update(depths=[1] * 10_000)),
    ("model in its header", lambda card: card["size"]["text"].update(layers=128, paragraph_layers=128)),
    ("multiple of 0 heads|greater than", lambda card: card["size"]["text"].update(heads=0)),
    ("model in its header|width", lambda card: card["size"]["video"].update(embed_dim=1 << 20)),
    ("stages", lambda card: card["size"]["video"].update(stages=[1 << 30] * 6)),
    ("clips", lambda card: card["size"].update(clips=-1)),
    ("temperature", lambda card: card["size"]["losses"].update(temperature=0)),
    ("stage", lambda card: card.update(stage=7)),
    ("tokens", lambda card: card.update(tokens=HUGE)),
    ("size", lambda card: card.pop("size")),
]


@pytest.mark.parametrize(("said", "lie"), LIES)
def test_a_header_that_lies_about_the_model_is_found_out_at_once(
    run: Path, said: str, lie: Callable[[dict[str, Any]], object]
) -> None:
    path = run / "checkpoints/step-00000006/model.safetensors"
    with_card(path, lie)
    start = time.process_time()
    with pytest.raises(CheckpointError, match=said):
        load_model(str(path))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", "null", "[" * 100_000, '{"format": 1, "size": {"text": ' + "[" * 5000]
)
def test_a_header_that_is_no_description_is_found_out(run: Path, text: str) -> None:
    path = run / "checkpoints/step-00000006/model.safetensors"
    with_card(path, lambda card: None, text)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_model(str(path))


def test_weights_of_other_origin_say_where_they_belong(run: Path) -> None:
    path = run / "other.safetensors"
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, str(path))
    with pytest.raises(CheckpointError, match=r"holds no description of the model.*init\.weights"):
        load_model(str(path))
