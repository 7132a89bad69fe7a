"""Maps the four folders at the top of the repository to sub-packages of `longtake`, which is `package`."""

from setuptools import setup

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
    "pipeline.filters",
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
    packages=["longtake", *(f"longtake.{package}" for package in PACKAGES + DATA)],
    package_dir={"longtake": "package"}
    | {f"longtake.{package}": package.replace(".", "/") for package in PACKAGES + DATA},
    package_data={"longtake": ["py.typed"]}
    | {f"longtake.{package}": ["py.typed", "*.yaml"] for package in PACKAGES}
    | {f"longtake.{package}": ["*"] for package in DATA},
)
