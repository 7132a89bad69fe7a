"""Maps the four folders at the top of the repository to sub-packages of `longtake`."""

from setuptools import setup

PACKAGES = (
    "schemas",
    "pipeline",
    "pipeline.audit",
    "pipeline.audit.checks",
    "pipeline.audit.report",
    "pipeline.browse",
    "pipeline.captions",
    "pipeline.clean",
    "pipeline.decode",
    "pipeline.decode.bitstream",
    "pipeline.duplicates",
    "pipeline.edit",
    "pipeline.embeddings",
    "pipeline.explain",
    "pipeline.filters",
    "pipeline.relevance",
    "pipeline.revise",
    "pipeline.sentences",
    "pipeline.transcripts",
    "pipeline.verify",
    "model",
    "jobs",
)

# Folders without code count as packages too: setuptools prints a page of warnings for each that is not named.
DATA = (
    "pipeline.audit.report.static",
    "pipeline.audit.report.templates",
    "pipeline.audit.report.vendor",
    "pipeline.browse.static",
    "pipeline.browse.templates",
    "model.vocabulary",
)

setup(
    packages=[f"longtake.{package}" for package in PACKAGES + DATA],
    package_dir={f"longtake.{package}": package.replace(".", "/") for package in PACKAGES + DATA},
    package_data={f"longtake.{package}": ["py.typed", "*.yaml"] for package in PACKAGES}
    | {f"longtake.{package}": ["*"] for package in DATA},
)
