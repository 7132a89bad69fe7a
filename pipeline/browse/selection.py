"""The samples that a page lists, and their order, read from the address. The address is the whole state of a page.

A name from the address never becomes part of SQL: it only chooses an entry of the tables below, and values are bound.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from longtake.schemas.scores import INDEX_SCORES, PLAN_SCORES, column

PAGE = 50  # samples
STATES = ("undecided", "reject", "flag", "ok", "any", "conflict")
PROOF = "k"  # name of the parameter
TOP, MAX_TOP = 200, 100_000  # similar samples
_MAX_VALUE = 10_000  # characters


@dataclass(frozen=True, slots=True)
class Measure:
    """A number to filter and sort samples by. `column` is its column, `name` its name in addresses."""

    name: str
    label: str
    column: str
    unit: str = ""


SCORE_NAMES = tuple(column(name) for name in (*PLAN_SCORES, *INDEX_SCORES))
MEASURES = (
    Measure("duration", "Duration", "duration", "s"),
    Measure("sentences", "Sentences", "n_sentences"),
    Measure("words", "Words", "n_words"),
    Measure("wps", "Words per second", "words_per_second"),
    Measure("coherence", "Coherence", "coherence"),
    *(Measure(name, name.replace("_", " ").capitalize(), name) for name in SCORE_NAMES),
)
CHOICES = {"split": "split", "language": "language", "license": "license", "video": "video_id"}  # parameter: column
#: The parameters of a list's address that choose samples. `k`, `sort` and `p` are for the page alone.
PARAMETERS = (
    "q", "sql", "state", "by", "dup", "review", "queue", "in", "area", "topic", "near", "like", "top", "check", *CHOICES,
    *(f"{side}_{measure.name}" for measure in MEASURES for side in ("min", "max")),
)  # fmt: skip
ORDERS = {measure.name: measure.column for measure in MEASURES}
RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Selection:
    """The samples that a list holds. Empty strings and tuples choose nothing. `problems` says which parts of the address were
    ignored, and why.

    `sort` is a name of ORDERS (with "-" before it, largest first), "random", or "" for the order of the index (for the sample
    for review: its own order).
    """

    text: str = ""
    condition: str = ""  # SQL
    proof: str = ""  # proves that one of our own pages asked for it
    choices: tuple[tuple[str, str], ...] = ()  # (name, value) from CHOICES
    ranges: tuple[tuple[str, float | None, float | None], ...] = ()  # (name, least, most) from MEASURES
    state: str = ""
    curator: str = ""  # `state` counts this curator's decisions; "": anybody's
    duplicate: bool = False
    review: bool = False
    within: str = ""  # an expression of saved selections: combine.py
    area: str = ""  # an outline on a plot: axes.py
    topic: str = ""  # of a map: its name and the number of the topic
    near: str = ""  # the samples most similar to one: the name of vectors, a colon, a key
    like: str = ""  # the samples most similar to a text by its meaning
    top: str = ""  # how many of these; TOP if it is ""
    check: str = ""  # a check of the last audit: the samples that it names as examples
    queue: str = ""  # a queue that `longtake queues` dealt out, as NAME/CURATOR, or "conflicts"
    sort: str = ""
    problems: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The address parameters that stand for the selection."""
        asked = {"sql": self.condition, PROOF: self.proof if self.condition else ""}
        found = {"q": self.text, **asked, **dict(self.choices), "state": self.state, "by": self.curator}
        found |= {"dup": "1" if self.duplicate else "", "review": "1" if self.review else "", "sort": self.sort}
        found |= {
            "in": self.within,
            "area": self.area,
            "topic": self.topic,
            "near": self.near,
            "like": self.like,
            "top": self.top,
            "check": self.check,
        }
        found |= {"queue": self.queue}
        for name, least, most in self.ranges:
            found |= {f"min_{name}": _number(least), f"max_{name}": _number(most)}
        return {name: value for name, value in found.items() if value}

    @property
    def query(self) -> str:
        """The parameters as a query string."""
        return urlencode(self.parameters)

    def least(self, name: str) -> str:
        return self.parameters.get(f"min_{name}", "")

    def most(self, name: str) -> str:
        return self.parameters.get(f"max_{name}", "")

    def choice(self, name: str) -> str:
        return dict(self.choices).get(name, "")

    @property
    def narrowed(self) -> int:
        """The number of filters besides the text."""
        return len([name for name in self.parameters if name not in ("q", "sort", PROOF)])

    @property
    def rule(self) -> dict[str, str]:
        """The parameters that decide which samples are chosen: no order, no proof."""
        return {name: value for name, value in self.parameters.items() if name not in ("sort", PROOF)}

    @property
    def told(self) -> str:
        """The rule in words."""
        words = [_told(name, value) for name, value in self.rule.items() if not name.startswith(("min_", "max_"))]
        labels = {measure.name: measure.label for measure in MEASURES}
        for name, least, most in self.ranges:
            low = f"{_number(least)} ≤ " if least is not None else ""
            high = f" ≤ {_number(most)}" if most is not None else ""
            words.append(f"{low}{labels[name].lower()}{high}")
        return "; ".join(words) or "all samples"


def read_selection(values: Mapping[str, str]) -> Selection:
    """Read the selection from the parameters of an address."""
    problems: list[str] = []
    given = {name: value.strip() for name, value in values.items()}
    for name in [name for name, value in given.items() if len(value) > _MAX_VALUE]:  # a part could mean something else
        problems.append(f"{name[:40].replace('_', ' ')}: more than {_MAX_VALUE:,} characters")
        given[name] = ""

    def number(name: str) -> float | None:
        text = given.get(name, "").replace(",", ".")
        if not text:
            return None
        try:
            value = float(text)
            if math.isfinite(value):
                return value
        except ValueError:
            pass
        problems.append(f"{name.replace('_', ' ')}: {text[:40]!r} is not a number")
        return None

    ranges = [(m.name, number(f"min_{m.name}"), number(f"max_{m.name}")) for m in MEASURES]
    sort, state = given.get("sort", ""), given.get("state", "")
    if sort.removeprefix("-") not in ORDERS and sort not in ("", RANDOM):
        problems.append(f"no order {sort[:40]!r}")
        sort = ""
    if state not in ("", *STATES):
        problems.append(f"no state {state[:40]!r}")
        state = ""
    top = given.get("top", "")
    if top and not (top.isascii() and top.isdecimal() and 0 < int(top[:9]) <= MAX_TOP):
        problems.append(f"top: {top[:20]!r} is not a number from 1 to {MAX_TOP:,}")
        top = ""
    return Selection(
        text=given.get("q", ""),
        condition=given.get("sql", ""),
        proof=given.get(PROOF, ""),
        choices=tuple((name, values[name]) for name in CHOICES if given.get(name)),
        ranges=tuple(one for one in ranges if one[1:] != (None, None)),
        state=state,
        curator=given.get("by", ""),
        duplicate=given.get("dup") == "1",
        review=given.get("review") == "1",
        within=given.get("in", ""),
        area=given.get("area", ""),
        topic=given.get("topic", ""),
        near=given.get("near", ""),
        like=given.get("like", ""),
        top=top if given.get("near") or given.get("like") else "",
        check=given.get("check", ""),
        queue=given.get("queue", ""),
        sort=sort,
        problems=tuple(problems),
    )


def conditions(selection: Selection) -> list[tuple[str, Any]]:
    """The SQL conditions on columns, each with the value of its parameter (None if it has no parameter)."""
    found: list[tuple[str, Any]] = []
    for name, value in selection.choices:
        found.append((f"{CHOICES[name]} = ?", "" if value == "-" and name != "video" else value))
    columns = {measure.name: measure.column for measure in MEASURES}
    for name, least, most in selection.ranges:
        for sign, bound in ((">=", least), ("<=", most)):
            if bound is not None:
                found.append((f"{columns[name]} {sign} ?", bound))
    if selection.duplicate:
        found.append(("(duplicate_of IS NOT NULL OR duplicate_video_of IS NOT NULL)", None))
    return found


def _told(name: str, value: str) -> str:
    single = {"dup": "known duplicates", "review": "the sample for review"}
    if name == "area":
        x, y, *_ = (*value.split("~"), "?", "?")
        if x.startswith("map-"):  # map-NAME-x@ID: site.py
            return f"an area of the map by {x.removeprefix('map-').partition('@')[0][:-2]}"
        return f"an area of {x} and {y}".replace("_", " ")
    labels = {
        "q": "text",
        "sql": "SQL",
        "state": "decision",
        "by": "curator",
        "in": "in",
        "license": "licence",
        "like": "means",
        "near": "similar to",
    }
    return single.get(name) or f"{labels.get(name, name)}: {value}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.12g}"


def sql_values(sql: str, proof: str) -> dict[str, Any]:
    """The parameters of an address with SQL."""
    return {"sql": sql, PROOF: proof} if proof else {"sql": sql}


def labelled(names: Iterable[str]) -> list[Measure]:
    """The measures that have their column in `names`."""
    there = set(names)
    return [measure for measure in MEASURES if measure.column in there]
