"""Validates objects as an API server does, without a cluster."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
from kubernetes_validate import utils

VERSIONS = ("1.30", "1.34", "1.37")
"""Releases of Kubernetes, each with its strict schemas: an unknown field is an error."""
utils.schema_contents = cache(utils.schema_contents)  # megabytes, which it reads for every object
SCHEMAS = Path(__file__).parents[1] / "unit" / "manifests" / "schemas"
"""Schemas of custom resources, written from their documentation."""


def validate(manifest: dict[str, Any]) -> int:
    """Raise ValidationError unless the object is valid; return the number of schemas that it was validated with."""
    custom = SCHEMAS / f"{manifest['kind'].lower()}.json"
    if custom.is_file():
        _validator(custom).validate(manifest)
        return 1
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)
    return len(VERSIONS)


@cache
def _validator(path: Path) -> jsonschema.Draft202012Validator:
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)
