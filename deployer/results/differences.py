"""Differences between two versions of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SignatureChange:
    """One difference between the signatures of two versions; `place` is `input NAME`, `output NAME`, or empty."""

    signature: str
    place: str
    breaking: bool
    detail: str


@dataclass(frozen=True)
class OutputDistance:
    """How much an output of the later version differs from the golden answers of the earlier one.

    `worst` and `mean` are absolute differences of `values` numbers; None for strings, another shape, or random outputs.
    """

    signature: str
    output: str
    worst: float | None
    mean: float | None
    differing: int
    values: int
    detail: str = ""


@dataclass(frozen=True)
class Numbers:
    """Answers of two versions to the golden questions of the first, compared, with their median times."""

    cases: int = 0
    distances: tuple[OutputDistance, ...] = ()
    refused: tuple[str, ...] = ()
    before_milliseconds: float | None = None
    after_milliseconds: float | None = None


@dataclass(frozen=True)
class VersionFigures:
    """The size of a version, and the median time that TensorFlow takes for a golden question, if measured."""

    version: int
    size_bytes: int
    tensorflow: str
    milliseconds: float | None


@dataclass(frozen=True)
class DiffResult:
    """What changes for clients from `before` to `after`; `refused` names golden questions without an answer."""

    name: str
    before: VersionFigures
    after: VersionFigures
    breaking: bool
    changes: tuple[SignatureChange, ...]
    distances: tuple[OutputDistance, ...]
    refused: tuple[str, ...]
