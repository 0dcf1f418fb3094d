"""Tells what a person means by TARGET: a source to export, or a model that the store has."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import SourceNotFound, UsageError
from deployer.results.model import NAME, check_version
from deployer.savedmodel import reader
from deployer.savedmodel.layout import is_saved_model, misplaced, no_store
from deployer.server.version_names import is_number, version_number
from deployer.store.manifest import FOREIGN
from deployer.store.store import Store
from deployer.system.locations import local

STORED = re.compile(r"(?P<name>[^:/]+)(:(?P<version>[0-9]+))?")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
NEWEST = frozenset({"latest", "newest", "stable", "current", "last"})
SOURCE_SUFFIXES = (".keras", ".h5", ".hdf5", ".py", ".pb", ".meta", ".zip", ".tar", ".gz", ".tgz")

TO_DEPLOY = "a model file, a SavedModel folder, file.py:name, package.module:name, or NAME[:VERSION]"
_IN_STORE = "NAME[:VERSION] of a model in the store (deployer versions lists them)"
TO_INSPECT = f"a SavedModel folder, or {_IN_STORE}"
TO_RENDER = f"{_IN_STORE}, or no name for what deployer.toml lists"


@dataclass(frozen=True)
class Stored:
    """A model in the store; version None is the newest."""

    name: str
    version: int | None


def as_text(target: object) -> str:
    """A source or a target as the command line would have it; a `file://` URI becomes a path. Raises UsageError for a
    model that is not in a file, SourceNotFound for one that is on another machine.
    """
    if isinstance(target, (str, os.PathLike)):
        return local(os.fsdecode(target))
    raise UsageError(
        f"{type(target).__name__} is no path and no name: only what is in a file can be made again and proven",
        hint="model.save('model.keras') and give that, or give file.py:name of the code that makes it",
    )


def stored(target: str, store: Store, forms: str = TO_DEPLOY) -> Stored | None:
    """The model in the store that `target` names, or None when it names a source. `forms` are what may be given.

    A model of that name in the store wins over a file of that name; `./NAME` always means the file. The path of a model
    or a version that is in the store names that one.
    Raises SourceNotFound when it is neither.
    """
    match = STORED.fullmatch(target)
    if not match or target.endswith(SOURCE_SUFFIXES):
        refuse_tag(target, store)
        return _by_path(target, store)
    if match["version"] is not None:
        return Stored(match["name"], check_version(match["version"]))
    if target in store.names():
        return Stored(target, None)
    if _exists(target):
        return None
    raise _neither(target, store, forms)


def refuse_tag(target: str, store: Store) -> None:
    """`model:latest` is a habit of Docker's users, and would be taken for code. Raises SourceNotFound."""
    name, colon, version = target.partition(":")
    is_tag = colon and TAG.fullmatch(version) and not version.isdecimal()
    if not is_tag or not NAME.fullmatch(name) or name.endswith(SOURCE_SUFFIXES):
        return
    if (name in store.names() or version in NEWEST) and not _is_code(name):
        numbers = ", ".join(map(str, store.versions(name)[-10:])) or "none"
        raise SourceNotFound(
            f"{target} is no model and no version: NAME:VERSION takes a number ({name} has: {numbers})",
            hint=f"deployer up {name} takes the newest",
        )


def _is_code(name: str) -> bool:
    """Whether a module of that name is here or installed, as far as the outermost package tells."""
    from importlib.util import find_spec

    package = name.partition(".")[0]
    return Path(package).is_dir() or Path(f"{package}.py").is_file() or find_spec(package) is not None


def _neither(target: str, store: Store, forms: str) -> SourceNotFound:
    namesakes = (found for found in misplaced(store.root) if found.name == target)
    if wrong := no_store(store.root) or next(namesakes, None):
        return SourceNotFound(wrong.reason, hint=wrong.remedy)
    there = ", ".join(store.names()[:10]) or "nothing"
    return SourceNotFound(
        f"there is no file or folder {target!r}, and no model of that name in {store.root} (there: {there})",
        hint=f"give {forms}",
    )


def _by_path(target: str, store: Store) -> Stored | None:
    root, path = (Path(os.path.normpath(place.absolute())) for place in (store.root, Path(target)))
    match path.relative_to(root).parts if path.is_relative_to(root) else ():
        case [name] if name in store.names():
            return _if_ours(Stored(name, None), store)
        case [name, version] if version in map(str, store.versions(name)):
            return _if_ours(Stored(name, int(version)), store)
    return None


def _if_ours(found: Stored, store: Store) -> Stored | None:
    """What another tool put there is a source: an export gives it golden answers."""
    return None if store.get(found.name, found.version).source.kind == FOREIGN else found


def _exists(target: str) -> bool:
    try:
        return Path(target).exists()
    except OSError:  # longer than any name can be
        return False


def name_for(source: str) -> str:
    """The model name that a source suggests: `model` for `dir/model.keras`, the attribute for `file.py:attribute`.

    A version folder takes the name of the folder above it.
    """
    location, _, attribute = source.rpartition(":")
    if location and attribute.isidentifier():
        return attribute
    path = Path(source).resolve()
    while is_number(path.name) and path.parent != path:
        path = path.parent
    name = path.name.removesuffix(".gz")
    return name.removesuffix("".join(Path(name).suffixes[-1:])) or path.name


def next_version(store: Store, name: str, source: str, own: int | None = None, served: int = 0) -> int:
    """The number that an export gets: the next one, or a version folder's own where that is higher. `own` is that
    number where it is known already. `served` is the highest that a server has, which the store may have lost.
    """
    return max(store.next_version(name), own_version(source) if own is None else own, served + 1)


def _in_archive(source: Path) -> int:
    from deployer.export.saved_models import archive

    return archive.version_in(source) if archive.matches(str(source)) and source.is_file() else 0


def own_version(place: str) -> int:
    """The number that a source has as a version, 0 for none."""
    source = Path(place)
    if source.suffix in SOURCE_SUFFIXES:
        return _in_archive(source)
    folder = (reader.newest_version(source) or source).resolve()
    number = version_number(folder.name) if is_saved_model(folder) else None
    return max(number or 0, 0)
