"""The models of a deployment: `[models.NAME]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deployer.config.fields import STRICT, at, doc
from deployer.config.options import ExportFields
from deployer.errors import InvalidValue
from deployer.results.model import TensorSpec, check_version

LABEL = re.compile(r"[A-Za-z0-9_]{1,64}")


def check_label(name: str) -> str:
    """Return a label that URLs and text protos can hold. Raises InvalidValue for any other."""
    if not LABEL.fullmatch(name):
        raise InvalidValue(f"label {name[:40]!r} is not allowed: 1 to 64 letters, digits and '_'")
    return name


@dataclass(frozen=True)
class ModelSpec(ExportFields):
    """One model of a deployment: `[models.NAME]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    source: str | None = doc(
        "what `up` exports from: a model file, a SavedModel directory or archive, a graph (.pb, .meta), `file.py:name` "
        "or `package.module:name`; without it the store's versions are deployed",
        default=None,
    )
    versions: tuple[int, ...] = doc("exact versions to serve; empty: the newest in the store", default=())
    labels: dict[str, int] = doc("names for versions, such as `{ stable = 3 }`", default_factory=dict)

    def __post_init__(self) -> None:
        with at("versions"):
            for version in self.versions:
                check_version(version)
        for label, version in self.labels.items():
            with at("labels"):
                check_label(label)
            with at("labels", label):
                check_version(version)
        with at("inputs"):
            for text in self.inputs:
                TensorSpec.parse(text)
