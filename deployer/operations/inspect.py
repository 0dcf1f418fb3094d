"""`inspect`: what a version or a SavedModel folder declares, without TensorFlow."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

from deployer.client import sample_request, tf_examples
from deployer.config.options import Settings
from deployer.engines import loading
from deployer.errors import BrokenModel, EngineError, ModelError
from deployer.results.deployment import REST_PORT
from deployer.results.model import GoldenSummary, Model, Signature, Source
from deployer.results.versions import InspectResult
from deployer.rollout import lost_versions, source_changes
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.targets import STORED, TO_INSPECT, Stored, as_text, name_for, refuse_tag, stored
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.savedmodel import reader, tensors
from deployer.server.version_names import version_number
from deployer.store.store import Store
from deployer.verification import batchable, golden
from deployer.verification.golden import GoldenCase

USUAL = f"http://127.0.0.1:{REST_PORT}"
"""TensorFlow Serving's own address, for examples."""


def inspect(target: str | PathLike[str], *, settings: Settings | None = None) -> InspectResult:
    """`target` is a folder or NAME[:VERSION]. Raises BrokenModel, ModelNotFound, SourceNotFound."""
    workspace = open_workspace(settings or Settings())
    target = as_text(target)
    with lost_versions.suggest_recovery(workspace, target):
        known = stored(target, workspace.store, TO_INSPECT) if STORED.fullmatch(target) else None
        if not Path(target).exists():
            refuse_tag(target, workspace.store)
        model, fault = _stored(workspace.store, known) if known else _folder(Path(target))
    where, others, unasked = _address(workspace, model) if known else (None, False, "")
    questions = _questions(model)
    url = where or f"{USUAL}/v1/models/{model.name}"
    lines = (_curl(url, signature, questions.get(signature.name)) for signature in model.info.signatures)
    faults = (f"export and up refuse it: {fault.message}",) if fault else ()
    outdated = _outdated(workspace, model) if known and not fault else ()
    how = f"{'not served; ' if known else ''}{_serving(workspace, model, known, is_deployed=others)}"
    unserved = () if where or fault else (unasked or how,)
    notes = (*unserved, *faults, *_notes(workspace, model), *outdated)
    served = None if unasked or not known else where is not None
    return InspectResult(model, tuple(line for line in lines if line), notes, served, stored=known is not None)


def _serving(workspace: Workspace, model: Model, known: Stored | None, *, is_deployed: bool) -> str:
    """Return the hint that serves the version, or that shows what it would change for clients of other versions."""
    target = f"{model.name}:{model.version}" if known else shlex.quote(str(model.path))
    what = f"{workspace.cli_target(target)}{workspace.store_option}"
    if is_deployed:
        return f"deployer plan {what} shows what deploying it would change"
    return f"deployer up {what} verifies and serves it"


def _outdated(workspace: Workspace, model: Model) -> tuple[str, ...]:
    """That the source of the newest version has changed since; later versions say so of earlier ones."""
    if model.version != workspace.store.versions(model.name)[-1]:
        return ()
    options = ExportOptions().for_batching(workspace.spec.batching)
    return source_changes.notices((model.name,), workspace.store, options)


def _notes(workspace: Workspace, model: Model) -> tuple[str, ...]:
    """What to look out for when the version is served and asked."""
    targets = dict.fromkeys(engine.traits.tensorflow for engine in workspace.engines)
    flags = workspace.spec.server.flags
    return (*model.notes, *batchable.fixed(model.info.signatures), *loading.notes(model, targets, flags))


def _address(workspace: Workspace, model: Model) -> tuple[str | None, bool, str]:
    """Return where the version is served, whether a deployment serves other versions of the model, and which engine
    could not be asked."""
    others, unasked = False, ""
    for engine in workspace.engines:
        try:
            there = engine.inventory.observe_all()
        except EngineError as error:
            unasked = f"whether it is served could not be asked: {error.message}"
            continue
        for found in there:
            versions = next((served.versions for served in found.models if served.name == model.name), ())
            others = others or bool(versions)
            if found.running and found.role == "serving" and model.version in versions:
                part = f"/versions/{model.version}" if len(versions) > 1 else ""
                return f"{found.endpoints.rest}/v1/models/{model.name}{part}", others, ""
    return None, others, unasked


def _stored(store: Store, known: Stored) -> tuple[Model, BrokenModel | None]:
    """A version of the store, and what it lacks; also one that another tool put there half."""
    try:
        model = store.get(known.name, known.version)
    except BrokenModel:
        version = known.version or store.versions(known.name)[-1]
        return _folder(store.root / known.name / str(version))
    return model, reader.declared(model.path)[1]


def _folder(path: Path) -> tuple[Model, BrokenModel | None]:
    notes = reader.version_notes(path)
    path = reader.newest_version(path) or path
    info, fault = reader.declared(path)
    version = max(version_number(path.resolve().name) or 0, 0)
    source = Source("folder", str(path), None)
    model = Model(name_for(str(path)), version, path, "", info, source, GoldenSummary(0, "none"), "", notes)
    return model, fault


def _questions(model: Model) -> dict[str, GoldenCase]:
    """The first golden question of each signature: the server has been seen to answer it."""
    with suppress(ModelError):
        return {case.signature: case for case in reversed(golden.read(model.path))}
    return {}


def _curl(where: str, signature: Signature, case: GoldenCase | None) -> str | None:
    """A request that the server answers; None where REST cannot carry it, nothing is known of its examples, or no line
    is long enough.
    """
    asked = _asked(case)
    if not signature.inputs:
        return None
    if (asked is None and not sample_request.is_short(signature)) or not sample_request.is_carried(signature):
        return None
    if case and case.method == tf_examples.PREDICT and any(golden.is_not_text(*out) for out in case.outputs.items()):
        return None
    method = case.method if case else tf_examples.method_of(signature.method)
    content: dict[str, Any] = {"inputs": asked or sample_request.inputs(signature)}
    if method != tf_examples.PREDICT:
        if case is None:
            return None
        content = {"examples": [tf_examples.to_json(one) for one in case.inputs[tf_examples.INPUT]]}
    body = json.dumps({"signature_name": signature.name, **content})
    return f"curl -d {shlex.quote(body)} {where}:{method}"


def _asked(case: GoldenCase | None) -> dict[str, Any] | None:
    """The inputs of a golden question, where they fit on a line."""
    if case is None or sum(array.size for array in case.inputs.values()) > sample_request.LONGEST:
        return None
    return {name: tensors.to_json(array) for name, array in case.inputs.items()}
