"""Brings a SavedModel's files into the store without reading them where the file system allows it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from deployer.errors import BrokenModel

READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
SHARD = re.compile(r"\.data-\d{5}-of-\d{5}$")
FICLONE = 0x40049409
"""The `FICLONE` request of Linux: both files share their blocks until one of them changes."""


def files_below(root: Path) -> Iterator[Path]:
    """Every file of the tree, links followed. Raises BrokenModel for links that lead out and for devices and pipes."""
    yield from _files(root, root.resolve(), (root.resolve(),))


def _files(folder: Path, root: Path, ancestors: tuple[Path, ...]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        real = _checked(entry, root)
        if real.is_dir():
            if real in ancestors:
                raise BrokenModel(f"{entry} is a link to a folder that holds it")
            yield from _files(entry, root, (*ancestors, real))
        elif real.is_file():
            yield entry
        else:
            raise BrokenModel(f"{entry} is neither a file nor a folder: a SavedModel holds nothing else")


def _checked(entry: Path, root: Path) -> Path:
    try:
        real = entry.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise BrokenModel(f"{entry} is a link that leads nowhere") from error
    if entry.is_symlink() and not real.is_relative_to(root):
        raise BrokenModel(
            f"{entry} is a link to {real}, outside of the model",
            hint="copy the file into the SavedModel folder: a version must be whole in itself",
        )
    return real


def clone_or_copy(source: Path, target: Path) -> None:
    """`target` becomes a file with the bytes of `source`, which stays as it is: shared, linked, or else copied.

    Shared blocks come first: they cost nothing, and a source that is later overwritten in place does not reach
    into the store. Linked are only shards of variables, the large files: TensorFlow replaces them when a model is saved
    again at the same place, and overwrites the index beside them.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    real = source.resolve()
    if not (_clone(real, target) or (SHARD.search(target.name) and _link(real, target))):
        shutil.copyfile(real, target)


def _clone(source: Path, target: Path) -> bool:
    try:
        with source.open("rb") as read, target.open("xb") as write:
            fcntl.ioctl(write.fileno(), FICLONE, read.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        return False
    return True


def _link(source: Path, target: Path) -> bool:
    """A hard link, for files that every server may read: the mode is the source's own and must not be changed."""
    if source.stat().st_mode & READABLE != READABLE:
        return False
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
