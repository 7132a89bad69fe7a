"""What is kept of decisions and mended as the log grows is what reading the whole log anew gives."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import served

from longtake.pipeline.browse.decision_table import Changes, DecisionTable, is_disputed
from longtake.pipeline.browse.marks import Marks
from longtake.pipeline.browse.server import Server
from longtake.schemas.decision import Decision, standing
from longtake.schemas.decisions import append_decisions, read_decisions, write_decisions

CURATORS = ("Ann", "Bob", "Eve")


@pytest.fixture(scope="module")
def server(built: Path) -> Iterator[Server]:
    server = served(built)
    yield server
    server.close()


def in_state(rows: list[dict[str, Any]], seen: DecisionTable, state: str, curator: str) -> list[bool]:
    """For each row whether it is in a state, subject by subject."""
    found = []
    for row in rows:
        both = [seen.current.get(about, []) for about in (("sample", row["key"]), ("video", row["video_id"]))]
        if curator:
            both = [[one for one in those if one.curator == curator and not one.basis] for those in both]
        said = [{one.decision for one in standing(those)} for those in both]
        every = said[0] | said[1]
        strictest = next((name for name in ("reject", "flag", "ok") if name in every), "")
        is_there = {"any": bool(every), "undecided": not every, "conflict": max(map(len, said)) > 1}
        found.append(is_there.get(state, strictest == state))
    return found


def test_states_and_views_follow_the_log(server: Server, tmp_path: Path) -> None:
    dice, path, store = random.Random(4), str(tmp_path / "decisions.csv"), server.site.store
    rows = store.listed(list(range(store.rows)))

    def decision() -> Decision:
        row, basis = dice.choice(rows), dice.choice(("", "", "", "adjudication"))
        about = dice.choice(
            (("sample", row["key"]), ("video", row["video_id"]), ("sample", "gone-000000000-000000001"))
        )
        said, when = dice.choice(("ok", "reject", "flag", "none")), f"2026-11-25T{dice.randrange(24):02d}:00:00Z"
        return Decision(*about, said, curator=dice.choice(CURATORS), decided_at=when, basis=basis)

    marks = Marks(path)
    for turn in range(25):
        append_decisions(path, [decision() for _ in range(dice.randrange(1, 4))])
        if turn == 10:  # somebody writes it again in another order
            write_decisions(path, read_decisions(path)[::-1])
        if turn == 15:
            Path(path).unlink()
            assert not marks.rows_in(store, "any", "").any()
            continue
        anew = Marks(path)
        whole = anew.read()
        assert marks.disputed() == {about: those for about, those in whole.current.items() if is_disputed(those)}
        assert marks.curators() == sorted({one.curator for one in whole.rows})
        for curator, adjudicates in (
            (curator, adjudicates) for curator in ("Ann", "Bob") for adjudicates in (False, True)
        ):
            seen, fresh = marks.seen_by(curator, adjudicates), anew.seen_by(curator, adjudicates)
            assert (seen.current, seen.rows) == (fresh.current, fresh.rows)
            for state in ("reject", "flag", "ok", "conflict", "any", "undecided"):
                for of in ("", "Bob", "Eve", "Nobody"):
                    seen_here = whole if state in ("any", "undecided") and not of else fresh
                    wanted = in_state(rows, seen_here, state, of)
                    assert marks.rows_in(store, state, of, seen).tolist() == wanted


def test_what_changed_between_two_turns() -> None:
    changes = Changes()
    for turn, changed in ((1, None), (2, [("sample", "a")]), (3, [("video", "b")])):
        changes.add(turn, changed)
    assert changes.between(1, 3) == {("sample", "a"), ("video", "b")}
    assert changes.between(3, 3) == set()
    assert changes.between(0, 3) is None  # all may have changed
    assert changes.between(2, 5) is None  # not known yet
    changes.add(4, [("sample", str(n)) for n in range(50_000)])
    assert changes.between(3, 4) is None  # so many that all is made anew


def test_a_verdict_costs_no_pass_over_the_log(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of decisions, a verdict and the filters after it look at the subjects that changed, and no others."""
    path, store = str(tmp_path / "decisions.csv"), server.site.store
    key = store.key_of(0) or ""
    others = [Decision("sample", f"x-{n:09d}-{n + 1:09d}", "ok", curator="Ann") for n in range(3000)]
    append_decisions(path, others)
    marks = Marks(path)
    marks.rows_in(store, "ok", "", marks.seen_by("Bob"))
    marks.disputed()
    looked: list[int] = []

    class Counted(dict):
        def get(self, *arguments: object) -> object:
            looked.append(1)
            return super().get(*arguments)

    marks.add("sample", key, "reject", "", "", "Bob")
    object.__setattr__(marks.read(), "current", Counted(marks.read().current))
    seen = marks.seen_by("Bob")
    assert marks.rows_in(store, "reject", "", seen).tolist() == [n == 0 for n in range(store.rows)]
    assert set(marks.disputed()) == set()
    assert len(looked) < 10


@pytest.mark.parametrize(
    "text",
    [
        "subject,subject_id,decision,note,x\rsample,a-000000000-000000001,ok,,\r",  # one line for who looks for newlines
        'subject,subject_id,decision,note,"x\ny"\nsample,a-000000000-000000001,ok,," z"\n',
    ],
)
def test_a_header_that_is_more_than_a_line_is_read_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(text.encode())
    marks = Marks(str(path))
    assert len(marks.read().rows) == 1
    for n in range(3):
        with path.open("ab") as file:  # as another program does
            file.write(f'sample,b-00000000{n}-000000010,flag,"n ""x""","y ""z"", 1"\n'.replace("\n", text[-1]).encode())
        assert marks.read().rows == Marks(str(path)).read().rows
        assert len(marks.read().rows) == n + 2


def test_changes_that_are_too_many_are_not_kept() -> None:
    changes = Changes()
    changes.add(1, [("sample", str(n)) for n in range(50_000)])
    assert list(changes._steps) == [(1, None)]
