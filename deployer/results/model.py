"""Values of a model: tensors and signatures, versions in the store, their sources and golden sets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import InvalidValue

Shape = tuple[int | None, ...] | None
"""A dimension of None has any size; a shape of None has any rank."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
TENSOR = re.compile(r"(?P<name>.+):(?P<dtype>[a-z0-9]+)\[(?P<shape>[^\[\]]*)\]")
DTYPES = frozenset(
    "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "bool string complex64 complex128".split()
)
MAX_VERSION = 2**63 - 1


def check_name(name: str, what: str = "model") -> str:
    """Return a name that needs no quoting as a directory, a label or a part of a URL. Raises InvalidValue."""
    if NAME.fullmatch(name):
        return name
    shown = name if len(name) <= 40 else name[:37] + "..."
    raise InvalidValue(
        f"{what} name {shown!r} is not allowed: 1 to 100 letters, digits, '_', '.', '-', the first a letter or digit",
        hint="choose another with --name NAME",
    )


def check_version(text: str | int) -> int:
    """Return a version number, which TensorFlow Serving accepts as the name of a directory. Raises InvalidValue."""
    if re.fullmatch(r"[0-9]{1,19}", str(text)) and 1 <= int(text) <= MAX_VERSION:
        return int(text)
    raise InvalidValue(f"version {str(text)[:40]!r} is not allowed: a whole number from 1 to {MAX_VERSION}")


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature."""

    name: str
    dtype: str
    shape: Shape

    @classmethod
    def parse(cls, text: str) -> TensorSpec:
        """Parse `name:dtype[shape]`, such as `image:float32[?,28,28]`; `?`, `-1` or `None` is any size."""
        name, colon, rest = text.rpartition(":")
        match = TENSOR.fullmatch(f"{name.strip()}{colon}{rest.replace(' ', '')}")
        if not match or match["dtype"] not in DTYPES:
            raise InvalidValue(
                f"input {text[:80]!r} is not of the form name:dtype[shape]",
                hint=f"for example: --input 'image:float32[?,28,28]'; dtypes: {', '.join(sorted(DTYPES))}",
            )
        parts = [part for part in match["shape"].split(",") if part]
        return cls(match["name"], match["dtype"], tuple(_dimension(part, text) for part in parts))

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype} of any shape"
        return f"{self.dtype}[{','.join('?' if size is None else str(size) for size in self.shape)}]"


def _dimension(part: str, text: str) -> int | None:
    if part in ("?", "-1", "None"):
        return None
    if part.isascii() and part.isdigit() and len(part) <= 10:
        return int(part)
    raise InvalidValue(f"dimension {part[:20]!r} of {text[:80]!r} is neither a whole number nor '?'")


@dataclass(frozen=True)
class Signature:
    """A function of a model; its inputs and outputs are sorted by name."""

    name: str
    method: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class SavedModelInfo:
    """The contents of a SavedModel, read without TensorFlow."""

    signatures: tuple[Signature, ...]
    tags: tuple[str, ...]
    tensorflow: str
    keras: str | None
    fingerprint: str | None
    size_bytes: int


@dataclass(frozen=True)
class Model:
    """A version in the store."""

    name: str
    version: int
    path: Path
    digest: str
    """The digest of the SavedModel's files."""

    info: SavedModelInfo
    source: Source
    golden: GoldenSummary
    created: str
    notes: tuple[str, ...] = ()
    """What the export fixed, renamed, left out or could not compare."""

    def signature(self, name: str) -> Signature | None:
        """Return the signature of that name; None without it."""
        return next((found for found in self.info.signatures if found.name == name), None)


@dataclass(frozen=True)
class Source:
    """The source that a version was exported from."""

    kind: str
    location: str
    digest: str | None
    """The digest of its content and of the export's options; None for code, whose result is known only when it runs."""

    keras: str | None = None
    """The version of Keras that wrote it; None for other sources."""

    options: str | None = None
    """The digest of the export's options and examples."""

    content: str | None = None
    """The digest of its content alone."""


@dataclass(frozen=True)
class GoldenSummary:
    """A summary of the golden set of a version."""

    cases: int
    origin: str
    """How its questions were made."""

    random_outputs: tuple[str, ...] = ()
    """`signature/output` pairs whose values are random: only their shapes and dtypes are compared."""

    skipped: tuple[str, ...] = ()
    """Signatures without golden answers, each with the reason."""

    warmup: int = 0
    """How many warm-up records were made of it."""

    compared: tuple[str, ...] = ()
    """Signatures whose golden answers equal those of the source model."""

    not_compared: tuple[str, ...] = ()
    """Signatures that the source model could not answer, each with the reason."""

    notes: tuple[str, ...] = ()
    """What signatures accept less than they declare, and what an API cannot carry."""

    itself: bool = False
    """Whether the source is the SavedModel itself."""

    rewritten: bool = False
    """Whether the graph of that SavedModel was rewritten, for `--tags`, `--default-signature` or from text."""

    @property
    def is_whole(self) -> bool:
        """Whether all values of all signatures were compared with the source model."""
        of_source = self.itself or (self.compared and not self.not_compared)
        return bool(of_source) and not (self.skipped or self.random_outputs)

    @property
    def fidelity(self) -> str:
        """One line that says how far the version was compared with the source model."""
        if not self.cases:
            return "not compared with the source model: there are no golden answers"
        if self.itself:
            kept = "its variables and assets" if self.rewritten else "all of it"
            graph = ", its graph is rewritten" if self.rewritten else ""
            taken = f"{kept} taken over byte for byte{graph}"
            return f"not compared with a source model: the SavedModel is the source itself, {taken}"
        without = "; ".join(self.not_compared) or "the version was made before that was done"
        if not self.compared:
            return f"not compared with the source model: {without}"
        left_out = [f"not compared: {without}"] if self.not_compared else []
        if self.random_outputs:
            left_out.append(f"of {', '.join(self.random_outputs)} shapes and dtypes only")
        which = f" ({', '.join(self.compared)})" if left_out or self.skipped else ""
        return "; ".join([f"verified against the source model{which}", *left_out])

    @property
    def lack(self) -> str:
        """The reason why a version has no golden answers."""
        reasons = "; ".join(self.skipped) or "this version was not exported by deployer"
        return f"no golden answers to compare with: {reasons}"
