"""Maps the four folders at the top of the repository to sub-packages of `longtake`, which is `package`.

The description on the package index is README.md with absolute links.
"""

import re
from pathlib import Path

from setuptools import setup

_PLACES = {
    "": "https://github.com/longtake/longtake/blob/main/",
    "!": "https://raw.githubusercontent.com/longtake/longtake/main/",
}
_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?:|#)([^)\s]+)\)")


def readme() -> str:
    """Return README.md with absolute links to files and pictures of the repository."""
    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    return _LINK.sub(lambda link: f"{link[1]}{link[2]}({_PLACES[link[1]]}{link[3]})", text)


PACKAGES = (
    "schemas",
    "library",
    "pipeline",
    "pipeline.audit",
    "pipeline.audit.checks",
    "pipeline.audit.report",
    "pipeline.browse",
    "pipeline.build",
    "pipeline.corpus",
    "pipeline.decode",
    "pipeline.decode.bitstream",
    "pipeline.embeddings",
    "pipeline.explain",
    "pipeline.fetch",
    "pipeline.filters",
    "pipeline.find",
    "pipeline.fragments",
    "pipeline.ledger",
    "pipeline.merge",
    "pipeline.parse",
    "pipeline.parse.transcripts",
    "pipeline.plan",
    "pipeline.plan.captions",
    "pipeline.plan.duplicates",
    "pipeline.plan.edit",
    "pipeline.publish",
    "pipeline.read",
    "pipeline.recipes",
    "pipeline.revise",
    "pipeline.run",
    "pipeline.text",
    "pipeline.text.clean",
    "pipeline.text.sentences",
    "pipeline.verify",
    "model",
    "model.data",
    "model.network",
    "model.retrieval",
    "model.training",
    "model.weights",
    "jobs",
    "jobs.build",
    "jobs.curate",
    "jobs.explain",
    "jobs.retrieve",
    "jobs.versions",
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
