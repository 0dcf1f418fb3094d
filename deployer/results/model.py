"""Values: tensors, signatures and models, as a SavedModel declares them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import InvalidValue

Shape = tuple[int | None, ...] | None
"""None for an open dimension; a shape of None for an unknown rank."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
TENSOR = re.compile(r"(?P<name>.+):(?P<dtype>[a-z0-9]+)\[(?P<shape>[^\[\]]*)\]")
DTYPES = frozenset(
    "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "bool string complex64 complex128".split()
)
MAX_VERSION = 2**63 - 1


def check_name(name: str, what: str = "model") -> str:
    """The name itself, when it can be a folder, a label and a URL part without quoting."""
    if NAME.fullmatch(name):
        return name
    shown = name if len(name) <= 40 else name[:37] + "..."
    raise InvalidValue(
        f"{what} name {shown!r} is not allowed: 1 to 100 letters, digits, '_', '.', '-', the first a letter or digit",
        hint="choose another with --name NAME",
    )


def check_version(text: str | int) -> int:
    """A version number: TensorFlow Serving loads only folders named by a whole number, and 0 reads as 'not set'."""
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
        """Read `name:dtype[shape]`, e.g. `image:float32[?,28,28]`; `?` (or `-1`, `None`) leaves a dimension open."""
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
    """A callable of the model: inputs and outputs are sorted by name."""

    name: str
    method: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class SavedModelInfo:
    """What `saved_model.pb` and the files beside it say, read without TensorFlow."""

    signatures: tuple[Signature, ...]
    tags: tuple[str, ...]
    tensorflow: str
    keras: str | None
    fingerprint: str | None
    size_bytes: int


@dataclass(frozen=True)
class Model:
    """A version in the store. `digest` is over the bytes of the SavedModel; `source` says what it was exported from.
    `notes` say what the export fixed, renamed, left out or could not compare: one sentence each.
    """

    name: str
    version: int
    path: Path
    digest: str
    info: SavedModelInfo
    source: Source
    golden: GoldenSummary
    created: str
    notes: tuple[str, ...] = ()

    def signature(self, name: str) -> Signature | None:
        """The signature of that name, if the model has it."""
        return next((found for found in self.info.signatures if found.name == name), None)


@dataclass(frozen=True)
class Source:
    """Where a version came from. `digest` covers the source's bytes and every option that shapes the export; where only
    running the source tells what it makes, there is none. `options` covers the options and examples, `content` the
    bytes alone. `keras` is the version of the Keras that wrote it, where one did.
    """

    kind: str
    location: str
    digest: str | None
    keras: str | None = None
    options: str | None = None
    content: str | None = None


@dataclass(frozen=True)
class GoldenSummary:
    """What the golden set holds: how many cases, made how, which outputs are random, and what it lacks.

    `random_outputs` are `signature/output` pairs whose values change from run to run: their shape and dtype are
    proven, their values are not. `skipped` names signatures without golden answers, each with its reason. `warmup`
    counts the records that were made of it for the server's warm-up. `compared` are the signatures whose answers the
    source model itself gave too; `not_compared` says of which others it did not, and why. `notes` say what a signature
    takes less of than it declares, and what an API cannot carry. `itself` says that the SavedModel is the source, and
    `rewritten` that its graph was stored in another form: of text, or as `--tags` or `--default-signature` asked.
    """

    cases: int
    origin: str
    random_outputs: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    warmup: int = 0
    compared: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    itself: bool = False
    rewritten: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every signature has golden answers, each with all of its values the source model's own."""
        of_source = self.itself or (self.compared and not self.not_compared)
        return bool(of_source) and not (self.skipped or self.random_outputs)

    @property
    def fidelity(self) -> str:
        """Whether the source model itself was asked, in one line."""
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
        """What is said of a version without golden answers."""
        reasons = "; ".join(self.skipped) or "this version was not exported by deployer"
        return f"no golden answers to compare with: {reasons}"
