"""The front matter of a card: what the Hugging Face hub and `datasets` read. Written as YAML without huggingface_hub, which would
add 27 MB to the install for a dictionary; tests read it back with that library."""

import re
from typing import Any

import yaml

from longtake.pipeline.publish.figures import CardFigures, Shares, known_licences
from longtake.pipeline.publish.licences import OTHER
from longtake.pipeline.publish.markdown import one_line
from longtake.pipeline.publish.sample_columns import dataset_info
from longtake.schemas.manifest import CorpusManifest

_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SIZES = (
    "n<1K",
    "1K<n<10K",
    "10K<n<100K",
    "100K<n<1M",
    "1M<n<10M",
    "10M<n<100M",
    "100M<n<1B",
    "1B<n<10B",
    "10B<n<100B",
)


def front_matter(manifest: CorpusManifest, figures: CardFigures) -> str:
    """The front matter, between its two lines of dashes."""
    fields = yaml.dump(
        _fields(manifest, figures), Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True, width=10_000
    )
    return f"---\n{fields}---\n"


class _WithoutAliases(yaml.SafeDumper):
    """A YAML dumper that writes repeated values in full: people read the text, and not every reader knows aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _fields(manifest: CorpusManifest, figures: CardFigures) -> dict[str, Any]:
    languages = sorted(code for code, _ in figures.languages.counts if _LANGUAGE.fullmatch(code))
    model = manifest.config.get("captions", {}).get("model")
    return {
        "pretty_name": one_line(manifest.name),
        **({"language": languages} if languages else {}),
        **_licence_fields(figures.licences),
        "size_categories": [_SIZES[min(max(len(str(figures.total.samples)) - 3, 0), len(_SIZES) - 1)]],
        "task_categories": ["video-text-to-text"],
        **({"annotations_creators": ["machine-generated"]} if model else {}),
        "tags": ["webdataset", "video", "long-form video", "longtake"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": one_line(name), "path": f"shards/{one_line(name)}-*.tar"}
                    for name in sorted(manifest.splits())
                ],
            }
        ],
        "dataset_info": dataset_info(manifest, figures.fields),
    }


def _licence_fields(licences: Shares) -> dict[str, Any]:
    """The field `license`; also `license_name` and `license_link` if a licence is not on the hub's list."""
    found = known_licences(licences)
    ids = list(dict.fromkeys([one.hub_id for one in found] + ([OTHER] if licences.left else [])))
    if not ids:
        return {}
    fields: dict[str, Any] = {"license": ids[0] if len(ids) == 1 else ids}
    if OTHER in ids:
        others = [one for one in found if one.hub_id == OTHER]
        is_one = len(others) == 1 and not licences.left
        slug = re.sub(r"[^a-z0-9.]+", "-", others[0].name.lower())[:60].strip("-.") if is_one else ""
        fields["license_name"] = slug or "several-see-card"
        if is_one and others[0].url:
            fields["license_link"] = others[0].url
    return fields
