"""Model versions on disk, in TensorFlow Serving's layout: `models/NAME/VERSION/`.

A version is written into a staging directory, synced and renamed: it exists completely or not at all, and a server that
polls the directory never sees a partial version. Versions are never overwritten. The next export removes the staging
directories (`.stage-*`) of killed exports.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import BrokenModel, DeployerError, ExportFailed, ModelNotFound, VersionExists, note_undone
from deployer.results.model import MAX_VERSION, NAME, GoldenSummary, Model, Source, check_name, check_version
from deployer.results.served import ServedModel
from deployer.savedmodel import reader
from deployer.savedmodel.layout import MANIFEST_FILE, VERSION, find_misplaced, misplaced_root
from deployer.store import manifest
from deployer.store.hashes import Hashes
from deployer.system.locks import directory_lock

STAGE_PREFIX = ".stage-"
LOCK_WAIT_SECONDS = 600.0


@dataclass(frozen=True)
class Stage:
    """A version in the making: write the SavedModel into `directory`, then call `Store.publish`.

    Call `hashes.begin()` once the large files are written. `numbers` holds the version number after publishing.
    """

    name: str
    directory: Path
    hashes: Hashes
    numbers: list[int] = dataclasses.field(default_factory=list)

    @property
    def outcome(self) -> str:
        """The result for the message after an interruption."""
        if self.directory.exists() or not self.numbers:
            return f"no version of {self.name} was made"
        return kept_note(self.name, self.numbers[-1])


@dataclass(frozen=True)
class Store:
    """The directory that holds all models."""

    root: Path
    options: str = ""
    """The options that chose it on the command line, for commands in hints."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the models that have a version."""
        children = sorted(child.name for child in self.root.iterdir() if child.is_dir()) if self.root.is_dir() else []
        return tuple(name for name in children if NAME.fullmatch(name) and self.versions(name))

    def versions(self, name: str) -> tuple[int, ...]:
        """Return the version numbers of a model in ascending order; empty for an unknown model."""
        directory = self.root / check_name(name)
        children = (child.name for child in directory.iterdir()) if directory.is_dir() else ()
        numbers = (int(child) for child in children if VERSION.fullmatch(child))
        return tuple(sorted(number for number in numbers if number <= MAX_VERSION))

    def models(self, name: str | None = None) -> tuple[Model, ...]:
        """Return all versions of a model, or of all models. Raises ModelNotFound."""
        if name is not None:
            self.get(name)
        names = self.names() if name is None else (name,)
        return tuple(self.get(found, version) for found in names for version in self.versions(found))

    def missing_versions(self, models: Iterable[ServedModel]) -> tuple[str, ...]:
        """Return NAME:VERSION of each served version that is no longer in the store."""
        served = [(model.name, version) for model in models for version in model.versions]
        return tuple(f"{name}:{version}" for name, version in served if version not in self.versions(name))

    def newest(self, name: str) -> Model | None:
        """Return the version with the highest number, or None."""
        versions = self.versions(name)
        return self.get(name, versions[-1]) if versions else None

    def newest_first(self, name: str) -> Iterator[Model]:
        """Yield the exported versions, newest first; versions without a readable manifest are skipped."""
        for version in reversed(self.versions(name)):
            path = self.root / name / str(version)
            with suppress(BrokenModel):
                if (path / MANIFEST_FILE).is_file():
                    yield manifest.read(name, version, path)

    def get(self, name: str, version: int | None = None) -> Model:
        """Return that version, or the newest. Raises ModelNotFound with the versions that exist."""
        versions = self.versions(name)
        requested = version if version is not None else (versions[-1] if versions else None)
        if requested is None or requested not in versions:
            raise _no_such_model(self, name, requested, versions)
        return manifest.read(name, requested, self.root / name / str(requested))

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Create a staging directory, locked against other exports of this model and removed on exit."""
        model_dir = self.root / check_name(name)
        if problem := misplaced_root(self.root):
            raise ExportFailed(problem.reason, hint=problem.remedy)
        created_dirs = [directory for directory in (model_dir, *model_dir.parents) if not directory.exists()]
        try:
            with directory_lock(model_dir, f"model {name}", LOCK_WAIT_SECONDS), _disk_errors(model_dir):
                for directory in created_dirs:
                    directory.chmod(0o755)  # whatever the umask: servers run as nobody
                _sweep(model_dir)
                directory = Path(tempfile.mkdtemp(prefix=STAGE_PREFIX, dir=model_dir))
                stage = Stage(name, directory, Hashes(directory))
                try:
                    yield stage
                except BaseException as error:
                    note_undone(error, stage.outcome)
                    raise
                finally:
                    stage.hashes.close()
                    shutil.rmtree(directory, ignore_errors=True)
        finally:
            if self.root in created_dirs and self.root.is_dir() and not any(self.root.iterdir()):
                self.root.rmdir()

    def publish(
        self,
        stage: Stage,
        source: Source,
        golden: GoldenSummary,
        version: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> Model:
        """Turn the stage into the next version, or into `version`. Raises VersionExists, BrokenModel."""
        info = reader.read(stage.directory)
        info = dataclasses.replace(info, keras=source.keras or info.keras)
        number = version if version is not None else self.next_version(stage.name)
        self.check_free(stage.name, number)
        files = stage.hashes.all()
        path = self.root / stage.name / str(number)
        digest, created = manifest.content_digest(files), manifest.utc(time.time())
        model = Model(stage.name, number, path, digest, info, source, golden, created, notes)
        manifest.write(stage.directory, model, files)
        _make_readable(stage.directory)
        _sync(stage.directory)
        stage.numbers.append(number)
        stage.directory.rename(model.path)
        _sync_directory(model.path.parent)
        return model

    def remove(self, name: str, version: int) -> None:
        """Delete a version: rename it out of sight, then remove its files. Raises ModelNotFound, LockHeld."""
        path = self.get(name, version).path
        with _disk_errors(path.parent), directory_lock(path.parent, f"model {name}", LOCK_WAIT_SECONDS):
            _sweep(path.parent)
            trash = path.parent / f"{STAGE_PREFIX}removed-{version}"
            path.rename(trash)
            shutil.rmtree(trash)

    def next_version(self, name: str) -> int:
        """Return the highest version number plus one."""
        return max(self.versions(name), default=0) + 1

    def check_free(self, name: str, version: int) -> None:
        """Raise VersionExists if that version exists."""
        if (self.root / name / str(check_version(version))).exists():
            raise VersionExists(
                f"version {version} of model {name} exists, and versions are never overwritten",
                hint=f"leave --version out to make version {self.next_version(name)}",
            )


def kept_note(name: str, version: int) -> str:
    """Return the note for an interrupted command that already made a version."""
    return f"{name}:{version} was made and stays"


def _no_such_model(store: Store, name: str, version: int | None, versions: tuple[int, ...]) -> ModelNotFound:
    if versions:
        return ModelNotFound(
            f"model {name} has no version {version}; it has {', '.join(map(str, versions[-10:]))}",
            model=name,
            version=version,
            hint=f"deployer versions {name}{store.options}",
        )
    for found in find_misplaced(store.root):
        if found.name == name:
            return ModelNotFound(
                found.reason, hint=found.remedy
            )  # without `model`: the hint of `found` is the right one
    available = ", ".join(store.names()[:10]) or "no models"
    return ModelNotFound(
        f"no model {name} in {store.root}; there is: {available}",
        model=name,
        version=version,
        hint=f"deployer export SOURCE --name {name}{store.options}",
    )


def _sweep(model_dir: Path) -> None:
    """Remove what killed exports left; call it with the lock held."""
    for leftover in model_dir.glob(STAGE_PREFIX + "*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _make_readable(directory: Path) -> None:
    """Make directories a+rx and files a+r for servers that run as nobody; skip hard links that are readable."""
    directory.chmod(directory.stat().st_mode | 0o755)
    for path in directory.rglob("*"):
        requested = path.stat().st_mode | (0o755 if path.is_dir() else 0o444)
        if path.stat().st_mode != requested:
            path.chmod(requested)


def _sync(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        _sync_directory(path) if path.is_dir() else _sync_file(path)
    _sync_directory(directory)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors(model_dir: Path) -> Iterator[None]:
    try:
        yield
    except DeployerError:
        raise
    except OSError as error:
        raise ExportFailed(
            f"writing below {model_dir} failed: {error.strerror or error}; nothing was stored",
            hint="free some space, or choose another models directory with --models-dir",
        ) from error
