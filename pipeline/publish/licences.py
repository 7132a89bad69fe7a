"""Find a licence's id on the Hugging Face hub and the address of its text, from what people write in a video's record.

A text counts as a licence only if it says nothing else: "CC BY 4.0, music excepted" is not a known licence.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

UNKNOWN, OTHER = "unknown", "other"  # ids of the hub: no licence is stated; a licence not on its list
NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence: `hub_id` is its id on the hub, `name` its usual name, `url` the address of its text, "" if unknown."""

    hub_id: str
    name: str
    url: str = ""


_HUB_CC = {  # versions on the hub's list; all others get the id "cc"
    "by": ("2.0", "2.5", "3.0", "4.0"),
    "by-sa": ("3.0", "4.0"),
    "by-nc": ("2.0", "3.0", "4.0"),
    "by-nd": ("4.0",),
    "by-nc-nd": ("3.0", "4.0"),
    "by-nc-sa": ("2.0", "3.0", "4.0"),
}
_CC_PARTS = {"by", "nc", "nd", "sa"}
_CC_VERSIONS = {"1.0", "2.0", "2.1", "2.5", "3.0", "4.0"}
_CC_URL = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)(?:/([a-z]{2,8})(?=/|$))?(?:/[a-z/._]*)?"
)
_CC_WORDS = (
    ("creative commons", "cc"),
    ("creativecommons", "cc"),
    ("public domain dedication", ""),
    ("non commercial", "nc"),
    ("noncommercial", "nc"),
    ("share alike", "sa"),
    ("sharealike", "sa"),
    ("no derivatives", "nd"),
    ("no derivative works", "nd"),
    ("noderivatives", "nd"),
    ("noderivs", "nd"),
    ("no derivs", "nd"),
    ("attribution", "by"),
    ("reuse allowed", ""),
)
_FILLING = {"license", "licence", "licenses", "international", "unported", "generic", "public", "the", "universal", "a"}
_PUBLIC_DOMAIN = Licence(OTHER, "public domain")
_PUBLIC_DOMAIN_MARK = Licence(OTHER, "Public Domain Mark 1.0", "https://creativecommons.org/publicdomain/mark/1.0/")
_CC0 = Licence("cc0-1.0", "CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/")
_NAMED = {
    "creativecommon": Licence("cc", "CC BY, version not stated"),  # the name in YouTube's API
    "public domain": _PUBLIC_DOMAIN,
    "pd": _PUBLIC_DOMAIN,
    "public domain mark": _PUBLIC_DOMAIN_MARK,
    "public domain mark 1.0": _PUBLIC_DOMAIN_MARK,
    "cc pdm 1.0": _PUBLIC_DOMAIN_MARK,
    "cc0": _CC0,
    "cc0 1.0": _CC0,
    "cc zero": _CC0,
    "cc zero 1.0": _CC0,
    "cc zero v1.0": _CC0,
    "cc0 v1.0": _CC0,
}
_SOFTWARE = {  # SPDX id for each id of the hub that a record may name directly
    "apache-2.0": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "cdla-permissive-1.0": "CDLA-Permissive-1.0",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0",
    "cdla-sharing-1.0": "CDLA-Sharing-1.0",
    "etalab-2.0": "etalab-2.0",
    "gpl-2.0": "GPL-2.0",
    "gpl-3.0": "GPL-3.0",
    "lgpl-2.1": "LGPL-2.1",
    "lgpl-3.0": "LGPL-3.0",
    "mit": "MIT",
    "mpl-2.0": "MPL-2.0",
    "odc-by": "ODC-By-1.0",
    "odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
}
_NAMED |= {
    hub_id.replace("-", " "): Licence(hub_id, spdx, f"https://spdx.org/licenses/{spdx}.html")
    for hub_id, spdx in _SOFTWARE.items()
}
_NAMED |= {alias: _NAMED[name] for alias, name in {"odc by 1.0": "odc by", "odbl 1.0": "odbl"}.items()}


def licence(text: str) -> Licence:
    """The licence that `text` names. An unknown licence gets the hub's id `other` and the text as its name."""
    stated = " ".join(text.split())
    if not stated:
        return Licence(UNKNOWN, "none stated")
    if match := _CC_URL.fullmatch(stated.lower()):
        return _by_url(match[1], match[2], match[3], match[4] or "") or Licence(OTHER, stated, stated)
    words = re.sub(r"[\s_()/,-]+", " ", stated.lower()).strip()
    for phrase, short in _CC_WORDS:
        words = re.sub(rf"\b{phrase}\b", short, words)
    kept = [word for word in words.split() if word not in _FILLING]
    if known := _NAMED.get(" ".join(kept)) or _NAMED.get(" ".join(w for w in words.split() if w != "license")):
        return known
    return _by_words(kept) or Licence(OTHER, stated, stated if re.fullmatch(r"https?://\S+", stated) else "")


def restriction(text: str) -> str:
    """Why a licence, as a record states it, may forbid a use of the sample; "" if it allows commercial use and derivatives."""
    found = licence(text)
    if found.hub_id == UNKNOWN:
        return NOT_STATED
    parts = set(re.findall(r"[a-z]+", f"{found.hub_id} {found.name}".lower()))
    if found.hub_id == OTHER and not found.name.lower().startswith("public domain"):
        return "not known here"
    said = [why for part, why in (("nc", "non-commercial (NC)"), ("nd", "no derivatives (ND)")) if part in parts]
    if "not stated" in found.name:
        said.append("not stated which")
    return " and ".join(said)


def restricted(samples: Mapping[str, int]) -> dict[str, Counter[str]]:
    """The licences that may forbid a use, by why: the number of samples under each name. `samples` is by licence as stated."""
    found: dict[str, Counter[str]] = {}
    for text, number in samples.items():
        if why := restriction(text):
            found.setdefault(why, Counter())[licence(text).name] += number
    return found


def _by_url(kind: str, name: str, version: str, port: str) -> Licence | None:
    if kind == "publicdomain":
        return {"zero1.0": _CC0, "mark1.0": _PUBLIC_DOMAIN_MARK}.get(f"{name}{version}")
    return _creative_commons(name.split("-"), version, "" if port in ("deed", "rdf") else port)


def _by_words(words: list[str]) -> Licence | None:
    """The licence for words such as "cc by sa 3.0 us". Without "cc", only short codes with a version count."""
    named = words[:1] == ["cc"]
    rest = words[1:] if named else words
    repeated = rest.count("cc")
    rest = [word for word in rest if word != "cc"]
    parts = [word for word in rest if word in _CC_PARTS]
    versions = [word.removeprefix("v") for word in rest[len(parts) :]]
    ports = versions[1:]
    if rest[: len(parts)] != parts or len(ports) > 1 or any(not re.fullmatch(r"[a-z]{2,3}", port) for port in ports):
        return None
    if versions and not re.fullmatch(r"\d(\.\d)?", versions[0]):
        return None
    version = f"{versions[0]}.0" if versions and "." not in versions[0] else (versions or [""])[0]
    if not named and (not parts or not version or repeated):
        return None
    if not parts:
        return Licence("cc", "Creative Commons, which one not stated") if named and not versions else None
    return _creative_commons(parts, version, "".join(ports))


def _creative_commons(parts: list[str], version: str, port: str) -> Licence | None:
    """The Creative Commons licence. `port` is the country that the version was adapted to, "" for none."""
    code = "-".join(part for part in ("by", "nc", "nd", "sa") if part in parts)
    if code not in _HUB_CC or len(set(parts)) != len(parts) or not set(parts) <= _CC_PARTS:
        return None
    if not version:
        return Licence("cc", f"CC {code.upper()}, version not stated")
    if version not in _CC_VERSIONS:
        return None
    hub_id = f"cc-{code}-{version}" if version in _HUB_CC[code] else "cc"
    name, path = f"CC {code.upper()} {version}", f"{code}/{version}/"
    return Licence(
        hub_id, f"{name} {port.upper()}".strip(), f"https://creativecommons.org/licenses/{path}{port and f'{port}/'}"
    )
