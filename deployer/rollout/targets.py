"""Resolves TARGET: a source to export, or a model in the store."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from deployer.config.image import COMPONENT, HOST
from deployer.errors import SourceNotFound, UsageError
from deployer.results.model import NAME, check_version
from deployer.savedmodel import reader
from deployer.savedmodel.layout import find_misplaced, is_saved_model, misplaced_root
from deployer.server.version_names import is_number, version_number
from deployer.store.manifest import FOREIGN
from deployer.store.store import Store
from deployer.system.locations import local_path

STORED = re.compile(r"(?P<name>[^:/]+)(:(?P<version>[0-9]+))?")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
IMAGE = re.compile(r"(?:[a-z0-9\[][A-Za-z0-9._/:\[\]-]{0,254}@)?sha256:[0-9a-f]{64}")
TAGGED_IMAGE = re.compile(rf"{HOST}(?:/{COMPONENT})+:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}")
NEWEST = frozenset({"latest", "newest", "stable", "current", "last"})
SOURCE_SUFFIXES = (".keras", ".h5", ".hdf5", ".py", ".pb", ".meta", ".zip", ".tar", ".gz", ".tgz")

TO_DEPLOY = "a model file, a SavedModel directory, file.py:name, package.module:name, or NAME[:VERSION]"
_IN_STORE = "NAME[:VERSION] of a model in the store (deployer versions{} lists them)"
TO_INSPECT = f"a SavedModel directory, or {_IN_STORE}"
TO_RENDER = f"{_IN_STORE}, or no name for what deployer.toml lists"


@dataclass(frozen=True)
class Stored:
    """A model in the store; version None stands for the newest."""

    name: str
    version: int | None


def as_text(target: object) -> str:
    """Return a target as text; a `file://` URI becomes a path.

    Raises UsageError for a model object, SourceNotFound for a URI of another machine.
    """
    if isinstance(target, (str, os.PathLike)):
        return local_path(os.fsdecode(target))
    raise UsageError(
        f"{type(target).__name__} is neither a path nor a name: only a model in a file can be exported",
        hint="model.save('model.keras') and give that, or give file.py:name of the code that makes it",
    )


def is_image(target: str | None) -> bool:
    """Return whether a target is an image by its digest in a registry or its id: both always mean the same image."""
    return target is not None and IMAGE.fullmatch(target) is not None


def stored(target: str, store: Store, forms: str = TO_DEPLOY) -> Stored | None:
    """Return the model in the store that `target` names; None if it names a source.

    A model of the store has precedence over a file of its name; `./NAME` always is the file. The path of a model or a
    version in the store names that one. Raises SourceNotFound if it is neither; `forms` is what may be given instead.
    """
    match = STORED.fullmatch(target)
    if not match or target.endswith(SOURCE_SUFFIXES):
        refuse_tag(target, store)
        return stored_at(target, store)
    if match["version"] is not None:
        return Stored(match["name"], check_version(match["version"]))
    if target in store.names():
        return Stored(target, None)
    if _exists(target):
        return None
    raise _not_found(target, store, forms)


def refuse_tag(target: str, store: Store) -> None:
    """Refuse a tag such as `model:latest`, which would be read as Python code. Raises SourceNotFound."""
    if TAGGED_IMAGE.fullmatch(target) and not target.endswith(SOURCE_SUFFIXES) and not _exists(target):
        raise SourceNotFound(
            f"{target} names an image by a tag, which may move to another one",
            hint="deployer up REPOSITORY@sha256:DIGEST deploys an image; deployer image push prints that reference",
        )
    name, colon, version = target.partition(":")
    is_tag = colon and TAG.fullmatch(version) and not version.isdecimal()
    if not is_tag or not NAME.fullmatch(name) or name.endswith(SOURCE_SUFFIXES):
        return
    if (name in store.names() or version in NEWEST) and not _is_code(name):
        numbers = ", ".join(map(str, store.versions(name)[-10:])) or "none"
        raise SourceNotFound(
            f"{target} is neither a model nor a version: NAME:VERSION takes a number ({name} has: {numbers})",
            hint=f"give {name} for the newest version",
        )


def _is_code(name: str) -> bool:
    """Return whether a module of that name exists, as far as its outermost package shows."""
    from importlib.util import find_spec

    package = name.partition(".")[0]
    return Path(package).is_dir() or Path(f"{package}.py").is_file() or find_spec(package) is not None


def _not_found(target: str, store: Store, forms: str) -> SourceNotFound:
    misplaced_models = (each for each in find_misplaced(store.root) if each.name == target)
    if wrong := misplaced_root(store.root) or next(misplaced_models, None):
        return SourceNotFound(wrong.reason, hint=wrong.remedy)
    names = ", ".join(store.names()[:10]) or "nothing"
    return SourceNotFound(
        f"there is no file or directory {target!r}, and no model of that name in {store.root} (there: {names})",
        hint=f"give {forms.format(store.options)}",
    )


def stored_at(target: str, store: Store) -> Stored | None:
    """Return the model or version of the store whose directory `target` is; None for other paths.

    None for a version of another tool, too. Raises BrokenModel for a version that cannot be read.
    """
    root, path = (Path(os.path.normpath(place.absolute())) for place in (store.root, Path(target)))
    match path.relative_to(root).parts if path.is_relative_to(root) else ():
        case [name] if name in store.names():
            return _unless_foreign(Stored(name, None), store)
        case [name, version] if version in map(str, store.versions(name)):
            return _unless_foreign(Stored(name, int(version)), store)
    return None


def _unless_foreign(version: Stored, store: Store) -> Stored | None:
    """Return None for a version of another tool: an export of it makes golden answers."""
    return None if store.get(version.name, version.version).source.kind == FOREIGN else version


def _exists(target: str) -> bool:
    try:
        return Path(target).exists()
    except OSError:  # longer than any name can be
        return False


def name_for(source: str) -> str:
    """Return the default name for a source: `model` for `dir/model.keras`, `attribute` for `file.py:attribute`.

    A version directory has the name of its parent.
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
    """Return the version that an export makes: the next one, or the number of a version directory if that is higher.

    `own` is that number if it is known. `served` is the highest version of a server, which the store may have lost.
    """
    return max(store.next_version(name), own_version(source) if own is None else own, served + 1)


def _archived_version(source: Path) -> int:
    from deployer.export.saved_models import archive

    return archive.version_in(source) if archive.matches(str(source)) and source.is_file() else 0


def own_version(location: str) -> int:
    """Return the number of a source that is a version directory; 0 for other sources."""
    source = Path(location)
    if source.suffix in SOURCE_SUFFIXES:
        return _archived_version(source)
    directory = (reader.newest_version(source) or source).resolve()
    number = version_number(directory.name) if is_saved_model(directory) else None
    return max(number or 0, 0)
