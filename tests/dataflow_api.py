"""The published schema of Dataflow's API v1b3, as Google's own client carries it: a stranger's word on a request."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@cache
def _document() -> dict[str, Any]:
    client = pytest.importorskip("googleapiclient", reason="pip install google-api-python-client")
    path = Path(client.__file__).parent / "discovery_cache" / "documents" / "dataflow.v1b3.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def schema_faults(message: object, kind: str) -> list[str]:
    """What the API's type `kind` (as `Job`) does not allow in a message: unknown names, wrong types, unknown values."""
    jsonschema = pytest.importorskip("jsonschema")
    known = {name: _strict(schema) for name, schema in _document()["schemas"].items()}
    checker = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": known})
    return [f"{'/'.join(map(str, fault.path))}: {fault.message}" for fault in checker.iter_errors(message)]


def _strict(schema: Any) -> Any:
    """A schema of a discovery document as JSON Schema. The document means names without $defs, and no others than it lists."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    if schema.get("type") == "any":
        return {}
    made = {name: _strict(schema[name]) for name in ("items", "additionalProperties", "enum") if name in schema}
    made["type"] = schema["type"]
    if str(schema.get("format", "")).endswith("int64"):
        made["type"] = ["string", "integer"]  # JSON of the API writes them as text, and reads both
    if "properties" in schema:
        made["properties"] = {name: _strict(one) for name, one in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made
