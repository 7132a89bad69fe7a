"""Speaker labels: the signs and names at the start of a turn. A sentence ends where another person starts."""

import re
from collections import Counter

from longtake.pipeline.parse.transcripts.cue import BREAK, Cue
from longtake.pipeline.text.clean.cleaned import CleanedCues, Signs, remove
from longtake.pipeline.text.clean.edit_cue import Edit

_ARROWS = re.compile(r"(?:>{2,4}|\u00bb(?=\s*[^\s\u00bb]))[ \t]*(?:\n|(?=\S)|\Z)")
_DASH = re.compile(r"(?:^|(?<=[\n\x1e]))[-\u2010-\u2015\u2212][ \t]?(?=[^\W\d_]|[\"'\u00bf\u00a1\[(])")
# A possible label: a few words before a colon, perhaps in brackets, at the start of a line or sentence.
_LABEL = re.compile(
    r"(?:^|(?<=[\n\x1e ]))(?:\[([^\[\]\n:]{1,40})\]\s?[:\uff1a]?"
    r"|((?:[^\W_][\w'\u2019.\-]{0,24}[ _]?#?){1,4}?)\s?[:\uff1a])(?=\s|\Z|[\u3040-\u9fff])"
)
# Words for a speaker, followed by a number.
_ANYONE = re.compile(
    r"(?:speaker|spk|participant|interviewer|interviewee|moderator|host|guest|person|voice|man|woman|student|narrator"
    r"|sprecher(?:in)?|locuteur|locutrice|intervenant|interlocuteur|hablante|orador|locutor|participante|parlante|relatore|falante"
    r"|spreker|talare|taler|puhuja|m\u00f3wca|mluv\u010d\u00ed|besz\u00e9l\u0151|konu\u015fmac\u0131|vorbitor"
    r"|спикер|говорящий|диктор|мовець|ομιλητής|דובר|متحدث|المتحدث|گوینده|वक्ता|ผู้พูด"
    r"|話者|話し手|説話人|说话人|說話人|发言人|讲者|화자|참석자)[ _-]?(?:#?\d{1,3}|[A-Z])",
    re.IGNORECASE,
)
_NAME_LIKE = re.compile(r"[^\W\d_][\w'\u2019.\-]{1,24}(?: [^\W\d_][\w'\u2019.\-]{0,24}){0,2}")
_MIN_NAMED = 2  # times that each of two names must come, so that words in small letters count as names
_LINE_DASH = re.compile(r"(?:^|\n)[-\u2010-\u2015\u2212]")
_SIGNS = Signs(re.compile(r">>|[\u00bb:\uff1a\[]|(?:^|\n)[-\u2010-\u2015\u2212]"), (">>", ":", "[", "\n-"))
# Words before a colon that are headings, however often they come.
_NO_NAMES = frozenset(
    re.findall(
        r"\S+",
        "note step question answer example tip warning q a part chapter section lesson rule hint title translation "
        "caption",
    )
)


def remove_speakers(cues: list[Cue]) -> CleanedCues:
    """Replace speaker labels by a BREAK, with the name if there is one: `>>`, a dash that starts a line, `NAME:`,
    `[SPEAKER_00]:`, `Speaker 1:`.

    Names count only in files that are not all in capitals. Names in small letters count only if at least two of them start
    lines again and again, as in an interview: "Note: this" is no name.
    """
    if not _SIGNS.may_be_in(cues):
        return CleanedCues(cues, [], 0)
    has_lower = any(map(_has_lower, cues))
    names = _names(cues) if has_lower else frozenset()
    return remove(cues, _SIGNS, lambda text: _labels(text, has_lower, names), "speaker labels")


def _has_lower(cue: Cue) -> bool:
    return any(map(str.islower, cue.text))


def _names(cues: list[Cue]) -> frozenset[str]:
    """Names in small letters that start lines again and again, if at least two do."""
    found = Counter(
        label
        for cue in cues
        if ":" in cue.text or "\uff1a" in cue.text
        for line in cue.text.split("\n")
        if (label := line.replace("\uff1a", ":").partition(":")[0].strip()) != line
        and _NAME_LIKE.fullmatch(label)
        and all(word[0].isupper() or not word[0].islower() for word in label.split(" "))
    )
    known = frozenset(name for name, times in found.items() if times >= _MIN_NAMED and name.lower() not in _NO_NAMES)
    return known if len(known) > 1 else frozenset()


def _labels(text: str, with_names: bool, names: frozenset[str]) -> list[Edit]:
    found: list[tuple[int, int, str]] = []
    if ">>" in text or "\u00bb" in text:
        found = [(*m.span(), "") for m in _ARROWS.finditer(text) if _starts_turn(text, m.start())]
    if _LINE_DASH.search(text):
        found += [(*m.span(), "") for m in _DASH.finditer(text)]
    if ":" in text or "\uff1a" in text or "[" in text:
        found += [label for m in _LABEL.finditer(text) if (label := _label(text, m, with_names, names))]
    edits: list[Edit] = []
    for start, end, name in sorted(found):
        if edits and start <= edits[-1][1]:
            edits[-1] = edits[-1][0], max(end, edits[-1][1]), edits[-1][2] + name
        else:
            edits.append((start, end, BREAK + name))
    return edits


def _label(text: str, found: re.Match[str], with_names: bool, names: frozenset[str]) -> tuple[int, int, str] | None:
    """The span of a label and the name in it; None if there is no label."""
    if found[1] is not None:
        is_label = found[0].rstrip().endswith((":", "\uff1a")) or _ANYONE.fullmatch(found[1].strip())
        return (*found.span(), found[1].strip()) if is_label else None
    start = found.start()
    starts_line = not start or text[start - 1] in "\n" + BREAK
    label = found[2].strip()
    if starts_line and label in names:
        return *found.span(), label
    while label:  # words before the name end the sentence before it
        if _ANYONE.fullmatch(label) or (with_names and _is_in_capitals(label)):
            return found.end() - len(found[0]) + found[0].index(label), found.end(), label
        label = label.partition(" ")[2]
    return None


def _is_in_capitals(label: str) -> bool:
    return len(label.replace(".", "")) > 1 and not label[0].isdigit() and label.isupper() and _has_only_capitals(label)


def _has_only_capitals(label: str) -> bool:
    """Whether all letters of a label are capitals, and its script has capitals."""
    return all(c.isupper() or not c.isalpha() for c in label)


def _starts_turn(text: str, at: int) -> bool:
    """Whether a sign starts a turn: after a letter, it is a closing quotation mark, as in French."""
    return text[at] == ">" or at == 0 or text[at - 1] in "\n" + BREAK
