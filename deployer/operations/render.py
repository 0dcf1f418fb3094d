"""`render`: the files that `up` would give the server."""

from __future__ import annotations

import dataclasses

from deployer.deployment import Rendered
from deployer.operations.export import ExportOptions
from deployer.operations.launching import launch, wanted_models
from deployer.operations.up import aim
from deployer.operations.workspace import Settings, open_workspace


def render(target: str | None = None, *, settings: Settings | None = None) -> Rendered:
    """For NAME[:VERSION] from the store, or for what `deployer.toml` says. Raises NoSuchModel, TemplateError."""
    workspace = open_workspace(settings or Settings())
    spec = aim(workspace, target, ExportOptions())
    workspace = dataclasses.replace(workspace, spec=spec).narrowed(spec.deployment)
    models = tuple(found.served for found in wanted_models(spec, workspace.store))
    return launch(spec, workspace.engine, models).rendered
