"""The figures of a corpus that its card and its Croissant metadata state."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from longtake.pipeline.publish.attestation import Attestation
from longtake.pipeline.publish.json_type import JsonType
from longtake.pipeline.publish.licences import Licence, licence
from longtake.schemas.datasheet import NO_ANSWERS, Datasheet


@dataclass(frozen=True, slots=True)
class SplitFigures:
    """The figures of one split. `seconds` are the shortest, median and longest durations of its long clips."""

    name: str
    samples: int
    videos: int
    sentences: int
    words: int
    hours: float
    seconds: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Shares:
    """The number of samples with each value, most frequent first. `left` samples have a value that is not listed. "" means no
    value."""

    counts: tuple[tuple[str, int], ...]
    left: int = 0

    @classmethod
    def of(cls, counts: Counter[str], most: int) -> Self:
        """The `most` frequent values; of values with the same number, those that sort first."""
        kept = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:most]
        return cls(tuple(kept), counts.total() - sum(number for _, number in kept))


@dataclass(frozen=True, slots=True)
class SampleFields:
    """What differs between the samples of corpora: the number of frames of the largest, and the type of the field `meta`."""

    most_frames: int
    meta: JsonType = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CardFigures:
    """The figures of a card. The index gives them at build; `limits`, `reviews` and `audited` come from an audit.

    `licences` are as the records state them, `languages` are ISO 639 codes, `hosts` come from the URLs, and `licences_of` has
    the licences of each host that is listed. `limits` are sentences on what checks found or could not check, `reviews` on what
    people found, `agreement` on how far curators agree. `audited` says when and by what; "" if nobody has audited this version.
    `answers` are those of the data sheet. `attestation` is the sign-off of this version.
    """

    splits: tuple[SplitFigures, ...]
    total: SplitFigures
    licences: Shares
    languages: Shares
    hosts: Shares
    licences_of: Mapping[str, Shares] = field(default_factory=dict)
    fields: SampleFields = SampleFields(0)
    limits: tuple[str, ...] = ()
    reviews: tuple[str, ...] = ()
    audited: str = ""
    agreement: str = ""
    answers: Datasheet = NO_ANSWERS
    attestation: Attestation | None = None


def known_licences(licences: Shares) -> dict[Licence, int]:
    """The number of samples under each licence that the texts name, most frequent first."""
    found: dict[Licence, int] = {}
    for text, samples in licences.counts:
        named = licence(text)
        found[named] = found.get(named, 0) + samples
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0].name)))
