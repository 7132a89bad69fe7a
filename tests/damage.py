"""Ways to damage the corpus of tests/corpora.py. A `Damage` changes one thing, and mends what would only tell of it twice."""

import json
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
from corpora import edit_json, edit_manifest, edit_shard, edit_table

TRAIN, VAL = "train-000000", "val-000000"
BETA, GAMMA, DELTA = (f"{video}-000001000-000021502" for video in ("beta", "gamma", "delta"))
EPSILON = "epsilon-000090500-000111002"
SHARD, INDEX = f"shards/{VAL}.tar", f"index/{VAL}.parquet"

Damage = Callable[[Path], Any]  # what it returns means nothing
Faults = set[tuple[str, str]]  # where, and a part of what
BUILD, PLAN = "ledger/part-build-00000.parquet", "ledger/part-plan-00000.parquet"


def table(path: str, edit: Callable[[list[dict[str, Any]]], Any]) -> Damage:
    def change(rows: list[dict[str, Any]]) -> None:
        edit(rows)

    return lambda root: edit_table(root / path, change)


def planned(root: Path) -> list[Path]:
    return sorted((root / "plan").iterdir())


def in_plan(key: str, edit: Callable[[dict[str, Any]], Any]) -> Damage:
    def change(root: Path) -> None:
        for path in planned(root):
            edit_table(path, lambda rows: [edit(row) for row in rows if row["key"] == key])

    return change


def index(**values: Any) -> Damage:
    return table(INDEX, lambda rows: rows[0].update(values))


def manifest(edit: Callable[[dict[str, Any]], Any]) -> Damage:
    def change(raw: dict[str, Any]) -> None:
        edit(raw)

    return lambda root: edit_manifest(root, change)


def content(edit: Callable[[dict[str, Any]], Any]) -> Damage:
    def change(raw: dict[str, Any]) -> None:
        edit(raw)

    return lambda root: edit_json(root, VAL, 0, change)


def members(edit: Callable[[corpora.Members], Any], **options: Any) -> Damage:
    def change(found: corpora.Members) -> None:
        edit(found)

    return lambda root: edit_shard(root, VAL, change, **options)


def header(**fields: Any) -> Damage:
    def change(info: tarfile.TarInfo) -> None:
        if info.name == f"{DELTA}.txt":
            for name, value in fields.items():
                setattr(info, name, value)

    return lambda root: edit_shard(root, VAL, header=change)


def data(extension: str, value: bytes) -> Damage:
    def change(found: corpora.Members) -> None:
        at = [name for name, _ in found].index(f"{DELTA}.{extension}")
        found[at] = found[at][0], value

    return lambda root: edit_shard(root, VAL, change)


def raw_bytes(edit: Callable[[bytes], bytes], path: str = SHARD, seal: bool = True) -> Damage:
    def change(root: Path) -> None:
        (root / path).write_bytes(edit((root / path).read_bytes()))
        if seal:
            corpora.reseal(root, VAL)

    return change


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def both(*damages: Damage) -> Damage:
    return lambda root: [damage(root) for damage in damages]


def remove(path: str) -> Damage:
    return lambda root: (root / path).unlink()


def rename(old: str, new: str) -> Callable[[corpora.Members], None]:
    def change(found: corpora.Members) -> None:
        found[:] = [(name.replace(old, new), data) for name, data in found]

    return change


def swap(found: list[Any], a: int, b: int) -> None:
    found[a], found[b] = found[b], found[a]


def clip_row(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return next(row for row in rows if row["subject_id"] == key)


def everywhere(
    edit: Callable[[dict[str, Any]], Any], edit_content: Callable[[dict[str, Any]], Any] | None = None
) -> Damage:
    """The same change in plan, index and sample, so that nothing disagrees and only the rule itself is broken."""
    return both(in_plan(DELTA, edit), table(INDEX, lambda rows: edit(rows[0])), content(edit_content or edit))


def measured(edit: Callable[[list[int]], Any]) -> Damage:
    """The same change to the frame times that index and sample tell."""
    return both(
        table(INDEX, lambda rows: edit(rows[0]["frame_pts_ms"])), content(lambda found: edit(found["frame_pts_ms"]))
    )


def drop_row(rows: list[dict[str, Any]], **fields: str) -> None:
    rows.append(dict.fromkeys(rows[0], "") | fields)


def count(subject: str, dropped: int) -> Damage:
    def change(raw: dict[str, Any]) -> None:
        raw["counts"][subject]["dropped"] += dropped
        raw["counts"][subject]["in"] += dropped

    return lambda root: edit_manifest(root, change)


def drop(counted: str, **fields: str) -> Damage:
    return both(table(BUILD, lambda rows: drop_row(rows, **fields)), count(counted, 1))


def plan_rows(edit: Callable[[list[dict[str, Any]], dict[str, Any]], Any]) -> Damage:
    """A change to the rows of the plan part that holds GAMMA, given all of them and the one."""

    def change(rows: list[dict[str, Any]]) -> None:
        for row in [row for row in rows if row["key"] == GAMMA]:
            edit(rows, row)

    def damage(root: Path) -> None:
        for path in planned(root):
            edit_table(path, change)

    return damage


def cast(found: pa.Table, column: str, to: pa.DataType) -> pa.Table:
    return found.set_column(found.schema.get_field_index(column), column, found[column].cast(to))


def giant_header() -> bytes:
    """The header of a file of a terabyte."""
    info = tarfile.TarInfo(f"{DELTA}.json")
    info.size = 1 << 40
    return info.tobuf(tarfile.GNU_FORMAT)


def not_utf8(root: Path) -> None:
    """Text in the index that is no text."""
    found = pq.read_table(root / INDEX)
    strange = pa.array([b"\xff\xfe"] * len(found), pa.binary()).view(pa.string())
    pq.write_table(found.set_column(found.schema.get_field_index("url"), "url", strange), root / INDEX)


def leave_a_gap(root: Path) -> None:
    """The second training shard under the name of a third, wherever its name stands."""
    old, new = "train-000001", "train-000002"
    (root / "shards" / f"{old}.tar").rename(root / "shards" / f"{new}.tar")
    (root / "index" / f"{old}.parquet").rename(root / "index" / f"{new}.parquet")
    edit_manifest(root, lambda raw: raw["shards"][1].update(name=f"{new}.tar"))
    edit_table(root / "index" / f"{new}.parquet", lambda rows: [row.update(shard=new) for row in rows])

    def tell(found: corpora.Members) -> None:
        found[:] = [(n, d.replace(old.encode(), new.encode()) if n.endswith(".json") else d) for n, d in found]

    edit_shard(root, new, tell)


def swap_shards(root: Path) -> None:
    """The plan with the two training shards in each other's place."""

    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["shard"] = row["shard"] if row["split"] == "val" else 1 - row["shard"]

    for path in planned(root):
        edit_table(path, change)


def swap_positions(root: Path, a: str, b: str) -> None:
    rows = {r["key"]: r for path in planned(root) for r in pq.read_table(path).to_pylist()}
    for key, other in ((a, b), (b, a)):
        in_plan(key, partial(dict.update, position=rows[other]["position"]))(root)


def copy_sample(root: Path) -> None:
    """A sample once more at the end of another shard, which index and corpus.json agree with."""
    taken = [
        (name, data) for name, data in corpora.read_members(root / "shards" / f"{TRAIN}.tar") if name.startswith(BETA)
    ]
    row = next(r for r in pq.read_table(root / "index" / f"{TRAIN}.parquet").to_pylist() if r["key"] == BETA)
    place = {"shard": "train-000001", "position": 4}
    copied = json.dumps(json.loads(taken[0][1]) | place, ensure_ascii=False).encode()
    edit_table(root / "index" / "train-000001.parquet", lambda rows: rows.append(row | place))
    edit_shard(root, "train-000001", lambda found: found.extend([(taken[0][0], copied), *taken[1:]]))

    def tell(raw: dict[str, Any]) -> None:
        for part in (raw["shards"][1], raw["splits"]["train"]):
            part["samples"] += 1
            part["frames"] += 6
        for subject, number in (("clips", 1), ("sentences", 3)):
            raw["counts"][subject]["in"] += number
            raw["counts"][subject]["kept"] += number

    edit_manifest(root, tell)
