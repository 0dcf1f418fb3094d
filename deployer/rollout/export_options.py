"""How a source is exported: the options of the command line, over those of a model in `deployer.toml`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.config.fields import doc
from deployer.config.options import MODEL, ExportFields
from deployer.results.model import check_version
from deployer.system.locations import local_path

if TYPE_CHECKING:
    from deployer.config.spec import Batching, ModelSpec
    from deployer.export import ExportRequest


@dataclass(frozen=True, kw_only=True)
class ExportOptions(ExportFields):
    """Options for an export; `warmup_sizes` are the batch sizes of the server, for the warm-up requests."""

    name: str | None = doc("name of the model; unset: taken from the source", MODEL, default=None)
    version: int | None = doc("version to make; unset: the next", MODEL, parse=check_version, default=None)
    force: bool = doc("make a version even if nothing changed", MODEL, default=False)
    warmup_sizes: tuple[int, ...] = ()

    def request(self, source: str) -> ExportRequest:
        """Return the request for `deployer.export`. Raises InvalidValue for a malformed input."""
        from deployer.export import ExportRequest

        fields = {name: _local_path(value) for name, value in _export_fields(self).items()}
        return ExportRequest(source, warmup_sizes=self.warmup_sizes, **fields)

    def over(self, listed: ModelSpec) -> ModelSpec:
        """Return a model of the spec with the options that are set here in the place of its own."""
        defaults = _export_fields(ExportOptions())
        given = {name: value for name, value in _export_fields(self).items() if value != defaults[name]}
        return dataclasses.replace(listed, **given)

    def for_model(self, name: str, listed: ModelSpec) -> ExportOptions:
        """Return the options that export a model of the spec under its name.

        With `self.name` set, `version` and `force` are for the model of that name only.
        """
        own = self.name in (None, name)
        version, force = (self.version, self.force) if own else (None, False)
        return dataclasses.replace(self, name=name, version=version, force=force, **_export_fields(listed))

    def for_batching(self, batching: Batching | None) -> ExportOptions:
        """Return the options with the batch sizes of the server."""
        return dataclasses.replace(self, warmup_sizes=batching.sizes if batching else ())


def _export_fields(value: ExportFields) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(ExportFields)}


def _local_path(value: Any) -> Any:
    """Return a path without `file://`. Raises SourceNotFound for a file on another machine."""
    return Path(local_path(str(value))) if isinstance(value, Path) else value
