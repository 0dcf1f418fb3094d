"""Requests that the user gives, in TensorFlow Serving's JSON: one, or one on each line of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.client.sample_request import DEFAULT_SIGNATURE
from deployer.errors import MalformedTensor, UsageError
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel import tensors

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

MAX_BYTES = 256 << 20
STDIN = Path("-")
HINT = 'a predict request, such as {"instances": [[0.0, 0.5]]}, or one on each line'


@dataclass(frozen=True)
class GivenRequest:
    """A predict request: its text as it is sent over REST, and its signature and columns for gRPC."""

    body: bytes
    signature: str
    inputs: object
    """Columns by name, or one column, as `inputs` has them; None if there are `instances`."""

    instances: object

    def arrays(self, signature: Signature) -> dict[str, Array]:
        """Return the arrays by input name. Raises UsageError for values that do not fit the signature."""
        try:
            return {
                spec.name: tensors.from_json(self._column(spec, signature), spec.dtype) for spec in signature.inputs
            }
        except MalformedTensor as error:
            hint = "--api rest sends it as it is"
            raise UsageError(f"a request does not fit signature {signature.name}: {error}", hint=hint) from error

    def _column(self, spec: TensorSpec, signature: Signature) -> object:
        single = len(signature.inputs) == 1
        if self.instances is None:
            return self.inputs if single and not _names(self.inputs, spec) else _value(self.inputs, spec.name)
        if not isinstance(self.instances, list):
            raise MalformedTensor("instances are no list")
        return [row if single and not _names(row, spec) else _value(row, spec.name) for row in self.instances]


def read(path: Path) -> tuple[GivenRequest, ...]:
    """Return the requests of a file; `-` is standard input. Raises UsageError."""
    try:
        with open(0 if path == STDIN else path, "rb", closefd=path != STDIN) as file:
            data = file.read(MAX_BYTES + 1)
        return parse(data.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint=HINT) from error


def parse(text: str) -> tuple[GivenRequest, ...]:
    """Return the requests of a file. Raises UsageError."""
    if len(text) > MAX_BYTES:
        raise UsageError(f"the requests are longer than {MAX_BYTES >> 20} MiB", hint="give fewer requests")
    try:
        return (_request(text, json.loads(text)),)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
    except RecursionError as error:
        raise UsageError("the request is nested too deeply", hint=HINT) from error
    if not lines:
        raise UsageError("there is no request in the file", hint=HINT)
    return tuple(_request(line, _parsed(line, number)) for number, line in enumerate(lines, 1))


def _parsed(line: str, number: int) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"line {number} of the requests is not JSON: {error}", hint=HINT) from error


def _request(text: str, document: object) -> GivenRequest:
    if not isinstance(document, dict) or ("inputs" in document) is ("instances" in document):
        raise UsageError(f"a request has either inputs or instances, and not {text.strip()[:60]!r}", hint=HINT)
    signature = document.get("signature_name", DEFAULT_SIGNATURE)
    return GivenRequest(text.strip().encode(), str(signature), document.get("inputs"), document.get("instances"))


def _names(value: object, spec: TensorSpec) -> bool:
    """Return whether a value is an object with the column of an input, and not a string in base64."""
    return isinstance(value, Mapping) and spec.name in value


def _value(columns: object, name: str) -> Any:
    if not isinstance(columns, Mapping) or name not in columns:
        raise MalformedTensor(f"input {name} is missing")
    return columns[name]


def signature_of(request: GivenRequest, signatures: Sequence[Signature]) -> Signature:
    """Return the signature that a request is for. Raises UsageError."""
    for signature in signatures:
        if signature.name == request.signature:
            return signature
    names = ", ".join(signature.name for signature in signatures)
    raise UsageError(f"there is no signature {request.signature[:60]!r}; there are: {names}", hint=HINT)
