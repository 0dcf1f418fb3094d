"""What changes from one version to another."""

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
    """How far an output of the later version is from the earlier one's golden answers, over `values` values.

    `worst` and `mean` are absolute distances, None where there are none to tell: texts, another shape, randomness.
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
    """What two versions answered to the golden questions of the first, and the median time of an answer."""

    cases: int = 0
    distances: tuple[OutputDistance, ...] = ()
    refused: tuple[str, ...] = ()
    before_milliseconds: float | None = None
    after_milliseconds: float | None = None


@dataclass(frozen=True)
class VersionFigures:
    """A version's size and the median time that TensorFlow takes for a golden question, where it was measured."""

    version: int
    size_bytes: int
    tensorflow: str
    milliseconds: float | None


@dataclass(frozen=True)
class DiffResult:
    """What changes for clients from `before` to `after`; `refused` says which golden questions have no answer now."""

    name: str
    before: VersionFigures
    after: VersionFigures
    breaking: bool
    changes: tuple[SignatureChange, ...]
    distances: tuple[OutputDistance, ...]
    refused: tuple[str, ...]
