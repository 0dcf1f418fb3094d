"""How a source is exported: what was typed, laid over what `deployer.toml` says of a model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.config.options import MODEL, ExportFields
from deployer.config.words import doc
from deployer.system.locations import local

if TYPE_CHECKING:
    from deployer.config.spec import Batching, ModelSpec
    from deployer.export import ExportRequest


def _version(text: str) -> int:
    from deployer.results.model import check_version

    return check_version(text)


@dataclass(frozen=True, kw_only=True)
class ExportOptions(ExportFields):
    """How to export; `warmup_sizes` are the batch sizes that the server runs."""

    name: str | None = doc("name of the model; unset: taken from the source", MODEL, default=None)
    version: int | None = doc("version to make; unset: the next", MODEL, parse=_version, default=None)
    force: bool = doc("make a version even if nothing changed", MODEL, default=False)
    warmup_sizes: tuple[int, ...] = ()

    def request(self, source: str) -> ExportRequest:
        """The request that `deployer.export` takes. Raises InvalidValue for a malformed input."""
        from deployer.export import ExportRequest

        shaping = {name: _here(value) for name, value in _shaping(self).items()}
        return ExportRequest(source, warmup_sizes=self.warmup_sizes, **shaping)

    def over(self, listed: ModelSpec) -> ModelSpec:
        """A model of the spec with these options laid over its own."""
        defaults = _shaping(ExportOptions())
        given = {name: value for name, value in _shaping(self).items() if value != defaults[name]}
        return dataclasses.replace(listed, **given)

    def for_model(self, name: str, listed: ModelSpec) -> ExportOptions:
        """Return the options that export a model of the spec under its name."""
        return dataclasses.replace(self, name=name, **_shaping(listed))

    def for_batching(self, batching: Batching | None) -> ExportOptions:
        """These options with the batch sizes that the server of a spec runs."""
        return dataclasses.replace(self, warmup_sizes=batching.sizes if batching else ())


def _shaping(value: ExportFields) -> dict[str, Any]:
    """What shapes an export, by name."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(ExportFields)}


def _here(value: Any) -> Any:
    """A path without `file://`. Raises SourceNotFound for a file on another machine."""
    return Path(local(str(value))) if isinstance(value, Path) else value
