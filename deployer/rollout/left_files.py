"""Finds the files of an earlier render in a directory that the newest one does not write."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from deployer.manifests.layout import BASE, HEADER, KUSTOMIZATION, OVERLAYS
from deployer.results.launch import BATCHING_CONFIG, MODEL_CONFIG, MONITORING_CONFIG


def notices(names: Collection[str], directory: Path) -> Iterator[str]:
    """Yield the notice about files that were left, next to those with the `names`.

    They are not removed: nothing tells whether they were changed since.
    """
    left = {*_manifests(names, directory), *_config_files(names, directory)}
    if left:
        listed = ", ".join(sorted(str(path) for path in _without_parts(left)))
        effect = "; kubectl apply -k still takes an overlay of them" if any(map(_is_overlay, left)) else ""
        yield f"left from an earlier render, and not written any more: {listed}: delete what you do not use{effect}"


def _manifests(names: Collection[str], directory: Path) -> Iterator[Path]:
    """Yield manifests of deployer that are not among the names, if these are a base and overlays."""
    if f"{BASE}/{KUSTOMIZATION}" not in names:
        return
    written = {directory / name for name in names}
    for path in (*directory.glob(f"{BASE}/*.yaml"), *directory.glob(f"{OVERLAYS}/*/*.yaml")):
        if path not in written and _is_of_deployer(path):
            yield path


def _is_of_deployer(path: Path) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8").startswith(HEADER)
    return False


def _config_files(names: Collection[str], directory: Path) -> Iterator[Path]:
    """Yield the other files of the server's configuration where the one is that lists the models."""
    for name in names:
        if PurePosixPath(name).name != MODEL_CONFIG:
            continue
        for other in (BATCHING_CONFIG, MONITORING_CONFIG):
            path = PurePosixPath(name).with_name(other)
            if str(path) not in names and (directory / path).is_file():
                yield directory / path


def _is_overlay(path: Path) -> bool:
    return path.name == KUSTOMIZATION


def _without_parts(left: set[Path]) -> set[Path]:
    """Return the paths, with a directory in the place of the files of an overlay that is not written at all."""
    gone = {path.parent for path in left if _is_overlay(path)}
    return gone | {path for path in left if path.parent not in gone}
