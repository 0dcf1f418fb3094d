"""Copy a SavedModel's files into the store, without reading them if the file system allows it."""

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
"""Linux's `FICLONE` request: both files share their blocks until one of them changes."""


def files_below(root: Path) -> Iterator[Path]:
    """Yield every file of the tree, following links.

    Raises BrokenModel for links that lead out of it, and for devices and pipes.
    """
    yield from _files(root, root.resolve(), (root.resolve(),))


def _files(directory: Path, root: Path, ancestors: tuple[Path, ...]) -> Iterator[Path]:
    for entry in sorted(directory.iterdir()):
        real = _checked(entry, root)
        if real.is_dir():
            if real in ancestors:
                raise BrokenModel(f"{entry} is a link to a directory that holds it")
            yield from _files(entry, root, (*ancestors, real))
        elif real.is_file():
            yield entry
        else:
            raise BrokenModel(f"{entry} is neither a file nor a directory: a SavedModel holds nothing else")


def _checked(entry: Path, root: Path) -> Path:
    try:
        real = entry.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise BrokenModel(f"{entry} is a link that leads nowhere") from error
    if entry.is_symlink() and not real.is_relative_to(root):
        raise BrokenModel(
            f"{entry} is a link to {real}, outside of the model",
            hint="copy the file into the SavedModel directory: a version must be whole in itself",
        )
    return real


def clone_or_copy(source: Path, target: Path) -> None:
    """Create `target` with the bytes of `source`, which stays unchanged: cloned, hard-linked or copied.

    Cloning comes first: it is free, and a source that is later overwritten in place does not change the store. Only
    shards of variables are hard-linked: they are large, and TensorFlow replaces them when a model is saved again in the
    same place, while it overwrites the index.
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
    """Hard-link a file that every server may read: its mode is the source's own and must not be changed."""
    if source.stat().st_mode & READABLE != READABLE:
        return False
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
