"""The parts of a card that people give: the sign-off, and the data sheet with its unanswered questions."""

import re

from longtake.pipeline.publish.attestation import ATTESTATION, SIGNATURE, Attestation
from longtake.pipeline.publish.markdown import escape
from longtake.schemas.datasheet import QUESTIONS, Datasheet

_MOST = 2000  # characters of an answer on the card


def signed_off(attestation: Attestation | None) -> str:
    """Who signed this version off; or that nobody did."""
    if attestation is None:
        return "Nobody has signed this version off: `longtake attest` does, after an audit by a policy."
    policy, review = attestation.policy, attestation.review
    digits = re.sub("[^0-9a-f]", "", policy["sha256"])
    checks = ", ".join(f"{number} {name}" for name, number in attestation.audit["checks"].items())
    lines = [
        f"{escape(attestation.who)} signed this version off at {escape(attestation.when)}.",
        f"- Policy {escape(policy['name'])}, SHA-256 `{digits}`: all {escape(policy['lines'])} lines pass.",
        f"- Checks of the audit: {escape(checks)}.",
        f"- People reviewed a random sample: {escape(review['text'], 600)}."
        if review
        else "- No random sample was reviewed.",
    ]
    if attestation.note:
        lines.append(f"- Note: {escape(attestation.note, 600)}")
    first, *rest = lines
    return f"""{first}

{chr(10).join(rest)}

The statement is in `{ATTESTATION}`, its signature (OpenSSH) in `{SIGNATURE}`. To check both: `longtake attest . --verify
--signers FILE`."""


def data_sheet(answers: Datasheet) -> str:
    """The answers, and the questions without one."""
    told = [
        f"**{question.title}.** {escape(answer, _MOST)}"
        for question in QUESTIONS
        if (answer := answers.answer(question))
    ]
    if unanswered := answers.unanswered:
        names = "\n".join(f"- {question.title}: {question.text}" for question in unanswered)
        told.append(f"Unanswered, by whoever publishes it (`longtake card --edit`):\n\n{names}")
    return "\n\n".join(told)
