"""What is asked of an export, and what a kind of source must be able to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from deployer.config.fields import option_name
from deployer.config.options import ExportFields
from deployer.results.model import TensorSpec

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ExportRequest(ExportFields):
    """A source as it was typed, and what shapes its export. Raises InvalidValue for a malformed input.

    `warmup_sizes` are the batch sizes that a warm-up file has records for.
    """

    source: str = field(kw_only=False)
    warmup_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _ = self.specs

    @cached_property
    def specs(self) -> tuple[TensorSpec, ...]:
        """The inputs of `serving_default`, in order."""
        return tuple(TensorSpec.parse(text) for text in self.inputs)

    def changed(self) -> dict[str, Any]:
        """The options that were set, by name: all fields but the source that differ from their defaults."""
        values = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        del values["source"]
        return {name: value for name, (value, default) in values.items() if value != default}


def option(name: str) -> str:
    """A field of ExportRequest as it is typed."""
    return "--signature NAME=..." if name == "signatures" else option_name(ExportRequest, name)


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
    """A module per kind of source. Adding one: a file, a line in `source_kinds.py`, a row in the tests."""

    KIND: str
    SUPPORTED_OPTIONS: frozenset[str]
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
