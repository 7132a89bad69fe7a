"""`diff` column by column gives what a plain comparison of rows gives, on plans with every kind of value."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longtake.pipeline.plan import rows as plan_rows
from longtake.pipeline.plan.diff import diff_plans
from longtake.schemas.keys import sample_key
from longtake.schemas.tables import PLAN
from longtake.schemas.words import count_words

TEXTS = (
    "Said so.",
    "über – naïve…",
    "слово за слово",
    "สวัสดีชาวโลก",
    "日本語の文",
    "a\x1fb",
    "",
    None,
    "x" * 300,
    "😀 two",
)
Row = dict[str, Any]


def plan(chance: random.Random, videos: int) -> list[Row]:
    made = []
    for v in range(videos):
        at = 0
        for _ in range(chance.randint(1, 4)):
            said = []
            for n in range(chance.randint(1, 4)):
                said.append(
                    {
                        "clip_id": f"{v}.{n}",
                        "start_ms": at,
                        "end_ms": at + 900,
                        "text": chance.choice(TEXTS),
                        "timing": None,
                    }
                    | {"asr": chance.choice((None, None, "heard", "")), "speaker": chance.choice((None, "Ann"))}
                )
                at += 1000
            made.append(
                {"video_id": f"vidéo {v}" if v % 3 else f"v{v}", "uri": f"{v}.mp4", "sentences": said}
                | {"url": chance.choice((None, "", "https://x/y")), "license": chance.choice((None, "CC0"))}
                | {"meta": chance.choice((None, "", "{}", '{"a":1}')), "split": chance.choice(("train", "val", "test"))}
                | {"frame_times_ms": list(range(0, 100 * chance.randint(0, 5), 100))}
            )
    return made


def changed(chance: random.Random, plan: list[Row]) -> list[Row]:
    """`plan` with rows deleted, repeated, moved, and with other values."""
    out = [dict(row) for row in plan if chance.random() > 0.1]
    out += [dict(chance.choice(plan)) for _ in range(3)]
    for row in out:
        if chance.random() < 0.5:
            continue
        name = chance.choice(("license", "meta", "url", "uri", "split", "text", "asr", "speaker"))
        if name in ("text", "asr", "speaker"):
            row["sentences"] = [dict(s) for s in row["sentences"]]
            chance.choice(row["sentences"])[name] = chance.choice(TEXTS)
        else:
            row[name] = chance.choice(("train", "val")) if name == "split" else chance.choice(("", "other", "{}"))
    chance.shuffle(out)
    return out


def write(folder: Path, plan: list[Row], parts: int) -> str:
    folder.mkdir()
    schema = pa.schema([f for f in PLAN if plan and f.name in plan[0]])
    for part in range(parts):
        table = pa.Table.from_pylist(plan[part::parts], schema=schema)
        pq.write_table(table, folder / f"{part}.parquet", row_group_size=3)
    return str(folder)


def in_reading_order(plan: list[Row], parts: int) -> list[Row]:
    return [row for part in range(parts) for row in plan[part::parts]]


# -- the plain comparison ----------------------------------------------------------------------------------------------


def key(row: Row) -> str:
    return sample_key(row["video_id"], row["sentences"][0]["start_ms"], row["sentences"][-1]["end_ms"])


def spoken(row: Row) -> Any:
    return [s["text"] or "" for s in row["sentences"]], [s.get("asr") for s in row["sentences"]]


def source(row: Row) -> Any:
    return [row["uri"], row["url"] or "", row["license"] or "", row["meta"] or "{}"]


def figures(plan: list[Row]) -> dict[str, Any]:
    said = [s for row in plan for s in row["sentences"]]
    ms = sum(row["sentences"][-1]["end_ms"] - row["sentences"][0]["start_ms"] for row in plan)
    return {
        "videos": len({row["video_id"] for row in plan}),
        "sentences": len(said),
        "long clips": len(plan),
        "hours": round(ms / 3.6e6, 4),
        "words": sum(count_words(s["text"] or "") for s in said),
        "frames": sum(len(row["frame_times_ms"]) for row in plan),
        "bytes": None,
        "CPU-hours": None,
    }


def plain(a: list[Row], b: list[Row]) -> tuple[dict[str, Any], dict[str, int], dict[str, list[str]]]:
    """The figures of both, the numbers of long clips by kind of change, and the keys of the first ten of each kind."""
    firsts: list[dict[str, Row]] = [{}, {}]
    for found, rows in zip(firsts, (a, b), strict=True):
        for row in rows:
            found.setdefault(key(row), row)
    ours, theirs = firsts
    both = [k for k in ours if k in theirs]
    kinds = {
        "only in A": [key(row) for row in a if key(row) not in theirs],
        "only in B": [key(row) for row in b if key(row) not in ours],
        "other text": [k for k in both if spoken(ours[k]) != spoken(theirs[k])],
        "other split": [k for k in both if ours[k]["split"] != theirs[k]["split"]],
        "other source": [k for k in both if source(ours[k]) != source(theirs[k])],
    }
    other = {k for name, keys in kinds.items() if name.startswith("other") for k in keys}
    kinds["same"] = [k for k in both if k not in other]
    pairs = {name: {"a": value, "b": figures(b)[name]} for name, value in figures(a).items()}
    examples = {name: keys[:10] for name, keys in kinds.items() if keys and name != "same"}
    return pairs, {name: len(keys) for name, keys in kinds.items()}, examples


@pytest.mark.parametrize("rows_at_once", [2, 2048])
def test_agrees_with_a_plain_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int) -> None:
    monkeypatch.setattr(plan_rows, "_ROWS", rows_at_once)
    for seed in range(12):
        chance = random.Random(seed)
        a = plan(chance, chance.randint(1, 25))
        b = changed(chance, a)
        parts = chance.randint(1, 4), chance.randint(1, 4)
        places = [write(tmp_path / f"{n}{seed}", p, k) for n, p, k in zip("ab", (a, b), parts, strict=True)]
        told = diff_plans(*places).to_json()
        pairs, numbers, examples = plain(*(in_reading_order(p, k) for p, k in zip((a, b), parts, strict=True)))
        assert told["figures"] == pairs
        assert told["clips"] == numbers
        assert {
            name: [line.partition(": ")[0] for line in found] for name, found in told["examples"].items()
        } == examples
        repeated = len(b) - len({key(row) for row in b})
        assert any(f"B has {repeated:,} rows with the key" in note for note in told["notes"]) == bool(repeated)


def test_the_types_of_other_tools(tmp_path: Path) -> None:
    """Large and dictionary texts, numbers as ids and floats as times: the same plan."""
    chance = random.Random(1)
    rows = plan(chance, 9)
    for number, row in enumerate(rows):
        row["video_id"] = str(number // 2)
    a = write(tmp_path / "a", rows, 2)
    table = pa.Table.from_pylist(rows, schema=pa.schema([f for f in PLAN if f.name in rows[0]]))
    sentences = table["sentences"].combine_chunks()
    names = ("clip_id", "start_ms", "end_ms", "text", "asr")
    parts = {name: sentences.flatten().field(name) for name in names}
    parts |= {name: parts[name].cast(pa.float64()) for name in ("start_ms", "end_ms")}
    parts |= {name: parts[name].cast(pa.large_string()) for name in ("text", "asr")}
    lists = pa.ListArray.from_arrays(sentences.offsets, pa.StructArray.from_arrays(list(parts.values()), list(parts)))
    other = {
        "sentences": lists.cast(pa.large_list(lists.type.value_type)),
        "video_id": table["video_id"].cast(pa.int64()),
        "split": table["split"].dictionary_encode(),
        "license": table["license"].dictionary_encode(),
    }
    for name, column in other.items():
        table = table.set_column(table.schema.names.index(name), name, column)
    (tmp_path / "b").mkdir()
    pq.write_table(table, tmp_path / "b" / "x.parquet")
    found = diff_plans(a, str(tmp_path / "b"))
    assert found.clips["same"] == len({key(row) for row in rows})
    assert all(one == other for one, other in found.figures.values())
