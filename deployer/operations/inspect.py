"""`inspect`: show the signatures of a version or a SavedModel directory, without TensorFlow."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from deployer.client import sample_request, tf_examples
from deployer.config.options import Settings
from deployer.engines import compatibility
from deployer.errors import BrokenModel, EngineError, ModelError
from deployer.results.deployment import REST_PORT, Deployment
from deployer.results.model import GoldenSummary, Model, Signature, Source
from deployer.results.served import ServedModel
from deployer.results.versions import InspectResult
from deployer.rollout import image_source, lost_versions, other_deployments, source_changes
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.targets import STORED, TO_INSPECT, Stored, as_text, name_for, refuse_tag, stored, stored_at
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.savedmodel import reader, tensors
from deployer.server.version_names import version_number
from deployer.store.store import Store
from deployer.verification import batchable, golden
from deployer.verification.golden import GoldenCase

DEFAULT_URL = f"http://127.0.0.1:{REST_PORT}"
"""The address in examples, with the default port of TensorFlow Serving."""


def inspect(target: str | PathLike[str], *, settings: Settings | None = None) -> InspectResult:
    """Inspect a directory or NAME[:VERSION]. Raises BrokenModel, ModelNotFound, SourceNotFound."""
    workspace = open_workspace(settings or Settings())
    target = as_text(target)
    workspace = image_source.serving_model(workspace, target)
    with lost_versions.suggest_recovery(workspace, target, f"deployer inspect {{}}{workspace.up_options}"):
        known = _find_stored(target, workspace.store)
        if not Path(target).exists():
            refuse_tag(target, workspace.store)
        model, fault = _stored(workspace.store, known) if known else _directory(Path(target))
    serving = _find_serving(workspace, model) if known else _Serving()
    questions = _questions(model)
    url = serving.url or f"{DEFAULT_URL}/v1/models/{model.name}"
    commands = (_curl(url, signature, questions.get(signature.name)) for signature in model.info.signatures)
    faults = (f"export and up refuse it: {fault.message}",) if fault else ()
    outdated = _outdated(workspace, model) if known and not fault else ()
    hint = _serve_hint(workspace, model, known, has_other_versions=serving.has_other_versions)
    unserved = () if serving.url or fault else (serving.notice or f"{'not served; ' if known else ''}{hint}",)
    others = (serving.other,) if serving.other else ()
    notes = (*unserved, *others, *faults, *_notes(workspace, model), *outdated)
    served = None if serving.notice or not known else serving.url is not None
    return InspectResult(model, tuple(filter(None, commands)), notes, served, stored=known is not None)


def _find_stored(target: str, store: Store) -> Stored | None:
    """Return the version of the store that `target` names, or whose directory it is; None for another directory."""
    known = stored(target, store, TO_INSPECT) if STORED.fullmatch(target) else None
    with suppress(BrokenModel):  # what can be read of its directory is shown
        return known or stored_at(target, store)
    return None


@dataclass(frozen=True)
class _Serving:
    """Where a version is served."""

    url: str | None = None
    has_other_versions: bool = False
    """Whether a deployment serves the model, in this version or another."""

    other: str = ""
    """Which deployment serves a version of another store with the same number."""

    notice: str = ""
    """Why it is unknown whether the version is served."""


def _find_serving(workspace: Workspace, model: Model) -> _Serving:
    is_deployed, other, notice = False, "", ""
    for engine in workspace.engines:
        try:
            deployments = engine.inventory.observe_all()
        except EngineError as error:
            notice = f"whether it is served is unknown: {error.message}"
            continue
        for deployment in deployments:
            if deployment.env != workspace.spec.env:
                continue
            served = next((each for each in deployment.models if each.name == model.name), ServedModel("", ()))
            is_deployed = is_deployed or bool(served.versions)
            if not deployment.running or deployment.role != "serving" or model.version not in served.versions:
                continue
            if lost_versions.serves(workspace, deployment, served, model):
                part = f"/versions/{model.version}" if len(served.versions) > 1 else ""
                return _Serving(f"{deployment.endpoints.rest}/v1/models/{model.name}{part}", is_deployed)
            other = _other_version(workspace, deployment, model)
    return _Serving(None, is_deployed, other, notice)


def _other_version(workspace: Workspace, deployment: Deployment, model: Model) -> str:
    """Return the note that a deployment serves a version of another store with the same number."""
    text = f"the {model.name}:{model.version} that {deployment.name} [{deployment.env}] serves has other files"
    origin = other_deployments.origin_note(workspace, deployment)
    return "; ".join(filter(None, (text, origin or f"it is of the store {deployment.store}")))


def _serve_hint(workspace: Workspace, model: Model, known: Stored | None, *, has_other_versions: bool) -> str:
    """Return the command that serves the version, or the one that shows what this changes for other clients."""
    target = f"{model.name}:{model.version}" if known else shlex.quote(str(model.path))
    arguments = f"{workspace.cli_target(target)}{workspace.store_option}"
    if has_other_versions:
        return f"deployer plan {arguments} shows what deploying it would change"
    return f"deployer up {arguments} verifies and serves it"


def _outdated(workspace: Workspace, model: Model) -> tuple[str, ...]:
    """Return the notice that the source has changed since the newest version was exported."""
    if model.version != workspace.store.versions(model.name)[-1]:
        return ()
    options = ExportOptions().for_batching(workspace.spec.batching)
    return source_changes.notices((model.name,), workspace.store, options, workspace.up_options)


def _notes(workspace: Workspace, model: Model) -> tuple[str, ...]:
    """Return the notes for serving the version and for its clients."""
    targets = dict.fromkeys(engine.traits.tensorflow for engine in workspace.engines)
    flags = workspace.spec.server.flags
    return (*model.notes, *batchable.fixed(model.info.signatures), *compatibility.notes(model, targets, flags))


def _stored(store: Store, known: Stored) -> tuple[Model, BrokenModel | None]:
    """Return a version of the store, also an incomplete one of another tool, and its fault if it has one."""
    try:
        model = store.get(known.name, known.version)
    except BrokenModel:
        version = known.version or store.versions(known.name)[-1]
        return _directory(store.root / known.name / str(version))
    return model, reader.read_incomplete(model.path)[1]


def _directory(path: Path) -> tuple[Model, BrokenModel | None]:
    notes = reader.version_notes(path)
    path = reader.newest_version(path) or path
    info, fault = reader.read_incomplete(path)
    version = max(version_number(path.resolve().name) or 0, 0)
    source = Source("folder", str(path), None)
    model = Model(name_for(str(path)), version, path, "", info, source, GoldenSummary(0, "none"), "", notes)
    return model, fault


def _questions(model: Model) -> dict[str, GoldenCase]:
    """Return the first golden question of each signature."""
    with suppress(ModelError):
        return {case.signature: case for case in reversed(golden.read(model.path))}
    return {}


def _curl(url: str, signature: Signature, case: GoldenCase | None) -> str | None:
    """Return a `curl` command for a signature; None if REST cannot carry the request or it is too long for a line."""
    inputs = _question_inputs(case)
    if not signature.inputs:
        return None
    if (inputs is None and not sample_request.is_short(signature)) or not sample_request.fits_rest(signature):
        return None
    if (
        case
        and case.method == tf_examples.PREDICT
        and any(golden.is_binary_output(*out) for out in case.outputs.items())
    ):
        return None
    method = case.method if case else tf_examples.method_of(signature.method)
    content: dict[str, Any] = {"inputs": inputs or sample_request.sample_inputs(signature)}
    if method != tf_examples.PREDICT:
        if case is None:
            return None
        content = {"examples": [tf_examples.to_json(one) for one in case.inputs[tf_examples.INPUT]]}
    body = json.dumps({"signature_name": signature.name, **content})
    return f"curl -d {shlex.quote(body)} {url}:{method}"


def _question_inputs(case: GoldenCase | None) -> dict[str, Any] | None:
    """Return the inputs of a golden question as JSON; None if they do not fit on a line."""
    if case is None or sum(array.size for array in case.inputs.values()) > sample_request.MAX_VALUES:
        return None
    return {name: tensors.to_json(array) for name, array in case.inputs.items()}
