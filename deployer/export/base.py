"""What is asked of an export, and what a kind of source must be able to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from deployer.results.model import TensorSpec

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ExportRequest:
    """A source as it was typed, and the options that go with it.

    `inputs` become the inputs of `serving_default`, in order. `signature` names one that must be there;
    `default_signature` one that is served as `serving_default`. `tags` are those of the MetaGraph to take from a
    SavedModel that has several. `graph_inputs` and `graph_outputs` are `name=tensor` pairs of a graph.
    `signatures` are `name=place:function` texts; `serve_as` names wrappers;
    `custom_objects` is the `place:name` of classes and functions that a Keras file needs.
    `weights` is a file of weights for the Keras model that a function builds.
    `trust` lets a model file run the code that it carries. `warmup` says whether a warm-up file is made, None leaves
    it to the kind of the source; `warmup_sizes` are the batch sizes that it has records for.
    """

    source: str
    inputs: tuple[TensorSpec, ...] = ()
    signature: str | None = None
    examples: Path | None = None
    trust: bool = False
    tags: tuple[str, ...] | None = None
    default_signature: str | None = None
    graph_inputs: tuple[str, ...] = ()
    graph_outputs: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    serve_as: tuple[str, ...] = ()
    warmup: bool | None = None
    warmup_sizes: tuple[int, ...] = ()
    custom_objects: str | None = None
    weights: Path | None = None

    def given(self) -> dict[str, Any]:
        """The options that were set, by name: all fields but the source that differ from their defaults."""
        values = ((field, getattr(self, field.name)) for field in dataclasses.fields(self)[1:])
        return {field.name: value for field, value in values if value != field.default}


OPTIONS = {
    "inputs": "--input",
    "graph_inputs": "--graph-input",
    "graph_outputs": "--graph-output",
    "signatures": "--signature NAME=...",
}
"""Options that are not called like the field that holds them."""


def option(name: str) -> str:
    """A field of ExportRequest as it is typed."""
    return OPTIONS.get(name, f"--{name.replace('_', '-')}")


@dataclass(frozen=True)
class Saved:
    """What saving a source brought. `keras` is the version of the Keras that took part, if one did. `notes` say what
    was fixed, renamed, left out or not compared: one sentence each, for the export's output and for `inspect`.
    `version` is the number that an archive gives the model, 0 for none. `rewritten` says that the graph of a SavedModel
    is not stored as it was."""

    keras: str | None = None
    notes: tuple[str, ...] = ()
    version: int | None = None
    rewritten: bool = False


class SourceKind(Protocol):
    """A module per kind of source. Adding one: a file, a line in `kinds.py`, a row in the tests."""

    KIND: str
    TAKES: frozenset[str]
    """The options that it honours, apart from those that go with every source: fields of ExportRequest."""

    def matches(self, source: str) -> bool:
        """Whether the text names a source of this kind; looks at the text and the file system, opens nothing."""
        ...

    def location(self, source: str) -> str:
        """The source's absolute place. Raises SourceNotFound."""
        ...

    def digest(self, request: ExportRequest) -> str | None:
        """sha256 over the source's own bytes, or None where only running it tells what it makes."""
        ...

    def save(self, request: ExportRequest, target: Path, progress: Progress) -> Saved:
        """Write a SavedModel into the existing, empty folder `target`. Raises ModelError or ExtraMissing."""
        ...
