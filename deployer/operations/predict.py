"""`predict`: send one request to a deployment over REST."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from deployer.client import sample_request, tf_examples
from deployer.client.address import parse_rest
from deployer.client.client import DEFAULT_PORTS_HINT, Client
from deployer.config.options import Settings
from deployer.config.spec import check_label
from deployer.errors import GoldenError, InvalidValue, ModelError, RequestFailed, RequestRefused, UsageError
from deployer.results.deployment import Deployment, Endpoints
from deployer.results.model import check_name
from deployer.results.progress import Note, Progress, no_progress
from deployer.results.served import ServedModel
from deployer.rollout import image_source, killed_releases, lookup, lost_versions, restart, served_models
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.savedmodel import tensors
from deployer.verification import golden
from deployer.verification.golden import GoldenCase

Body = str | Mapping[str, Any]


def predict(
    name: str | None = None,
    body: Body | None = None,
    *,
    model: str | None = None,
    version: int | str | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> Any:
    """Return the parsed answer to `body`, a predict request in TensorFlow Serving's JSON, as text or as a mapping.

    Arrays in a mapping become lists. Without a body, the first golden question is sent, of `serving_default` if that
    has one. `version` is a number or a label. Raises DeploymentNotFound, NotRunning, RequestFailed, UsageError.
    """
    workspace = open_workspace(settings or Settings(), "predict")
    deployment = lookup.find_running(workspace, name)
    workspace = image_source.serving(workspace, deployment) if body is None else workspace
    if note := restart.config_note(workspace, deployment):
        progress(Note(note))
    engine = workspace.for_deployment(deployment.name).engine
    for note in killed_releases.killed_notes(workspace.ledger_of(engine), engine, deployment):
        progress(Note(note))
    accepted = _model(deployment, model)
    served = _served_now(deployment, accepted)
    number = _labelled_version(workspace, deployment, version, served) if isinstance(version, str) else version
    if number is not None and number not in served.versions:
        raise _not_served(workspace, deployment, served, number)
    answers = served.versions[-1] if number is None else number
    if deployment.reloading_to is not None and answers not in accepted.versions:
        progress(Note(f"{served.name}:{answers} answers, which was not accepted; the deployment records {accepted}"))
    question = _text(body) if body is not None else _golden_question(workspace, deployment, served, number, progress)
    try:
        return workspace.client(deployment).post_predict(served.name, version, question.encode())
    except RequestRefused as error:
        error.hint = _refused_hint(workspace, deployment, served, number)
        raise
    except RequestFailed as error:
        if workspace.for_deployment(deployment.name).engine.exit_reason(deployment):
            raise lookup.not_running_error(workspace, dataclasses.replace(deployment, running=False)) from error
        raise


def predict_at(
    url: str,
    model: str | None,
    body: Body | None,
    *,
    version: int | str | None = None,
    settings: Settings | None = None,
) -> Any:
    """Send a request to the REST address of any model server. Raises RequestFailed, UsageError."""
    if model is None or body is None:
        raise UsageError("--url needs a model and a request", hint="deployer predict MODEL --url URL --input JSON")
    workspace = open_workspace(settings or Settings())
    address = parse_rest(url)
    client = Client(Endpoints(address.url, address.host_port), workspace.spec.gate.request_seconds)
    try:
        checked = check_label(version) if isinstance(version, str) else version
        return client.post_predict(check_name(model), checked, _text(body).encode())
    except RequestFailed as error:
        error.hint = _rest_hint(workspace, address.port) if error.hint == DEFAULT_PORTS_HINT else error.hint
        raise
    finally:
        client.close()


def _labelled_version(workspace: Workspace, deployment: Deployment, label: str, served: ServedModel) -> int:
    """Return the version that a label points to. Raises UsageError."""
    labels = dict(served.labels)
    if check_label(label) not in labels:
        unknown = served_models.unknown_label(served, label)
        target, newest = workspace.cli_target(deployment.name), served.versions[-1]
        command = f"deployer label {target}{_model_option(deployment, served)}{workspace.store_option} {label}={newest}"
        unknown.hint = unknown.hint or f"{command} points it to {served.name}:{newest}"
        raise unknown
    return labels[label]


def _text(body: Body) -> str:
    try:
        return body if isinstance(body, str) else json.dumps(body, default=_to_json)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the request cannot be written as JSON: {error}") from error


def _to_json(value: Any) -> Any:
    """Convert an array or a tensor to lists and numbers."""
    array = value.numpy() if hasattr(value, "numpy") else value
    if hasattr(array, "tolist"):
        return array.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON")


def _rest_hint(workspace: Workspace, port: str | None) -> str:
    """Return the hint for a port that is the gRPC port of a deployment."""
    for deployment in workspace.observe_all():
        if str(deployment.grpc_port) == port:
            return f"{deployment.name} answers REST requests at {deployment.endpoints.rest}"
    return DEFAULT_PORTS_HINT


def _model(deployment: Deployment, name: str | None) -> ServedModel:
    """Return the model of that name; by default the one named as the deployment, or the only one."""
    has_same_name = name is None and any(model.name == deployment.name for model in deployment.models)
    return lookup.select_model(deployment, deployment.name if has_same_name else name)


def _served_now(deployment: Deployment, accepted: ServedModel) -> ServedModel:
    """Return a model as its server has it, where that may differ from what was accepted."""
    if deployment.config_lost:
        return restart.reported(deployment, accepted)
    return accepted if deployment.reloading_to is None else restart.during_reload(deployment, accepted)


def _not_served(workspace: Workspace, deployment: Deployment, served: ServedModel, version: int) -> InvalidValue:
    """Return the error for a version that is not served."""
    target = f"{workspace.cli_target(deployment.name)}{_model_option(deployment, served)}"
    versions = ", ".join(map(str, served.versions))
    ask = f"deployer predict {target} --version {served.versions[-1]} asks {served.versions[-1]}"
    serve = (
        f"deployer redeploy {target}{workspace.store_option} --version {version} serves {version}"
        if version in workspace.store.versions(served.name)
        else f"deployer versions {served.name}{workspace.store_options} shows what can be served: "
        f"{version} is not in the store"
    )
    return InvalidValue(f"version {version} of {served.name} is not served; served: {versions}", hint=f"{ask}; {serve}")


def _refused_hint(workspace: Workspace, deployment: Deployment, served: ServedModel, number: int | None) -> str:
    """Return the hint for a request that the server refuses: the requests of the version that it serves."""
    versions = restart.available_versions(deployment, served.name) or served.versions
    asked = versions[-1] if number is None else number
    if asked not in versions:
        target = f"{workspace.cli_target(deployment.name)}{_model_option(deployment, served)}"
        listed = ", ".join(map(str, versions))
        ask = f"deployer predict {target} --version {versions[-1]} asks {versions[-1]}"
        return f"{ask}: the server has {served.name}: {listed}"
    return f"deployer inspect {served.name}:{asked}{workspace.up_options} shows requests that it answers"


def _model_option(deployment: Deployment, served: ServedModel) -> str:
    return f" --model {served.name}" if len(deployment.models) > 1 else ""


def _golden_question(
    workspace: Workspace, deployment: Deployment, served: ServedModel, version: int | None, progress: Progress
) -> str:
    number = version if version is not None else served.versions[-1]
    label = f"{served.name}:{number}"
    try:
        model = lost_versions.served_version(workspace, deployment, served, number)
        cases = golden.read(model.path)
    except ModelError as error:
        sample = _sample_hint(workspace, deployment, served, number)
        hint = "; ".join(filter(None, (sample, lost_versions.recovery_hint(workspace, served.name, number))))
        raise GoldenError(f"there is no golden question for {label}: {error.message}", hint=hint) from error
    if not cases:
        hint = _sample_hint(workspace, deployment, served, number)
        raise GoldenError(f"{label} has no golden set to take a question from", hint=hint)
    case = _first_case(cases)
    origin = f"its first question in the golden set ({model.golden.origin})"
    progress(Note(f"{label} is asked for its signature {case.signature}: {origin}"))
    columns = {name: tensors.to_json(array) for name, array in case.inputs.items()}
    return json.dumps({"signature_name": case.signature, "inputs": columns})


def _first_case(cases: tuple[GoldenCase, ...]) -> GoldenCase:
    """Return the first golden case of `serving_default`, as far as it takes predict requests, else of another."""
    return min(
        cases, key=lambda case: (case.method != tf_examples.PREDICT, case.signature != sample_request.DEFAULT_SIGNATURE)
    )


def _sample_hint(workspace: Workspace, deployment: Deployment, served: ServedModel, version: int) -> str:
    """Return the hint with a request that fits the signatures which the server declares."""
    target = f"{workspace.cli_target(deployment.name)}{_model_option(deployment, served)}"
    command = f"deployer predict {target} --version {version}"
    with suppress(RequestFailed):
        if request := sample_request.first_request(workspace.client(deployment).signatures(served.name, version)):
            return f"{command} --input {shlex.quote(json.dumps(request))}"
    return f"{command} --file FILE, with a request in JSON"
