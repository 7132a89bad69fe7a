"""The policy of a house, `policy.yaml`: what a corpus must be to be used there. A wrong policy fails here, with file and line."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from longtake.schemas import storage
from longtake.schemas.scores import INDEX_SCORES, PLAN_SCORES, column
from longtake.schemas.settings import Section, did_you_mean, read_settings
from longtake.schemas.tables import INDEX

REFERENCE = "docs/audit.md"
#: What a threshold may be on: its column, or SQL on columns of the index.
MEASURES = {
    "duration": "(end_ms - start_ms) / 1000.0",  # s
    "sentences": "n_sentences",
    "words": "n_words",
    "coherence": "coherence",
    **{name: column(name) for name in (*PLAN_SCORES, *INDEX_SCORES)},
}
#: What a quota may be on, beside meta.NAME: the texts of the index, and two that are computed from it.
GROUPS = (*(field.name for field in INDEX if pa.types.is_string(field.type)), "host", "reason")
#: The checks of an audit, by name. Some are made only where there is something to check.
CHECKS = (
    *("integrity", "accounting", "left_out", "plan_lost", "plan_drift", "failed_videos"),
    *(
        "split_videos",
        "split_texts",
        "split_pictures",
        "exact_duplicates",
        "near_duplicates",
        "copies",
        "contamination",
    ),
    *("licences", "origins", "licence_terms", "personal_data", "text_frames", "speech_rate"),
    *("frame_times", "frames_read", "black_frames", "frozen_frames"),
    *("balance_videos", "balance_hosts", "shard_evenness", "stale_sources", "decisions"),
)
Fraction = Annotated[float, Field(ge=0, le=1)]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]


class Threshold(Section):
    """The least and the largest value that a sample may have. `missing` says what becomes of samples without a value: the policy
    fails, or they are dropped or kept."""

    min: float | None = None
    max: float | None = None
    missing: Literal["fail", "drop", "keep"] = "fail"

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min:g}) is above max ({self.max:g})")
        return self


class Licences(Section):
    """The licences that samples may have: ids as on the Hugging Face hub (cc-by-4.0), or as records state them."""

    allowed: tuple[Line, ...] = Field(min_length=1)


class Quota(Section):
    """How much of the corpus may have one value of `by`: a column of the index such as language, `host`, or a field of the
    record's metadata, such as `meta.channel`. `most` is a share of the samples, `samples` a number; without `value`, for each
    value. Samples that state none have one value, the empty text."""

    by: Annotated[str, Field(pattern=r"^(meta\.)?[A-Za-z0-9_-]{1,64}$")]
    value: str | None = None
    most: Annotated[float, Field(gt=0, lt=1)] | None = None
    samples: Annotated[int, Field(ge=1)] | None = None

    @field_validator("by")
    @classmethod
    def _is_known(cls, by: str) -> str:
        if not by.startswith("meta.") and by not in GROUPS:
            raise ValueError(
                f"no column {by!r}.{did_you_mean(by, GROUPS)} Use meta.NAME, or one of {', '.join(GROUPS)}"
            )
        return by

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.most is None) == (self.samples is None):
            raise ValueError("give most, a share of the samples, or samples, a number; one of the two")
        return self


class Checks(Section):
    """Checks of the audit that must pass, by name; and whether other checks may warn. A check that fails always fails the
    policy."""

    required: tuple[Line, ...] = ()
    warnings: Literal["allow", "forbid"] = "allow"

    @field_validator("required")
    @classmethod
    def _are_known(cls, required: tuple[str, ...]) -> tuple[str, ...]:
        for name in required:
            if name not in CHECKS:
                raise ValueError(f"no check {name!r}.{did_you_mean(name, CHECKS)} There are {', '.join(CHECKS)}")
        return required


class Review(Section):
    """How many samples people must have judged, and which share may be bad: the whole interval must be within it."""

    samples: int = Field(ge=1)
    accept: Fraction


class AgreementRule(Section):
    """How many subjects two curators must have judged, and the least lower limit of Krippendorff's alpha."""

    subjects: int = Field(ge=2)
    alpha: Annotated[float, Field(ge=-1, le=1)]


class Policy(Section):
    """A policy. Its order of rules: licences, thresholds, quotas; each sample is dropped for the first that it breaks."""

    base: str = Field(exclude=True)
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    seed: int = 0  # decides which samples quotas drop
    licences: Licences | None = None
    thresholds: dict[str, Threshold] = Field(default_factory=dict)
    quotas: tuple[Quota, ...] = ()
    checks: Checks = Checks()
    review: Review | None = None
    agreement: AgreementRule | None = None

    @field_validator("thresholds")
    @classmethod
    def _measures_are_known(cls, thresholds: dict[str, Threshold]) -> dict[str, Threshold]:
        for name in thresholds:
            if name not in MEASURES:
                raise ValueError(f"{name} is no measure; there are {', '.join(MEASURES)}")
        return thresholds


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy, and the SHA-256 of the file that says it."""

    policy: Policy
    sha256: str

    @property
    def title(self) -> str:
        """The policy for ledger rows and attestations: which one it was stays clear if the file changes."""
        return f"{self.policy.name} ({self.sha256[:12]})"


def read_policy(path: str) -> PolicyFile:
    """Read a policy. Raises ConfigError with one line for each fault, which names file and line."""
    missing = "It holds the policy of a house; docs/audit.md shows one."
    policy = read_settings(path, Policy, missing, REFERENCE)
    return PolicyFile(policy, hashlib.sha256(storage.read_bytes(path)).hexdigest())
