"""Maps the folders of code at the top of the repository to sub-packages of `longtake`, which is `package`.

The description on the package index is README.md with absolute links.
"""

import re
from pathlib import Path

from setuptools import setup

_PLACES = {
    "": "https://github.com/longtake/longtake/blob/main/",
    "!": "https://raw.githubusercontent.com/longtake/longtake/main/",
}
HERE = Path(__file__).parent
_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?:|#)([^)\s]+)\)")


def readme() -> str:
    """Return README.md with absolute links to files and pictures of the repository."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    return _LINK.sub(lambda link: f"{link[1]}{link[2]}({_PLACES[link[1]]}{link[3]})", text)


#: Every folder with code, found and not listed: one that was forgotten here would be missing only where it is installed.
PACKAGES = tuple(
    sorted(
        ".".join(found.parent.relative_to(HERE).parts)
        for top in ("schemas", "library", "pipeline", "model", "jobs")
        for found in (HERE / top).rglob("__init__.py")
    )
)

# Folders without code count as packages too: setuptools prints a page of warnings for each that is not named.
DATA = (
    "pipeline.audit.report.static",
    "pipeline.audit.report.templates",
    "pipeline.audit.report.vendor",
    "pipeline.browse.static",
    "pipeline.browse.templates",
    "model.data.vocabulary",
)

setup(
    long_description=readme(),
    long_description_content_type="text/markdown",
    packages=["longtake", *(f"longtake.{package}" for package in PACKAGES + DATA)],
    package_dir={"longtake": "package"}
    | {f"longtake.{package}": package.replace(".", "/") for package in PACKAGES + DATA},
    package_data={"longtake": ["py.typed"]}
    | {f"longtake.{package}": ["py.typed", "*.yaml"] for package in PACKAGES}
    | {f"longtake.{package}": ["*"] for package in DATA},
)
