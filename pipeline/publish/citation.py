"""How to cite a corpus."""

import re

from longtake.pipeline.publish.markdown import one_line
from longtake.schemas.manifest import CorpusManifest


def citation(manifest: CorpusManifest) -> str:
    """A BibTeX entry. It has author, year and URL only if they are known."""
    fields = {
        "title": manifest.name,
        "author": manifest.publication.creator,
        "year": manifest.publication.date[:4],
        "version": str(manifest.version),
        "howpublished": manifest.publication.url,
        "note": f"Made with Longtake {manifest.versions.get('longtake', '')}, fingerprint {manifest.fingerprint[:16]}",
    }
    lines = [f"  {name} = {{{_bibtex(value)}}}" for name, value in fields.items() if value]
    key = re.sub(r"[^A-Za-z0-9]+", "-", manifest.name).strip("-") or "corpus"
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


def _bibtex(text: str) -> str:
    return re.sub(r"[{}\\]", "", one_line(text))
