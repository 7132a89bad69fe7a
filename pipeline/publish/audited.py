"""What the last audit of a corpus found, read back from audit/audit.json, if it was of this version."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from longtake.pipeline.publish.attestation import SIGNATURE, Attestation, read_attestation
from longtake.pipeline.publish.card import dataset_card
from longtake.pipeline.publish.croissant import croissant_json
from longtake.pipeline.publish.figures import CardFigures
from longtake.pipeline.publish.index_figures import card_figures
from longtake.schemas import storage
from longtake.schemas.datasheet import read_datasheet
from longtake.schemas.errors import CorpusError
from longtake.schemas.layout import Layout
from longtake.schemas.manifest import CorpusManifest

_TOLD = {"fail": "{} failed: {}", "warn": "{}: {}", "skip": "Not checked: {}. {}"}  # status: sentence on the card


def limits(checks: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """The sentences on a card about checks, given as (status, title, found): what failed, then warnings, then what was not
    checked."""
    order = list(_TOLD)
    kept = sorted((check for check in checks if check[0] in _TOLD), key=lambda check: order.index(check[0]))
    return tuple(_TOLD[status].format(title, found) for status, title, found in kept)


def manifest_digest(layout: Layout) -> str:
    """The SHA-256 of corpus.json, which names every shard with its hash."""
    return hashlib.sha256(storage.read_bytes(layout.manifest)).hexdigest()


def read_audited(layout: Layout) -> dict[str, Any] | None:
    """The audit of this version of a corpus, as audit/audit.json has it; None if there is none. Raises CorpusError if the file is
    damaged."""
    path = layout.path("audit", "audit.json")
    if not storage.exists(path):
        return None
    try:
        found = json.loads(storage.read_bytes(path))
        is_of_this = found.get("corpus_sha256") == manifest_digest(layout)
    except (ValueError, AttributeError, RecursionError):
        raise CorpusError(f"{path}: not the result of an audit. Run longtake audit again.") from None
    return found if is_of_this else None


def current_attestation(layout: Layout) -> Attestation | None:
    """The sign-off of a corpus, if it is of this version and has a signature; `longtake attest --verify` checks that. Raises
    CorpusError if it is damaged."""
    found = read_attestation(layout)
    if found is None or not storage.exists(layout.path(SIGNATURE)):
        return None
    return found if found.corpus["corpus_json_sha256"] == manifest_digest(layout) else None


def with_people(layout: Layout, figures: CardFigures) -> CardFigures:
    """The figures of a finished corpus with what people give: data sheet and sign-off. Raises ConfigError and CorpusError."""
    return replace(figures, answers=read_datasheet(layout), attestation=current_attestation(layout))


def audited_figures(layout: Layout, manifest: CorpusManifest) -> CardFigures:
    """The figures of a corpus with what the last audit of this version found. Raises CorpusError."""
    figures, audit = with_people(layout, card_figures(layout, manifest)), read_audited(layout)
    if audit is None:
        return figures
    try:
        checks = [(str(c["status"]), str(c["title"]), str(c["found"])) for c in audit["checks"]]
        return replace(
            figures,
            limits=limits(checks),
            reviews=tuple(str(one["text"]) for one in audit["estimates"]),
            agreement=agreement_sentence(audit.get("agreement")),
            audited=str(audit["made"]),
        )
    except (KeyError, TypeError):
        raise CorpusError(
            f"{layout.path('audit', 'audit.json')}: a part is missing. Run longtake audit again."
        ) from None


def agreement_sentence(found: Any) -> str:
    """A sentence on the agreement of curators, from `agreement` of audit.json; "" if nothing was judged twice."""
    alpha = found.get("alpha") if isinstance(found, dict) else None
    if not isinstance(alpha, dict) or alpha.get("value") is None:
        return ""
    value, low, high = (float(alpha[name]) for name in ("value", "low", "high"))
    return (
        f"Krippendorff's alpha of the verdicts is {value:.2f} ({low:.2f} to {high:.2f} at {float(found['confidence']):.0%}), "
        f"on {int(alpha['units']):,} of {int(found['judged']):,} judged subjects, on which two curators or more decided."
    )


def write_card(layout: Layout, manifest: CorpusManifest, figures: CardFigures | None = None) -> None:
    """Write README.md and croissant.json of a finished corpus again. Raises CorpusError."""
    figures = audited_figures(layout, manifest) if figures is None else figures
    storage.write_bytes(layout.card, dataset_card(manifest, figures).encode())
    storage.write_bytes(layout.croissant, croissant_json(manifest, figures, storage.read_bytes(layout.manifest)))
