"""Take a trained TensorFlow model to a verified TensorFlow Serving endpoint, in one command.

The commands are functions of this package, and return their results as values:

    import deployer
    result = deployer.up("model.keras", options=deployer.ExportOptions(name="digits"))
    print(result.endpoints.rest)

Errors and results are in this package, too: `except deployer.NotReady`, `result: deployer.UpResult`. Importing it is
fast: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deployer._version import __version__ as __version__

# `export`, `render` and `smoke` have a longer name: theirs is that of a package, or ambiguous.
_FUNCTIONS = {
    "doctor": "operations.doctor:doctor",
    "init": "operations.init:init",
    "export_model": "operations.export:export",
    "up": "operations.up:up",
    "redeploy": "operations.redeploy:redeploy",
    "label": "operations.redeploy:label",
    "rollback": "operations.rollback:rollback",
    "scale": "operations.scale:scale",
    "history": "operations.history:history",
    "down": "operations.down:down",
    "down_all": "operations.down:down_all",
    "unlock": "operations.unlock:unlock",
    "status": "operations.status:status",
    "logs": "operations.logs:logs",
    "smoke_test": "operations.smoke:smoke",
    "smoke_at": "operations.smoke:smoke_at",
    "bench": "operations.bench:bench",
    "predict": "operations.predict:predict",
    "predict_at": "operations.predict:predict_at",
    "versions": "operations.versions:versions",
    "prune": "operations.prune:prune",
    "diff": "operations.diff:diff",
    "inspect": "operations.inspect:inspect",
    "image_build": "operations.image_build:image_build",
    "image_push": "operations.image_push:image_push",
    "token": "operations.token:token",
    "render_config": "operations.render:render",
    "with_files_left": "operations.render:with_files_left",
    "write_config": "operations.render:write",
}
_CONSTANTS = {"RENDER_FORMS": "operations.render:FORMS"}
_TYPES = {
    "benchmark.options": ("BenchOptions",),
    "rollout.export_options": ("ExportOptions",),
    "config.options": ("Settings",),
    "results.bench": ("BenchChange", "BenchResult", "BenchStage", "FailureCount", "LatencyBucket", "LatencyFigures"),
    "results.changes": ("DownResult", "TokenResult", "UnlockResult", "UpResult"),
    "results.checks": ("Check", "DoctorResult", "Finding", "Report"),
    "results.deployment": ("Deployment", "Endpoints", "Gateway", "Node"),
    "results.differences": ("DiffResult", "OutputDistance", "SignatureChange", "VersionFigures"),
    "results.history": ("HistoryResult", "Outcome", "Release"),
    "results.images": ("ImageBuilt", "ImagePushed"),
    "results.launch": ("Rendered",),
    "results.logs": ("LogLine",),
    "results.model": ("GoldenSummary", "Model", "SavedModelInfo", "Signature", "Source", "TensorSpec"),
    "results.plan": ("Change", "Plan"),
    "results.running": ("DeploymentStatus", "ModelState", "SmokeResult"),
    "results.served": ("ServedModel",),
    "results.steps": ("Step",),
    "results.traffic": ("PhaseFigures", "TrafficFigures"),
    "results.versions": ("ExportResult", "InspectResult", "PruneResult", "VersionsResult"),
    "errors": (
        "DeployerError",
        "DeployFailed",
        "PlanOutdated",
        "LedgerError",
        "RequestFailed",
        "RequestRefused",
        "Overloaded",
        "MalformedTensor",
        "UsageError",
        "InvalidValue",
        "EngineConflict",
        "ConfigError",
        "SettingRefused",
        "ModelError",
        "SourceNotFound",
        "BrokenModel",
        "UnknownOp",
        "UntrustedCode",
        "ExportFailed",
        "SourceDiffers",
        "SourceCrashed",
        "GoldenError",
        "ModelNotFound",
        "VersionExists",
        "TemplateError",
        "EngineError",
        "EngineUnavailable",
        "NotOurs",
        "PortTaken",
        "InsufficientMemory",
        "NotReady",
        "NotRunning",
        "VerificationFailed",
        "LockHeld",
        "DeploymentNotFound",
        "NoSuchRelease",
        "ExtraMissing",
    ),
}
_LOCATIONS = {
    **_FUNCTIONS,
    **_CONSTANTS,
    **{name: f"{module}:{name}" for module, names in _TYPES.items() for name in names},
}

__all__ = sorted(["__version__", *_LOCATIONS])  # noqa: PLE0605 - type checkers read the aliases below

if TYPE_CHECKING:
    from deployer.benchmark.options import BenchOptions as BenchOptions
    from deployer.config.options import Settings as Settings
    from deployer.errors import BrokenModel as BrokenModel
    from deployer.errors import ConfigError as ConfigError
    from deployer.errors import DeployerError as DeployerError
    from deployer.errors import DeployFailed as DeployFailed
    from deployer.errors import DeploymentNotFound as DeploymentNotFound
    from deployer.errors import EngineConflict as EngineConflict
    from deployer.errors import EngineError as EngineError
    from deployer.errors import EngineUnavailable as EngineUnavailable
    from deployer.errors import ExportFailed as ExportFailed
    from deployer.errors import ExtraMissing as ExtraMissing
    from deployer.errors import GoldenError as GoldenError
    from deployer.errors import InsufficientMemory as InsufficientMemory
    from deployer.errors import InvalidValue as InvalidValue
    from deployer.errors import LedgerError as LedgerError
    from deployer.errors import LockHeld as LockHeld
    from deployer.errors import MalformedTensor as MalformedTensor
    from deployer.errors import ModelError as ModelError
    from deployer.errors import ModelNotFound as ModelNotFound
    from deployer.errors import NoSuchRelease as NoSuchRelease
    from deployer.errors import NotOurs as NotOurs
    from deployer.errors import NotReady as NotReady
    from deployer.errors import NotRunning as NotRunning
    from deployer.errors import Overloaded as Overloaded
    from deployer.errors import PlanOutdated as PlanOutdated
    from deployer.errors import PortTaken as PortTaken
    from deployer.errors import RequestFailed as RequestFailed
    from deployer.errors import RequestRefused as RequestRefused
    from deployer.errors import SettingRefused as SettingRefused
    from deployer.errors import SourceCrashed as SourceCrashed
    from deployer.errors import SourceDiffers as SourceDiffers
    from deployer.errors import SourceNotFound as SourceNotFound
    from deployer.errors import TemplateError as TemplateError
    from deployer.errors import UnknownOp as UnknownOp
    from deployer.errors import UntrustedCode as UntrustedCode
    from deployer.errors import UsageError as UsageError
    from deployer.errors import VerificationFailed as VerificationFailed
    from deployer.errors import VersionExists as VersionExists
    from deployer.operations.bench import bench as bench
    from deployer.operations.diff import diff as diff
    from deployer.operations.doctor import doctor as doctor
    from deployer.operations.down import down as down
    from deployer.operations.down import down_all as down_all
    from deployer.operations.export import export as _export
    from deployer.operations.history import history as history
    from deployer.operations.image_build import image_build as image_build
    from deployer.operations.image_push import image_push as image_push
    from deployer.operations.init import init as init
    from deployer.operations.inspect import inspect as inspect
    from deployer.operations.logs import logs as logs
    from deployer.operations.predict import predict as predict
    from deployer.operations.predict import predict_at as predict_at
    from deployer.operations.prune import prune as prune
    from deployer.operations.redeploy import label as label
    from deployer.operations.redeploy import redeploy as redeploy
    from deployer.operations.render import render as _render
    from deployer.operations.render import with_files_left as with_files_left
    from deployer.operations.render import write as _write
    from deployer.operations.rollback import rollback as rollback
    from deployer.operations.scale import scale as scale
    from deployer.operations.smoke import smoke as _smoke
    from deployer.operations.smoke import smoke_at as smoke_at
    from deployer.operations.status import status as status
    from deployer.operations.token import token as token
    from deployer.operations.unlock import unlock as unlock
    from deployer.operations.up import up as up
    from deployer.operations.versions import versions as versions
    from deployer.results.bench import BenchChange as BenchChange
    from deployer.results.bench import BenchResult as BenchResult
    from deployer.results.bench import BenchStage as BenchStage
    from deployer.results.bench import FailureCount as FailureCount
    from deployer.results.bench import LatencyBucket as LatencyBucket
    from deployer.results.bench import LatencyFigures as LatencyFigures
    from deployer.results.changes import DownResult as DownResult
    from deployer.results.changes import TokenResult as TokenResult
    from deployer.results.changes import UnlockResult as UnlockResult
    from deployer.results.changes import UpResult as UpResult
    from deployer.results.checks import Check as Check
    from deployer.results.checks import DoctorResult as DoctorResult
    from deployer.results.checks import Finding as Finding
    from deployer.results.checks import Report as Report
    from deployer.results.deployment import Deployment as Deployment
    from deployer.results.deployment import Endpoints as Endpoints
    from deployer.results.deployment import Gateway as Gateway
    from deployer.results.deployment import Node as Node
    from deployer.results.differences import DiffResult as DiffResult
    from deployer.results.differences import OutputDistance as OutputDistance
    from deployer.results.differences import SignatureChange as SignatureChange
    from deployer.results.differences import VersionFigures as VersionFigures
    from deployer.results.history import HistoryResult as HistoryResult
    from deployer.results.history import Outcome as Outcome
    from deployer.results.history import Release as Release
    from deployer.results.images import ImageBuilt as ImageBuilt
    from deployer.results.images import ImagePushed as ImagePushed
    from deployer.results.launch import Rendered as Rendered
    from deployer.results.logs import LogLine as LogLine
    from deployer.results.model import GoldenSummary as GoldenSummary
    from deployer.results.model import Model as Model
    from deployer.results.model import SavedModelInfo as SavedModelInfo
    from deployer.results.model import Signature as Signature
    from deployer.results.model import Source as Source
    from deployer.results.model import TensorSpec as TensorSpec
    from deployer.results.plan import Change as Change
    from deployer.results.plan import Plan as Plan
    from deployer.results.running import DeploymentStatus as DeploymentStatus
    from deployer.results.running import ModelState as ModelState
    from deployer.results.running import SmokeResult as SmokeResult
    from deployer.results.served import ServedModel as ServedModel
    from deployer.results.steps import Step as Step
    from deployer.results.traffic import PhaseFigures as PhaseFigures
    from deployer.results.traffic import TrafficFigures as TrafficFigures
    from deployer.results.versions import ExportResult as ExportResult
    from deployer.results.versions import InspectResult as InspectResult
    from deployer.results.versions import PruneResult as PruneResult
    from deployer.results.versions import VersionsResult as VersionsResult
    from deployer.rollout.export_options import ExportOptions as ExportOptions

    export_model, render_config, smoke_test, write_config = _export, _render, _smoke, _write
    RENDER_FORMS: tuple[str, ...]


if not TYPE_CHECKING:  # for a type checker, only the names above exist

    def __getattr__(name: str) -> Any:
        if name in _LOCATIONS:
            module, _, attribute = _LOCATIONS[name].partition(":")
            return getattr(import_module(f"deployer.{module}"), attribute)
        raise AttributeError(f"module 'deployer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
