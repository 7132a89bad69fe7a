"""Which licence a text names. The ids of the hub are those of huggingface.co/docs/hub/repositories-licenses."""

import pytest

from longtake.pipeline.publish.licences import licence

HUB = {
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0",
    "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0",
    "etalab-2.0", "eupl-1.1", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0",
    "isc", "lppl-1.3c", "ms-pl", "mpl-2.0", "odc-by", "odbl", "openrail++", "osl-3.0", "postgresql", "ofl-1.1",
    "ncsa", "unlicense", "zlib", "pddl", "lgpl-lr", "deepfloyd-if-license", "llama2", "gemma", "unknown", "other",
}  # fmt: skip
NAMED = {
    "CC BY 4.0": "cc-by-4.0",
    "cc-by-4.0": "cc-by-4.0",
    "CC_BY_4.0": "cc-by-4.0",
    "CC BY 4": "cc-by-4.0",
    " CC  BY\n4.0 ": "cc-by-4.0",
    "CC-BY-SA-3.0": "cc-by-sa-3.0",
    "CC BY-SA 3.0": "cc-by-sa-3.0",
    "CC BY-NC-ND 4.0 International": "cc-by-nc-nd-4.0",
    "CC BY 3.0 US": "cc-by-3.0",
    "https://creativecommons.org/licenses/by/4.0/": "cc-by-4.0",
    "http://www.creativecommons.org/licenses/by-nc-sa/3.0": "cc-by-nc-sa-3.0",
    "https://creativecommons.org/licenses/by/3.0/us/deed.en": "cc-by-3.0",
    "https://creativecommons.org/licenses/by/4.0/legalcode": "cc-by-4.0",
    "https://creativecommons.org/publicdomain/zero/1.0/": "cc0-1.0",
    "https://creativecommons.org/publicdomain/mark/1.0/": "other",
    "Creative Commons Attribution 4.0 International License": "cc-by-4.0",
    "Creative Commons Attribution-ShareAlike 3.0 Unported": "cc-by-sa-3.0",
    "Creative Commons Attribution-NonCommercial-NoDerivs 3.0 Unported": "cc-by-nc-nd-3.0",
    "Creative Commons Attribution license (reuse allowed)": "cc",  # YouTube's page; it does not say which version
    "creativeCommon": "cc",  # YouTube's API
    "CC BY": "cc",
    "CC BY-SA 2.0": "cc",  # a version that the hub does not list
    "Creative Commons": "cc",
    "CC0": "cc0-1.0",
    "CC0 1.0 Universal": "cc0-1.0",
    "Creative Commons Zero v1.0 Universal": "cc0-1.0",
    "MIT": "mit",
    "MIT License": "mit",
    "Apache 2.0": "apache-2.0",
    "Apache License 2.0": "apache-2.0",
    "ODC-By": "odc-by",
    "ODbL 1.0": "odbl",
    "BSD-3-Clause": "bsd-3-clause",
    "": "unknown",
    " \n": "unknown",
    "Public domain": "other",  # which the hub has no id for
    "Public Domain Mark 1.0": "other",
    "Standard YouTube License": "other",
    "youtube": "other",
    "All rights reserved": "other",
    # what must not pass for a licence that it only mentions
    "CC BY 4.0, music excepted": "other",
    "not CC BY 4.0": "other",
    "CC BY 4.0 or MIT": "other",
    "CC BY 9.0": "other",
    "CC BY-ND-SA 3.0": "other",  # there is none
    "CC BY BY 4.0": "other",
    "Attribution": "other",
    "by": "other",
    "https://creativecommons.org.example/licenses/by/4.0/": "other",
    "https://creativecommons.org/licenses/by/4.0/?x=<script>": "other",
}


@pytest.mark.parametrize(("text", "hub_id"), NAMED.items())
def test_a_text_names_a_licence_only_if_it_says_nothing_else(text: str, hub_id: str) -> None:
    assert licence(text).hub_id == hub_id
    assert hub_id in HUB


def test_every_id_that_can_be_named_is_one_of_the_hub() -> None:
    codes = ("by", "by-sa", "by-nc", "by-nd", "by-nc-nd", "by-nc-sa")
    for code in codes:
        for version in ("", "1.0", "2.0", "2.1", "2.5", "3.0", "4.0"):
            named = licence(f"CC {code} {version}")
            assert named.hub_id in HUB
            exact = f"cc-{code}-{version}"
            assert named.hub_id == (exact if exact in HUB else "cc")
            if version:
                assert named.url == f"https://creativecommons.org/licenses/{code}/{version}/"
                assert licence(named.url) == named and licence(named.name) == named
    for hub_id in HUB:
        assert licence(hub_id).hub_id in (hub_id, "other", "cc") or hub_id == "unknown"


def test_names_and_addresses() -> None:
    assert (licence("cc by-sa 3.0").name, licence("").name) == ("CC BY-SA 3.0", "none stated")
    assert licence("CC BY 3.0 US").url == "https://creativecommons.org/licenses/by/3.0/us/"
    assert licence("MIT").url == "https://spdx.org/licenses/MIT.html"
    assert licence("Ask  Bob").name == "Ask Bob" and licence("Ask Bob").url == ""
    assert licence("https://example.org/terms").url == "https://example.org/terms"
    assert licence("javascript:alert(1)").url == ""
    assert licence("Public domain").url == "" and "mark/1.0" in licence("Public Domain Mark 1.0").url
