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

DATA = ["py.typed", "*.yaml", "vocabulary/*", "vendor/*", "static/*", "templates/*"]

setup(
    packages=[f"longtake.{package}" for package in PACKAGES],
    package_dir={f"longtake.{package}": package.replace(".", "/") for package in PACKAGES},
    package_data={f"longtake.{package}": DATA for package in PACKAGES},
)
