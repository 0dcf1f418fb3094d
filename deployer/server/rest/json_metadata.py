"""Write the status and the signatures of versions as JSON.

Source: the JSON of `http_rest_api_util.cc`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format

from deployer.server.metadata import signature_map
from deployer.server.monitor import VersionState
from deployer.server.rest.json_text import encode
from deployer.server.servable import Model
from deployer.server.status import Code

# protobuf 5.26 renamed the option that prints unset fields.
_PRINT_ALL = next(
    name
    for name in ("always_print_fields_with_no_presence", "including_default_value_fields")
    if name in inspect.signature(json_format.MessageToDict).parameters
)


def status(states: Sequence[VersionState]) -> bytes:
    """Return the JSON of the status of versions."""
    return encode(_dump({"model_version_status": [_status(state) for state in states]}) + "\n")


def _status(state: VersionState) -> dict[str, Any]:
    code, text = (state.error.code, state.error.message) if state.error else (Code.OK, "")
    return {
        "version": str(state.version),
        "state": state.state.name,
        "status": {"error_code": code.name, "error_message": text},
    }


def metadata(name: str, version: int, model: Model) -> bytes:
    """Return the JSON of the signatures of a version."""
    spec = _dump({"name": name, "signature_name": "", "version": str(version)})
    options: dict[str, Any] = {_PRINT_ALL: True, "preserving_proto_field_name": True}
    signatures = _dump(json_format.MessageToDict(signature_map(model), **options))
    return encode(f'{{\n"model_spec":{spec}\n,\n"metadata": {{"signature_def": {signatures}\n}}\n}}\n')


def _dump(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
