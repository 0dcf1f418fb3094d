"""The request for an export, its result, and the interface of a source kind."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from deployer.config.fields import option_name
from deployer.config.options import ExportFields
from deployer.results.model import TensorSpec
from deployer.results.progress import Progress


@dataclass(frozen=True, kw_only=True)
class ExportRequest(ExportFields):
    """A source as the user typed it, and the options of its export. Raises InvalidValue for a malformed input.

    `warmup_sizes` are the batch sizes that the warm-up file covers.
    """

    source: str = field(kw_only=False)
    warmup_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _ = self.specs

    @cached_property
    def specs(self) -> tuple[TensorSpec, ...]:
        """The inputs of `serving_default`, in order."""
        return tuple(TensorSpec.parse(text) for text in self.inputs)

    def changed(self) -> dict[str, object]:
        """Return the options that differ from their defaults, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        del values["source"]
        return {name: value for name, (value, default) in values.items() if value != default}


def option(name: str) -> str:
    """Return the command line spelling of a field of ExportRequest."""
    return "--signature NAME=..." if name == "signatures" else option_name(ExportRequest, name)


@dataclass(frozen=True)
class Saved:
    """The result of saving a source.

    `keras` is the version of the Keras that took part. `notes` are sentences on what was fixed, renamed, left out or
    not compared, for the output and for `inspect`. `version` is the number that an archive gives the model, 0 for none.
    `rewritten` means that the stored graph differs from the SavedModel's own.
    """

    keras: str | None = None
    notes: tuple[str, ...] = ()
    version: int | None = None
    rewritten: bool = False


class SourceKind(Protocol):
    """A module for one kind of source. To add one: a module, an entry in `source_kinds.py`, a row in the tests."""

    KIND: str
    SUPPORTED_OPTIONS: frozenset[str]
    """The fields of ExportRequest that this kind supports in addition to the common ones."""

    def matches(self, source: str) -> bool:
        """Return whether the text names a source of this kind; checks text and file system, opens nothing."""
        ...

    def location(self, source: str) -> str:
        """Return the source's absolute location. Raises SourceNotFound."""
        ...

    def digest(self, request: ExportRequest) -> str | None:
        """Return the sha256 of the source's bytes, or None if only running it shows what it produces."""
        ...

    def save(self, request: ExportRequest, target: Path, progress: Progress) -> Saved:
        """Write a SavedModel into the existing, empty directory `target`. Raises ModelError or ExtraMissing."""
        ...
