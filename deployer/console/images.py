"""Prints images that were built or pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.console.lines import out, show_notices
from deployer.console.reports import show_report

if TYPE_CHECKING:
    from deployer.results.images import ImageBuilt, ImagePushed


def show_built(result: ImageBuilt, *, verbose: bool = False, quiet: bool = False) -> None:
    """Print the name, the id and the contents of an image, and its verification; if `quiet`, the name only."""
    if quiet:
        out(result.image)
        show_notices(result.notices)
        return
    state = "built" if result.created else "unchanged"
    out(f"{result.image}  {state}  {result.id}")
    out(f"  {'; '.join(map(str, result.models))}, {result.size_bytes / 2**20:.2f} MiB on {result.base}")
    for digest in result.digests:
        out(f"  {digest}")
    if result.report is not None:
        show_report(result.report, verbose=verbose)
    show_notices(result.notices)


def show_pushed(result: ImagePushed) -> None:
    """Print the reference by digest."""
    out(result.reference)
    show_notices(result.notices)
