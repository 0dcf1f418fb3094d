"""The models of a deployment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from deployer.config.words import STRICT, at, doc
from deployer.errors import InvalidValue
from deployer.results.model import TensorSpec, check_version

LABEL = re.compile(r"[A-Za-z0-9_]{1,64}")


def check_label(name: str) -> str:
    """A name for a version as a URL and a text proto can hold it. Raises InvalidValue."""
    if not LABEL.fullmatch(name):
        raise InvalidValue(f"label {name[:40]!r} is not allowed: 1 to 64 letters, digits and '_'")
    return name


@dataclass(frozen=True)
class ModelSpec:
    """One model of a deployment: `[models.NAME]`."""

    __pydantic_config__: ClassVar[Any] = STRICT

    source: str | None = doc(
        "what `up` exports from: a model file, a SavedModel folder or archive, a graph (.pb, .meta), `file.py:name` or "
        "`package.module:name`; without it the store's versions are deployed",
        default=None,
    )
    versions: tuple[int, ...] = doc("exact versions to serve; empty: the newest in the store", default=())
    labels: dict[str, int] = doc("names for versions, such as `{ stable = 3 }`", default_factory=dict)
    inputs: tuple[str, ...] = doc("inputs of `serving_default`, each `name:dtype[shape]`", default=())
    signature: str | None = doc("a signature that the model must have", default=None)
    examples: Path | None = doc(
        "example inputs for the golden set: .json, .jsonl, .npz, .csv, .tfrecord, or a folder of images", default=None
    )
    trust: bool = doc("let the model file run the code that it carries (Lambda layers)", default=False)
    tags: tuple[str, ...] | None = doc(
        "tags of the graph to take from a SavedModel that has several; it is served as `serve`", default=None
    )
    graph_inputs: tuple[str, ...] = doc("inputs of a graph (.pb, .meta), each `name=tensor`", default=())
    graph_outputs: tuple[str, ...] = doc("outputs of a graph (.pb, .meta), each `name=tensor`", default=())
    signatures: tuple[str, ...] = doc("more signatures, each `name=file.py:function`", default=())
    serve_as: tuple[str, ...] = doc(
        "wrappers beside the raw signature: `examples` takes tf.Example messages, `jpeg` encoded images", default=()
    )
    custom_objects: str | None = doc(
        "classes and functions that a Keras file needs: `file.py:NAME` of a dict, a class or a function", default=None
    )
    weights: Path | None = doc("weights for the Keras model that `file.py:function` builds", default=None)
    default_signature: str | None = doc("a signature that is served as `serving_default` too", default=None)
    warmup: bool | None = doc(
        "make a warm-up file from the golden set; unset: for all but SavedModels that exist",
        default=None,
    )

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
