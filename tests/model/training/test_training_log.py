"""What a training tells: lines, metrics.jsonl, TensorBoard, the picture."""

import json
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_training import configured, told, trained, write_corpora
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from longtake.model.training.log import (
    TrainingLog,
    draw_losses,
    evaluation_line,
    progress_line,
    read_metrics,
)

RECORD = {"step": 20, "epoch": 0.5, "loss": 1.25, "contrast": 1.0, "mtc": 1.0, "grad_norm": 2.0, "lr": 5e-5}
RECORD |= {"samples_per_s": 12.34, "data_wait": 0.256, "memory_gb": 3.21, "damaged": 0, "seconds": 1.0}


def test_the_progress_line_has_what_people_look_for() -> None:
    line = progress_line(RECORD, 100, 3000)
    assert line == (
        "step 20/100  epoch 0.50  loss 1.250  contrast 1.000  mtc 1.000  lr 5e-05  12.3 samples/s  data wait 26%  3.2 GB  "
        "50 min left"
    )
    assert progress_line({**RECORD, "damaged": 2}, 100, 0).endswith("2 damaged samples")


def test_the_evaluation_line_gives_chance_beside_what_was_reached() -> None:
    metrics = {"paragraph_to_video/r1": 0.5, "paragraph_to_video/chance_r1": 0.1, "paragraph_to_video/median_rank": 2.0}
    assert evaluation_line(7, metrics) == (
        "evaluation at step 7:  paragraph to video R@1 50.0%  chance 10.0%  median rank 2"
    )


def test_records_behind_the_step_are_taken_out_and_a_cut_line_too(tmp_path: Path) -> None:
    log = TrainingLog(str(tmp_path), 0)
    for step in (1, 2, 3):
        log.add({**RECORD, "step": step})
        log.add({"step": step, "eval/samples": 3.0})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 4, "lo')
    assert [record["step"] for record in read_metrics(str(tmp_path))] == [1, 1, 2, 2, 3, 3]
    again = TrainingLog(str(tmp_path), 2)
    assert again.evaluated == {1, 2}
    again.add({**RECORD, "step": 3})
    again.close()
    assert [record["step"] for record in read_metrics(str(tmp_path))] == [1, 1, 2, 2, 3]
    assert read_metrics(str(tmp_path / "nowhere")) == []


def test_tensorboard_has_every_step_once_after_a_kill_and_a_resumption(tmp_path: Path) -> None:
    write_corpora(tmp_path)
    config = configured(tmp_path, steps=6, save={"every": 2}, evaluate={"every": 2, "split": "train"})
    trained(config, stop_after=4)
    log = TrainingLog(config.output, 4)  # a process that went on to step 5 and was killed before a checkpoint
    log.add({**RECORD, "step": 5})
    log.close()
    trained(config, resume=True)
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    records = [record for record in told(tmp_path / "run") if "loss" in record]
    for name in ("loss", "grad_norm", "lr"):
        events = board.Scalars(name)
        assert [event.step for event in events] == [1, 2, 3, 4, 5, 6]
        assert [event.value for event in events] == pytest.approx([record[name] for record in records], rel=1e-6)
    assert [event.step for event in board.Scalars("eval/paragraph_to_video/r1")] == [2, 4, 6]
    assert "step" not in board.Tags()["scalars"]


def wandb_history(folder: Path) -> list[dict[str, float]]:
    """The metrics in the offline runs of Weights & Biases below `folder`, read from their files: a LevelDB log of records."""
    proto = pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="wandb is not installed: pip install wandb")
    rows, block = [], 32 << 10
    for path in sorted(folder.rglob("*.wandb")):
        data, at, record = path.read_bytes(), 7, b""
        assert data.startswith(b":W&B")
        while at + 7 <= len(data):
            if block - at % block < 7:
                at += block - at % block  # no header fits in the end of a block
                continue
            size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
            record += data[at + 7 : at + 7 + size]
            at += 7 + size
            if kind in (1, 4):  # whole, or the last part
                found, record = proto.Record.FromString(record), b""
                if found.WhichOneof("record_type") == "history":
                    items = {
                        "/".join(one.nested_key) or one.key: json.loads(one.value_json) for one in found.history.item
                    }
                    rows.append({name: value for name, value in items.items() if name[0] != "_" or name == "_step"})
    return rows


def test_wandb_has_every_step_also_after_a_resumption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for start, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        log = TrainingLog(str(tmp_path), start, ["wandb", "tensorboard"])
        for step in steps:
            log.add({"step": step, "seconds": 9.0, "loss": 1 / step})
            log.add({"step": step, "eval/samples": 3.0})
        log.close()
        time.sleep(1.1)  # W&B names the files of a run by the second
    rows = wandb_history(tmp_path)
    assert [row["_step"] for row in rows] == [1, 2, 3, 3, 4]  # W&B keeps the first of two
    for row in rows:
        assert row == {"_step": row["_step"], "loss": 1 / row["_step"], "eval/samples": 3.0}
    assert len({path.name for path in tmp_path.rglob("*.wandb")}) == 1  # one run, in two parts
    assert (tmp_path / "tensorboard").is_dir()


def test_no_board_is_a_choice(tmp_path: Path) -> None:
    log = TrainingLog(str(tmp_path), 0, [])
    log.add(RECORD)
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_the_picture_shows_the_losses(tmp_path: Path) -> None:
    log = TrainingLog(str(tmp_path), 0)
    for step in range(1, 30):
        log.add({**RECORD, "step": step, "loss": 5 / step, "contrast": 4 / step, "mtc": 1 / step})
    losses = np.asarray(Image.open(draw_losses(str(tmp_path))).convert("RGB"))
    log.add({"step": 29, "eval/paragraph_to_video/r1": 0.5})
    log.close()
    both = np.asarray(Image.open(draw_losses(str(tmp_path))).convert("RGB"))
    assert both.shape[0] > losses.shape[0] > 300
    coloured = losses.max(-1).astype(int) - losses.min(-1) > 60
    columns = np.flatnonzero(coloured.any(0))
    assert coloured.sum() > 500 and columns[-1] - columns[0] > 0.7 * losses.shape[1]


def test_a_picture_of_nothing_does_not_complain(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Path(draw_losses(str(tmp_path))).exists()
