"""The routes of the REST API. No I/O, no TensorFlow.

Source: `model_servers/http_rest_api_handler.cc`. The target is matched with its query string, undecoded; names and
labels are percent-decoded after the match.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from urllib.parse import unquote

from deployer.server.status import Code, ServingError, invalid

_WHICH = r"(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_POST = re.compile(rf"/v1/models/([^/:]+){_WHICH}:(classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(rf"/v1/models(?:/([^/:]+))?{_WHICH}(?:/(metadata))?", re.IGNORECASE)
_CACHE_SIZE = 256
_INT64_MAX = (1 << 63) - 1


class SilentError(ServingError):
    """An error reply without a body."""


@dataclasses.dataclass(frozen=True)
class Route:
    """The call of a request: `verb` is predict, classify, regress, metadata or status."""

    verb: str
    model: str
    version: int | None = None
    label: str | None = None


def is_api(path: str) -> bool:
    """Return whether a path belongs to the API."""
    return path[:4].lower() == "/v1/"


@functools.lru_cache(_CACHE_SIZE)
def route(method: str, target: str) -> Route:
    """Return the route of a request. Raises ServingError for requests outside the API."""
    malformed = invalid(f"Malformed request: {method} {target}")
    if method == "POST":
        match = _POST.fullmatch(target)
        if not match:
            raise malformed
        name, version, label, verb = match.groups()
        requested = _route(verb, name, version, label)
        if verb not in ("classify", "regress", "predict"):
            raise malformed
        return requested
    match = _GET.fullmatch(target) if method == "GET" else None
    if not match:
        raise malformed
    name, version, label, part = match.groups()
    requested = _route("metadata" if part == "metadata" else "status", name or "", version, label)
    if not requested.model:
        raise invalid("Missing model name in request.")
    return requested


def _route(verb: str, name: str, version: str | None, label: str | None) -> Route:
    number = int(version) if version else None
    if number is not None and number > _INT64_MAX:
        raise SilentError(Code.INVALID_ARGUMENT, f"Failed to convert version: {version} to numeric.")
    return Route(verb, _decoded(name), number, None if label is None else _decoded(label))


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")
