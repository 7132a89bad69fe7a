"""Queues of curators: how samples are dealt out, and how far each queue is."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from longtake.pipeline.audit.queues import (
    QueuedSample,
    deal,
    least_agreed,
    queues_path,
    read_queues,
    write_queue,
)
from longtake.pipeline.audit.sampling import ReviewSample
from longtake.schemas.decision import Decision, current
from longtake.schemas.errors import ConfigError
from longtake.schemas.layout import Layout

DRAWN = [ReviewSample(f"v{n}-000000000-000060000", f"v{n}", "train", f"s{n % 2}", 50, 1.0, 0) for n in range(100)]


@pytest.mark.parametrize(("curators", "double"), [(("Ann", "Bob"), 0.1), (("Ann", "Bob", "Eve"), 0.25), (("Ann",), 0)])
def test_each_sample_is_dealt_once_and_a_share_twice(curators: tuple[str, ...], double: float) -> None:
    dealt = deal(DRAWN, "review", curators, double, seed=3)
    times = Counter(one.key for one in dealt)
    assert times.keys() == {one.key for one in DRAWN}
    assert Counter(times.values())[2] == round(100 * double)
    assert max(times.values()) <= 2
    hands = {name: [one for one in dealt if one.curator == name] for name in curators}
    for hand in hands.values():
        assert len({one.key for one in hand}) == len(hand)  # nobody twice the same
        assert [one.place for one in hand] == list(range(len(hand)))
        order = [int(one.video_id[1:]) for one in hand]
        assert all(a < b for a, b in pairwise(order))  # the order of the draw
    sizes = [len(hand) for hand in hands.values()]
    assert max(sizes) - min(sizes) <= 2
    assert dealt == deal(DRAWN, "review", curators, double, seed=3)


def test_every_pair_of_curators_shares_samples() -> None:
    dealt = deal(DRAWN, "review", ("Ann", "Bob", "Eve"), 1.0)
    holders: dict[str, set[str]] = {}
    for one in dealt:
        holders.setdefault(one.key, set()).add(one.curator)
    pairs = Counter(tuple(sorted(names)) for names in holders.values())
    assert len(pairs) == 3
    assert min(pairs.values()) >= 30


@pytest.mark.parametrize(
    ("curators", "double", "said"),
    [((), 0, "each curator once"), (("Ann", "Ann"), 0, "each curator once"), (("Ann",), 0.1, "two curators"),
     (("Ann\n2",), 0, "one line"), ((" ",), 0, "needs a name")],
)  # fmt: skip
def test_who_cannot_get_a_queue(curators: tuple[str, ...], double: float, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        deal(DRAWN, "review", curators, double)


def test_queues_are_kept_by_name(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    path = queues_path(layout)
    assert read_queues(path).rows == ()
    Path(path).touch()  # as a crash leaves it
    assert read_queues(path).rows == ()
    one, other = deal(DRAWN[:4], "one", ["Ann"]), deal(DRAWN[4:6], "other", ["Ann", 'Bob "B", 2'])
    write_queue(layout, "one", one)
    write_queue(layout, "other", other)
    assert [*read_queues(path).rows] == [*one, *other]
    write_queue(layout, "one", one[:1])
    assert read_queues(path).of("one/Ann") == one[:1]
    assert read_queues(path).of('other/Bob "B", 2') == [
        QueuedSample("other", 'Bob "B", 2', 0, DRAWN[5].key, "v5", "s1")
    ]
    assert read_queues(path).of("nothing/Ann") == []


def test_a_damaged_file_is_named_with_its_line(tmp_path: Path) -> None:
    write_queue(Layout(str(tmp_path)), "one", deal(DRAWN[:2], "one", ["Ann"]))
    path = tmp_path / "queues.csv"
    path.write_text(path.read_text().replace("v1-000000000", "../../v1-00"))
    with pytest.raises(ConfigError, match=r"queues.csv:3: not a file of queues: no name of a queue, or no key"):
        read_queues(str(path))
    path.write_text("key,queue\n")
    with pytest.raises(ConfigError, match="its columns must be"):
        read_queues(str(path))


def by(curator: str, n: int, decision: str, **other: str) -> Decision:
    return Decision("sample", DRAWN[n].key, decision, curator=curator, decided_at="2026-11-25", **other)


def test_progress_counts_own_verdicts_on_samples_and_videos(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    write_queue(layout, "review", deal(DRAWN[:3], "review", ["Ann", "Bob"], double=1.0))
    decided = [
        by("Ann", 0, "ok"),
        by("Bob", 1, "ok"),
        by("Eve", 2, "ok"),
        by("Bob", 2, "reject", basis="adjudication"),
        Decision("video", "v1", "reject", curator="Ann"),
    ]
    ann, bob = read_queues(queues_path(layout)).progress(current(decided))
    assert (ann.curator, ann.total, ann.done, ann.shared, ann.following) == ("Ann", 3, 2, 3, DRAWN[2].key)
    assert (bob.curator, bob.total, bob.done, bob.following) == ("Bob", 3, 1, DRAWN[0].key)


def test_the_least_agreed_come_first() -> None:
    decided = [
        *(by(name, 1, "ok") for name in ("Ann", "Bob")),
        by("Ann", 2, "ok"),
        by("Ann", 3, "ok"),
        by("Bob", 3, "reject"),
        *(by(name, 4, verdict) for name, verdict in (("Ann", "ok"), ("Bob", "ok"), ("Eve", "flag"))),
        by("Ann", 5, "ok"),
        by("Bob", 5, "reject"),
        by("Eve", 5, "ok", basis="adjudication"),
        Decision("video", "v6", "ok", curator="Ann"),
    ]
    found = least_agreed(decided)
    assert [key for key, _ in found] == [DRAWN[n].key for n in (3, 4, 2, 1)]
    assert [round(share, 2) for _, share in found] == [0.5, 0.67, 1, 1]
