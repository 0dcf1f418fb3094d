"""From a trained TensorFlow model to a proven TensorFlow Serving endpoint, in one command.

The verbs of the command line are functions here, with the same results as values:

    import deployer
    result = deployer.up("model.keras", options=deployer.ExportOptions(name="digits"))
    print(result.endpoints.rest)

Importing the package imports none of its parts: each name is loaded at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deployer._version import __version__

# Commands whose name would hide a package or read as something else (export, render, smoke) have a longer name here.
_HOMES = {
    "doctor": "operations.doctor:doctor",
    "init": "operations.init:init",
    "export_model": "operations.export:export",
    "up": "operations.up:up",
    "redeploy": "operations.redeploy:redeploy",
    "label": "operations.redeploy:label",
    "rollback": "operations.rollback:rollback",
    "history": "operations.history:history",
    "down": "operations.down:down",
    "down_all": "operations.down:down_all",
    "unlock": "operations.unlock:unlock",
    "status": "operations.status:status",
    "logs": "operations.logs:logs",
    "smoke_test": "operations.smoke:smoke",
    "predict": "operations.predict:predict",
    "versions": "operations.versions:versions",
    "prune": "operations.prune:prune",
    "diff": "operations.diff:diff",
    "inspect": "operations.inspect:inspect",
    "token": "operations.token:token",
    "render_config": "operations.render:render",
    "ExportOptions": "rollout.exporting:ExportOptions",
    "Settings": "rollout.workspace:Settings",
    "DeployerError": "errors:DeployerError",
}

__all__ = [
    "DeployerError",
    "ExportOptions",
    "Settings",
    "__version__",
    "diff",
    "doctor",
    "down",
    "down_all",
    "export_model",
    "history",
    "init",
    "inspect",
    "label",
    "logs",
    "predict",
    "prune",
    "redeploy",
    "render_config",
    "rollback",
    "smoke_test",
    "status",
    "token",
    "unlock",
    "up",
    "versions",
]

if TYPE_CHECKING:
    from deployer.errors import DeployerError as DeployerError
    from deployer.operations.diff import diff as diff
    from deployer.operations.doctor import doctor as doctor
    from deployer.operations.down import down as down
    from deployer.operations.down import down_all as down_all
    from deployer.operations.export import export as export_model
    from deployer.operations.history import history as history
    from deployer.operations.init import init as init
    from deployer.operations.inspect import inspect as inspect
    from deployer.operations.logs import logs as logs
    from deployer.operations.predict import predict as predict
    from deployer.operations.prune import prune as prune
    from deployer.operations.redeploy import label as label
    from deployer.operations.redeploy import redeploy as redeploy
    from deployer.operations.render import render as render_config
    from deployer.operations.rollback import rollback as rollback
    from deployer.operations.smoke import smoke as smoke_test
    from deployer.operations.status import status as status
    from deployer.operations.token import token as token
    from deployer.operations.unlock import unlock as unlock
    from deployer.operations.up import up as up
    from deployer.operations.versions import versions as versions
    from deployer.rollout.exporting import ExportOptions as ExportOptions
    from deployer.rollout.workspace import Settings as Settings


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        return getattr(import_module(f"deployer.{module}"), attribute)
    raise AttributeError(f"module 'deployer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
