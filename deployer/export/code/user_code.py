"""Import and run the user's code, and report its failures with file and line."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from deployer.errors import ExportFailed, SourceNotFound
from deployer.export.runtime import disk_full, reason

MAX_LISTED = 10
"""The limit of names in an error message."""


@contextmanager
def imported(module_ref: str) -> Iterator[ModuleType]:
    """Import the module at `module_ref`, a path ending in `.py` or a dotted name, for the duration of the context.

    Its directory (for a package: the working directory) is on the import path within the context. Modules imported from
    there are removed afterwards, so the next export sees changed files. No bytecode is written.
    """
    directory = Path(module_ref).parent.resolve() if module_ref.endswith(".py") else Path.cwd()
    known, writes_bytecode = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(directory))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield _from_file(Path(module_ref).resolve()) if module_ref.endswith(".py") else _from_package(module_ref)
    finally:
        sys.dont_write_bytecode = writes_bytecode
        if str(directory) in sys.path:
            sys.path.remove(str(directory))
        _forget(directory, set(sys.modules) - known)


def _forget(directory: Path, new: set[str]) -> None:
    for name in new:
        origin = getattr(sys.modules.get(name), "__file__", None)
        if origin and Path(origin).is_relative_to(directory) and "site-packages" not in origin:
            del sys.modules[name]


def _from_file(path: Path) -> ModuleType:
    """Import the file under its own name, unless another module has that name."""
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"deployer_source_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SourceNotFound(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with user_code(f"{path.name} failed while it was imported", path.parent):
        spec.loader.exec_module(module)
    return module


def _from_package(name: str) -> ModuleType:
    try:
        with user_code(f"{name} failed while it was imported", Path.cwd()):
            return importlib.import_module(name)
    except ExportFailed as error:
        if isinstance(error.__cause__, ModuleNotFoundError) and name.startswith(str(error.__cause__.name)):
            raise SourceNotFound(
                f"there is no Python module {error.__cause__.name!r}",
                hint="run from the directory that holds the package, install it, or give path/to/file.py:name",
            ) from error
        raise


def attribute(module: ModuleType, dotted: str) -> Any:
    """Return the attribute at a dotted path. Raises SourceNotFound with suggestions."""
    value: Any = module
    for name in dotted.split("."):
        if not hasattr(value, name):
            raise SourceNotFound(f"{_origin(module)} has no {name!r}", hint=_suggestions(name, value))
        value = getattr(value, name)
    return value


def _origin(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or module.__name__)


def _suggestions(name: str, holder: Any) -> str:
    """Return the names of a module or an object that may be or return models, the most similar first."""
    names = [
        other for other, value in vars(holder).items() if not other.startswith("_") and _is_defined_in(value, holder)
    ]
    near = difflib.get_close_matches(name, names, n=MAX_LISTED, cutoff=0.5)
    candidates = (*near, *(other for other in names if other not in near))
    if not candidates:
        return "it has no names that could be meant"
    more = f" and {len(candidates) - MAX_LISTED} more" if len(candidates) > MAX_LISTED else ""
    listed = f"it has {', '.join(candidates[:MAX_LISTED])}{more}"
    return f"did you mean {near[0]}? {listed}" if near else listed


def _is_defined_in(value: Any, holder: Any) -> bool:
    """Return whether the value is neither imported nor a plain constant."""
    if isinstance(value, (ModuleType, str, bytes, int, float)):
        return False
    is_definition = inspect.isclass(value) or inspect.isroutine(value)
    module_name = getattr(holder, "__module__", None) or getattr(holder, "__name__", None)
    return not is_definition or getattr(value, "__module__", None) == module_name


@contextmanager
def user_code(what: str, directory: Path) -> Iterator[None]:
    """Run user code and convert its errors to ExportFailed with file, line and error of the user's last frame."""
    try:
        yield
    except ExportFailed:
        raise
    except (Exception, SystemExit) as error:
        if disk_full(error):
            raise
        raise ExportFailed(f"{what}: {_error_text(error)}{_where(error, directory)}", hint=_hint(error)) from error


def _hint(error: BaseException) -> str | None:
    """Return a hint for code that needs an older TensorFlow."""
    if re.search(r"(?i)\bhas no attribute '(estimator|feature_column)'|tf\.?estimator", str(error)):
        return "TensorFlow 2.16 and later have no Estimator: export where tensorflow==2.15.1 is installed"
    return None


def _error_text(error: BaseException) -> str:
    return f"it called sys.exit({error.code!r})" if isinstance(error, SystemExit) else reason(error)


def _where(error: BaseException, directory: Path) -> str:
    """Return the last frame in the user's own directory; a SyntaxError contains its location."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"\n  {error.filename}, line {error.lineno}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_user_file(frame.filename, directory)]
    return f"\n  {frames[-1].filename}, line {frames[-1].lineno}: {frames[-1].line}" if frames else ""


def _is_user_file(filename: str, directory: Path) -> bool:
    return Path(filename).is_relative_to(directory) and "site-packages" not in filename
