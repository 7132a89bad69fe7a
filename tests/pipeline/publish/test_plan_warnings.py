"""What `longtake plan` tells a publisher before anything is decoded."""

from pathlib import Path

import pytest
from sources import Video, build, longtake_here, manifest, source_set, spoken

from longtake.pipeline.publish.licences import restriction
from longtake.pipeline.publish.plan_warnings import licence_warnings
from longtake.schemas.config import parse_config
from longtake.schemas.errors import ConfigError
from longtake.schemas.publication import Publication

CONTACT = "No contact is named"


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ("CC BY 4.0", ""),
        ("CC0", ""),
        ("public domain", ""),
        ("MIT", ""),
        ("CC BY-NC 4.0", "non-commercial (NC)"),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/", "non-commercial (NC) and no derivatives (ND)"),
        ("CC BY-ND 4.0", "no derivatives (ND)"),
        ("creativeCommon", "not stated which"),
        ("ask me", "not known here"),
        ("", "not stated"),
        ("  ", "not stated"),
    ],
)
def test_why_a_licence_restricts(stated: str, why: str) -> None:
    assert restriction(stated) == why


def test_licences_are_counted_by_what_they_restrict() -> None:
    clips = {"CC BY 4.0": 5, "CC BY-NC 4.0": 2, "CC BY-NC-SA 4.0": 3, "": 4, **{f"own {n}": 1 for n in range(5)}}
    assert list(licence_warnings(clips)) == [
        "Licence non-commercial (NC): 5 of 19 long clips (CC BY-NC-SA 4.0, CC BY-NC 4.0).",
        "Licence not known here: 5 of 19 long clips (own 0, own 1, own 2, 2 more).",
        "Licence not stated: 4 of 19 long clips.",
    ]
    assert list(licence_warnings({"CC BY 4.0": 5})) == []


def test_plan_and_card_say_what_the_publisher_has_to_know(tmp_path: Path) -> None:
    sources = source_set(tmp_path, [Video("v0", spoken(4)), Video("v1", spoken(4))])
    records = sources.folder / "videos.jsonl"
    records.write_text(records.read_text().replace("CC BY-SA 3.0", "CC BY-NC 4.0\\u001b[2J"))
    planned = longtake_here("plan", str(sources.config), "--probe", "none")
    assert planned.returncode == 0, planned.stderr
    assert "Licence not known here: 2 of 2 long clips (CC BY-NC 4.0\\x1b[2J)." in planned.stdout
    assert CONTACT in planned.stdout
    assert CONTACT not in build(sources), "a plan that is used again is not told again"
    card = (sources.output / "README.md").read_text()
    assert "**No contact is named yet.**" in card and "publication" not in manifest(sources.output)
    shards = {path.name: path.read_bytes() for path in (sources.output / "shards").iterdir()}

    stated = sources.config.read_text() + '\npublication: {contact: "me <at> home", date: 2026-11-25, creator: Ada}\n'
    sources.config.write_text(stated)
    assert "The card is written again: publication has changed." in build(sources)
    card = (sources.output / "README.md").read_text()
    assert r"Requests go to me \<at\> home." in card and "author = {Ada},\n  year = {2026}" in card
    assert manifest(sources.output)["publication"]["date"] == "2026-11-25"
    assert {path.name: path.read_bytes() for path in (sources.output / "shards").iterdir()} == shards
    assert "written again" not in build(sources)
    assert longtake_here("verify", str(sources.output)).returncode == 0
    assert longtake_here("reshard", str(sources.output), "--samples", "1").returncode == 0
    assert r"Requests go to me \<at\> home." in (sources.output / "README.md").read_text(), "new versions keep it"


def test_what_a_publisher_cannot_say() -> None:
    raw = {"name": "x", "output": "o", "source": {"videos": "v"}}
    assert not parse_config(raw).publication
    assert parse_config(raw | {"publication": {"date": 2026}}).publication == Publication(date="2026")
    for wrong in ({"contact": "a\nb"}, {"date": "tomorrow"}, {"creator": "x" * 501}, {"kontact": "me"}):
        with pytest.raises(ConfigError, match=f"publication.{next(iter(wrong))}"):
            parse_config(raw | {"publication": wrong})
