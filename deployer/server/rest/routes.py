"""The paths of the REST API: what a method and a target ask for. No I/O, no TensorFlow.

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
_KEPT = 256
_INT64_MAX = (1 << 63) - 1


class SilentError(ServingError):
    """A refusal that is answered without a body."""


@dataclasses.dataclass(frozen=True)
class Route:
    """What a request asks for: `verb` is predict, classify, regress, metadata or status."""

    verb: str
    model: str
    version: int | None = None
    label: str | None = None


def is_api(path: str) -> bool:
    """Tell whether a path belongs to the API at all."""
    return path[:4].lower() == "/v1/"


@functools.lru_cache(_KEPT)
def route(method: str, target: str) -> Route:
    """Return what is asked for; raises the refusal of a request that the API does not know."""
    malformed = invalid(f"Malformed request: {method} {target}")
    if method == "POST":
        found = _POST.fullmatch(target)
        if not found:
            raise malformed
        name, version, label, verb = found.groups()
        asked = _route(verb, name, version, label)
        if verb not in ("classify", "regress", "predict"):
            raise malformed
        return asked
    found = _GET.fullmatch(target) if method == "GET" else None
    if not found:
        raise malformed
    name, version, label, part = found.groups()
    asked = _route("metadata" if part == "metadata" else "status", name or "", version, label)
    if not asked.model:
        raise invalid("Missing model name in request.")
    return asked


def _route(verb: str, name: str, version: str | None, label: str | None) -> Route:
    number = int(version) if version else None
    if number is not None and number > _INT64_MAX:
        raise SilentError(Code.INVALID_ARGUMENT, f"Failed to convert version: {version} to numeric.")
    return Route(verb, _decoded(name), number, None if label is None else _decoded(label))


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")
