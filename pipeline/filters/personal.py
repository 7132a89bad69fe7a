"""Finds, counts and masks personal data in speech: e-mail addresses, phone and card numbers, IP addresses.

Patterns find only data as it is written. They do not find a number spelt out in words, or "name at example dot com".
"""

import ipaddress
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from longtake.schemas.records import LongClip

KINDS = ("email", "card", "ip", "phone")  # by precedence if two overlap

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"
)
_CARD = re.compile(r"(?<![\w.,-])[2-6](?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
_IP = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\d)")
_SHORTEST_PHONE = 7  # digits


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A finding in a text: its half-open range of characters, and its kind, one of KINDS."""

    start: int
    end: int
    kind: str


def find(text: str, kinds: Collection[str], region: str) -> list[Finding]:
    """Find data of the `kinds` in `text`, in order of place. Numbers without a + are dialled in `region` (ISO 3166)."""
    taken: list[Finding] = []
    for kind in KINDS:
        if kind in kinds:
            for found in _FINDERS[kind](text, region):
                if all(found.end <= other.start or other.end <= found.start for other in taken):
                    taken.append(found)
    return sorted(taken)


def mask(text: str, findings: Sequence[Finding]) -> str:
    """Replace each finding in `text` by its kind in brackets."""
    for found in sorted(findings, reverse=True):
        text = f"{text[: found.start]}[{found.kind}]{text[found.end :]}"
    return text


def find_in_clip(clip: LongClip, kinds: Collection[str], region: str) -> list[list[Finding]]:
    """The findings of each sentence."""
    return [find(sentence.text, kinds, region) for sentence in clip.sentences]


def mask_clip(clip: LongClip, findings: Sequence[Sequence[Finding]]) -> LongClip:
    """Mask the findings of each sentence of a clip. Key, times and frames stay."""
    sentences = tuple(
        replace(sentence, text=mask(sentence.text, found)) if found else sentence
        for sentence, found in zip(clip.sentences, findings, strict=True)
    )
    return replace(clip, sentences=sentences)


def luhn(digits: str) -> bool:
    """Whether the check digit at the end is right (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        total += digit if place % 2 == 0 else digit * 2 - 9 * (digit > 4)
    return total % 10 == 0


def _emails(text: str, _: str) -> Iterator[Finding]:
    if "@" in text:
        yield from (Finding(*match.span(), "email") for match in _EMAIL.finditer(text))


def _cards(text: str, _: str) -> Iterator[Finding]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if len(set(digits)) > 1 and luhn(digits):
            yield Finding(*match.span(), "card")


def _addresses(text: str, _: str) -> Iterator[Finding]:
    for match in _IP.finditer(text):
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        if int(address) > 1:  # "::" and "::1" are punctuation more often than addresses
            yield Finding(*match.span(), "ip")


def _phones(text: str, region: str) -> Iterator[Finding]:
    if sum(map(str.isdigit, text)) < _SHORTEST_PHONE:
        return
    import phonenumbers

    for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID):
        yield Finding(match.start, match.end, "phone")


_FINDERS = {"email": _emails, "card": _cards, "ip": _addresses, "phone": _phones}
