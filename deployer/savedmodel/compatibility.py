"""Decide from signatures alone whether a new version breaks the clients of the old one; no model is run.

A client sends all inputs of a signature and reads its outputs by name, dtype and shape. TensorFlow Serving refuses a
request with a missing or an unknown input, so adding or removing an input breaks every client. Inputs may become wider
and outputs narrower, never the other way. REST writes a single output without its name and several outputs with their
names: a second output breaks REST clients of a model with one, a third output breaks no client of a model with two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from deployer.results.differences import SignatureChange
from deployer.results.model import Shape, Signature, TensorSpec


def compare(before: Sequence[Signature], after: Sequence[Signature]) -> tuple[SignatureChange, ...]:
    """Return every change of a signature, an input or an output, breaking or not; empty when both are equal."""
    old, new = ({signature.name: signature for signature in signatures} for signatures in (before, after))
    found: list[SignatureChange] = []
    for name in sorted(old | new):
        if name not in new:
            found.append(SignatureChange(name, "", breaking=True, detail="the signature is gone"))
        elif name not in old:
            found.append(SignatureChange(name, "", breaking=False, detail="a new signature"))
        else:
            found.extend(_signature(old[name], new[name]))
    return tuple(found)


def breaks(changes: Iterable[SignatureChange]) -> bool:
    """Return whether one of the changes breaks a client."""
    return any(change.breaking for change in changes)


def _signature(old: Signature, new: Signature) -> Iterator[SignatureChange]:
    if old.method != new.method:
        detail = f"called by {new.method or 'no method'}, not {old.method or 'no method'}"
        yield SignatureChange(old.name, "", breaking=True, detail=detail)
    yield from _tensors(old.name, "input", (old.inputs, new.inputs), _is_wider, may_grow=False)
    may_grow = len(old.outputs) != 1
    yield from _tensors(old.name, "output", (old.outputs, new.outputs), _is_narrower, may_grow=may_grow)


def _tensors(
    signature: str,
    kind: str,
    specs: tuple[Sequence[TensorSpec], Sequence[TensorSpec]],
    shape_fits: Callable[[Shape, Shape], bool],
    *,
    may_grow: bool,
) -> Iterator[SignatureChange]:
    old, new = ({spec.name: spec for spec in each} for each in specs)
    for name in sorted(old | new):
        tensor = f"{kind} {name}"
        if name not in new:
            yield SignatureChange(signature, tensor, breaking=True, detail=f"{old[name]} is gone")
        elif name not in old:
            yield SignatureChange(signature, tensor, breaking=not may_grow, detail=f"{new[name]} is new")
        elif old[name] != new[name]:
            same_kind = old[name].dtype == new[name].dtype and shape_fits(old[name].shape, new[name].shape)
            yield SignatureChange(signature, tensor, breaking=not same_kind, detail=f"{new[name]}, not {old[name]}")


def _is_wider(old: Shape, new: Shape) -> bool:
    """Return whether every tensor of the old shape also has the new one."""
    if new is None or old is None:
        return new is None
    return len(old) == len(new) and all(b is None or a == b for a, b in zip(old, new, strict=True))


def _is_narrower(old: Shape, new: Shape) -> bool:
    return _is_wider(new, old)
