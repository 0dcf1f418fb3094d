"""Prints versions of the store, and files that were rendered or written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.console import terminal
from deployer.console.lines import out, show_notices, table
from deployer.console.terminal import BOLD, GREEN, RED, colored

if TYPE_CHECKING:
    from deployer.results.differences import DiffResult
    from deployer.results.launch import Rendered
    from deployer.results.model import Model, Signature
    from deployer.results.versions import ExportResult, InspectResult, PruneResult, VersionsResult


def show_export(result: ExportResult) -> None:
    """Print the version, and whether it is new."""
    model = result.model
    out(f"{model.name}:{model.version}  {'exported' if result.created else 'unchanged'}  {model.path}")
    _show_golden(model)
    show_notices(result.notices)


def show_init(path: Path, command: str) -> None:
    """Print the file that was written, and the command that deploys."""
    out(f"wrote {path}")
    terminal.write(f"\ndeploy it:  {command}", sys.stderr)


def show_versions(result: VersionsResult, options: str = "") -> None:
    """Print a table of versions. `options` are those that chose the store."""
    if not result.models:
        _print_empty_store(options)
        return
    sizes = [f"{model.info.size_bytes / 2**20:.2f} MiB" for model in result.models]
    widest = max(map(len, sizes))
    table(
        [
            (
                f"{model.name}:{model.version}",
                size.rjust(widest),
                model.created,
                model.source.kind,
                model.source.location,
            )
            for model, size in zip(result.models, sizes, strict=True)
        ]
    )


def _print_empty_store(options: str) -> None:
    terminal.write(f"the store has no models: deployer export SOURCE{options} makes the first version", sys.stderr)


def show_prune(result: PruneResult, options: str = "") -> None:
    """Print each version with what happens to it and why, and how much space that frees.

    `options` are those that chose the store.
    """
    if not (result.kept or result.removed):
        _print_empty_store(options)
        return
    action = "removed" if result.done else "would be removed"
    rows = [(model, f"stays: {reason}") for model, reason in zip(result.kept, result.reasons, strict=True)]
    rows += [(model, action) for model in result.removed]
    rows.sort(key=lambda row: (row[0].name, row[0].version))
    table([(f"{model.name}:{model.version}", text) for model, text in rows])
    size = sum(model.info.size_bytes for model in result.removed) / 2**20
    stay = "1 version stays" if len(result.kept) == 1 else f"{len(result.kept)} versions stay"
    out(f"{result.store}: {stay}; {len(result.removed)} with {size:.2f} MiB {action}")


def show_diff(result: DiffResult) -> None:
    """Print the changes of signatures, the differences of answers, and the size and latency of both versions."""
    verdict = colored("breaking", RED) if result.breaking else colored("compatible", GREEN)
    out(f"{result.name}:{result.before.version} -> {result.name}:{result.after.version}  {verdict}")
    for change in result.changes:
        mark = colored("breaking  ", RED) if change.breaking else colored("compatible", GREEN)
        out(f"  {mark}  {change.signature}  {change.place or 'signature'}: {change.detail}")
    for each in result.distances:
        distance = "no distance" if each.worst is None else f"worst {each.worst:.3g}, mean {each.mean:.3g}"
        detail = f"  ({each.detail})" if each.detail else ""
        out(f"  {each.signature}/{each.output}: {distance}, {each.differing} of {each.values} differ{detail}")
    for reason in result.refused:
        out(f"  no answer: {reason}")
    for figures in (result.before, result.after):
        latency = "" if figures.milliseconds is None else f"  {figures.milliseconds:.2f} ms"
        out(f"  {result.name}:{figures.version}  {figures.size_bytes / 2**20:.2f} MiB{latency}")


def show_inspect(result: InspectResult) -> None:
    """Print the signatures with names, dtypes and shapes, and a sample request for each."""
    model = result.model
    out(f"{model.name}:{model.version}  {model.path}" if result.stored else str(model.path))
    size = model.info.size_bytes / 2**20
    out(f"  TensorFlow {model.info.tensorflow}, Keras {model.info.keras or '-'}, {size:.2f} MiB")
    for signature in model.info.signatures:
        _show_signature(signature)
    _show_golden(model)
    for note in result.notes:
        out(f"  {colored('note:', BOLD)} {note}")
    if result.curl and not result.served:
        out("  an example of a request, for a server at the usual port:")
    for line in result.curl:
        out(f"  {line}" if result.served else f"    {line}")


def _show_signature(signature: Signature) -> None:
    out(f"  {signature.name}  ({signature.method or 'no method'})")
    for arrow, specs in (("in ", signature.inputs), ("out", signature.outputs)):
        for spec in specs:
            out(f"    {arrow} {spec.name}: {spec}")


def _show_golden(model: Model) -> None:
    golden = model.golden
    out(f"  golden set: {golden.cases} cases, {golden.origin}")
    if golden.cases:
        out(f"    {golden.fidelity}")
    if golden.warmup:
        out(f"  warm-up: {golden.warmup} requests")
    for name in golden.random_outputs:
        out(f"    random by nature, values not compared: {name}")
    for reason in golden.skipped:
        out(f"    not verified: {reason}")
    for note in golden.notes:
        out(f"    {colored('note:', BOLD)} {note}")


def show_rendered(rendered: Rendered) -> None:
    """Print every file under its name."""
    for name, text in rendered.files.items():
        out(f"# {name}\n{text}")
    show_notices(rendered.notices)


def show_written(paths: Sequence[Path], notices: Sequence[str] = ()) -> None:
    """Print the paths of the files that were written."""
    for path in paths:
        out(f"wrote {path}")
    show_notices(notices)
