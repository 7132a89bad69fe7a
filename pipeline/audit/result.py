"""The findings of an audit, as the report shows them. Numbers have their SQL, which runs in the folder of the corpus."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """A small table. `sql` gives these columns and rows. It is empty if they do not come from SQL; `note` then names their
    origin."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    sql: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """One number of the summary. `sql` gives one row with one column, `value`; `text` is the number for people."""

    name: str  # a slug, unique in the audit
    label: str
    value: int | float | None
    text: str
    sql: str


@dataclass(frozen=True, slots=True)
class Node:
    """A box of the flow diagram. `href` is the anchor of its examples in the report, "" if there are none."""

    name: str  # unique in the flow
    label: str
    count: int
    href: str = ""
    is_drop: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """`count` subjects that went from one node to another, by name."""

    source: str
    target: str
    count: int


@dataclass(frozen=True, slots=True)
class Flow:
    """Where all videos, sentences or long clips went. Everything that enters a node leaves it. `table` holds the numbers."""

    subject: str  # "videos", "sentences", "long clips"
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    table: Table


@dataclass(frozen=True, slots=True)
class Mark:
    """A value drawn on a distribution: a threshold of the configuration, or a published figure of another dataset."""

    label: str
    value: float
    source: str = ""  # of a published figure


@dataclass(frozen=True, slots=True)
class Series:
    """The counts of one split (or corpus) in the bins of a distribution, or for its categories."""

    name: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram or counts of categories. A histogram has `edges`, the n + 1 bounds of n bins [a, b), where the last bin
    includes its upper bound. Counts have no `edges`, and `categories` names them.

    `summary` has a row for each split: count, min, 5 %, median, mean, 95 %, max. `missing` says why there is nothing to show.
    """

    name: str  # a slug, unique in the audit
    title: str
    unit: str  # "s", "words", "" ...
    series: tuple[Series, ...] = ()
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    sql: str = ""
    summary: Table | None = None
    thresholds: tuple[Mark, ...] = ()
    references: tuple[Mark, ...] = ()
    note: str = ""
    missing: str = ""
    whole: bool = False  # all values are whole numbers


class CheckStatus(StrEnum):
    """The verdict of a check. SKIP means that it could not run, and `todo` says what it needs."""

    PASS = "pass"  # noqa: S105  (no password)
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """A check with its verdict: the finding, what to do about it, and examples. `sql` gives the number that decides."""

    name: str  # a slug, unique in the audit
    title: str
    status: CheckStatus
    found: str
    todo: str = ""
    sql: str = ""
    examples: Table | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame of a contact sheet: JPEG data, None if it is damaged or unavailable. Times are in ms of the video."""

    jpeg: bytes | None
    wanted_ms: int
    taken_ms: int | None


@dataclass(frozen=True, slots=True)
class SheetSentence:
    """A sentence with some of its frames, in time order."""

    start_ms: int
    end_ms: int
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """The contact sheet of one long clip, kept or dropped. `facts` are short (name, value) pairs: scores, words, licence."""

    key: str
    video_id: str
    url: str
    start_ms: int
    end_ms: int
    sentences: tuple[SheetSentence, ...]
    facts: tuple[tuple[str, str], ...] = ()
    note: str = ""  # such as why there are no frames


@dataclass(frozen=True, slots=True)
class SheetGroup:
    """Contact sheets chosen in the same way. `why` says how, `sql` gives their keys in order."""

    name: str  # a slug, unique in the audit
    title: str
    why: str
    sheets: tuple[Sheet, ...]
    sql: str = ""


@dataclass(frozen=True, slots=True)
class DropGroup:
    """Everything dropped for one reason. `name` is the anchor that the flow's nodes link to.

    `examples` are ledger rows (video, subject id, detail). `scores` compares the scores of examples with their thresholds.
    """

    name: str
    subject: str  # record, video, sentence, clip, note
    stage: str
    reason: str
    meaning: str  # what the reason means, for people
    count: int
    sql: str
    examples: Table
    scores: Table | None = None  # key, score, value, side, setting, threshold
    sheets: tuple[Sheet, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of the corpus estimated from a reviewed sample, with its confidence interval; shares from 0 to 1."""

    label: str  # "reject", "flag", or a label of curators such as "misaligned"
    share: float
    low: float
    high: float
    confidence: float
    reviewed: int
    drawn: int
    text: str  # "2.1 % (1.0 % to 4.4 %) misaligned at 95 %"


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A coefficient of agreement with its confidence interval: 1 is perfect, 0 is chance. None where it is not defined: nothing
    was judged twice, or all verdicts are the same, so that chance agrees too. Kappa has no interval where a curator gave one
    verdict throughout."""

    value: float | None
    low: float | None
    high: float | None
    units: int  # subjects that were judged twice

    @property
    def text(self) -> str:
        if self.value is None:
            return "not defined"
        if self.low is None or self.high is None:
            return f"{self.value:.2f} (no interval)"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """The agreement of two curators on the subjects that both judged. `same` is the share with equal verdicts, 0 to 1."""

    curators: tuple[str, str]
    same: float
    kappa: Coefficient


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of all curators: alpha over all verdicts, kappa for each pair. `judged` counts subjects with a verdict."""

    judged: int
    alpha: Coefficient
    pairs: tuple[PairAgreement, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """A rule of a policy with its verdict. `samples` and `hours` are what it alone would drop; None for rules that drop
    nothing, such as a required check."""

    rule: str  # as in the file, such as "thresholds.black.max"
    asks: str
    passes: bool
    found: str
    samples: int | None = None
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class PolicyCurve:
    """What a threshold costs as it moves. `points` are (threshold, share of samples kept, share of hours kept) by this threshold
    alone, then the same two among the samples that all other rules keep."""

    rule: str
    title: str
    bound: float
    points: tuple[tuple[float, float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class PolicyVerdict:
    """What a policy says of a corpus, and what it would keep."""

    name: str
    sha256: str
    lines: tuple[PolicyLine, ...]
    curves: tuple[PolicyCurve, ...]
    samples: int
    hours: float
    kept_samples: int
    kept_hours: float

    @property
    def passes(self) -> bool:
        return all(line.passes for line in self.lines)


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that the report shows of one corpus."""

    name: str
    version: int
    fingerprint: str
    verdict: CheckStatus  # the worst of its checks
    summary: tuple[str, ...]  # sentences that a manager can read
    numbers: tuple[Number, ...]
    flows: tuple[Flow, ...]
    distributions: tuple[Distribution, ...]
    checks: tuple[AuditCheck, ...]
    kept: tuple[SheetGroup, ...]
    dropped: tuple[DropGroup, ...]
    tables: tuple[Table, ...] = ()  # provenance: sources, licences, versions, history
    decisions: tuple[Table, ...] = ()  # who decided what and when; conflicts; decisions not applied yet
    estimates: tuple[Estimate, ...] = ()
    agreement: Agreement | None = None  # of curators; None if nobody decided
    policy: PolicyVerdict | None = None
    strata: Table | None = None  # of the sample for review
    published: Table | None = (
        None  # figures beside LF-VILA-8M's and HD-VILA-100M's; its sql gives the corpus's own column
    )
    made: str = ""  # date and version of longtake
    corpus_sha256: str = ""  # of corpus.json; "" if it was not asked
