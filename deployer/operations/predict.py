"""`predict`: asks a deployment one question over REST."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from deployer.client import sample_request
from deployer.client.client import USUAL_PORTS, Client
from deployer.config.options import Settings
from deployer.config.spec import check_label
from deployer.errors import GoldenError, InvalidValue, ModelError, RequestFailed, RequestRefused, UsageError
from deployer.results.deployment import Deployment, Endpoints, ServedModel
from deployer.results.model import check_name
from deployer.rollout import lost_versions, served_models
from deployer.rollout.workspace import Progress, Workspace, no_progress, not_running_error, open_workspace, select_model
from deployer.savedmodel import tensors
from deployer.verification import golden

Body = str | Mapping[str, Any]
ADDRESS = re.compile(r"(?:http://)?(?P<host>(?:\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?)/?")


def predict(
    name: str | None = None,
    body: Body | None = None,
    *,
    model: str | None = None,
    version: int | str | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> Any:
    """The parsed answer to `body`, a predict request as TensorFlow Serving reads it: JSON, or what becomes JSON, arrays
    and all. Without one the first golden question is asked, which `progress` is told. `version` is a number or a label.

    Raises DeploymentNotFound, NotRunning, RequestFailed, UsageError.
    """
    workspace = open_workspace(settings or Settings())
    deployment = workspace.running_deployment(name)
    if deployment.config_lost:
        progress(deployment.config_note)
    served = _model(deployment, model)
    chosen = _labelled(version, served) if isinstance(version, str) else version
    if chosen is not None and chosen not in served.versions:
        raise _not_served(workspace, deployment, served, chosen)
    question = _text(body) if body is not None else _golden_question(workspace, deployment, served, chosen, progress)
    try:
        return workspace.client(deployment).post_predict(served.name, version, question.encode())
    except RequestRefused as error:
        asked = chosen if chosen is not None else served.versions[-1]
        error.hint = f"deployer inspect {served.name}:{asked} shows requests that it answers"
        raise
    except RequestFailed as error:
        if workspace.for_deployment(deployment.name).engine.exit_reason(deployment):
            raise not_running_error(deployment, "server") from error
        raise


def predict_at(
    url: str,
    model: str | None,
    body: Body | None,
    *,
    version: int | str | None = None,
    settings: Settings | None = None,
) -> Any:
    """The same of a server that deployer did not start, by its REST address. Raises RequestFailed, UsageError."""
    if model is None or body is None:
        raise UsageError("--url says where, not what to ask", hint="deployer predict MODEL --url URL --input JSON")
    workspace = open_workspace(settings or Settings())
    where = ADDRESS.fullmatch(url)
    if where is None:
        raise InvalidValue(f"{url!r:.200} is no address of a server", hint="--url http://HOST:8501")
    client = Client(Endpoints(f"http://{where['host']}", where["host"]), workspace.spec.gate.request_seconds)
    try:
        which = check_label(version) if isinstance(version, str) else version
        return client.post_predict(check_name(model), which, _text(body).encode())
    except RequestFailed as error:
        error.hint = _known_rest(workspace, where["port"]) if error.hint == USUAL_PORTS else error.hint
        raise
    finally:
        client.close()


def _labelled(label: str, served: ServedModel) -> int:
    """The version that a label of the served model points to. Raises UsageError."""
    labels = dict(served.labels)
    if check_label(label) not in labels:
        unknown = served_models.unknown_label(served, label)
        points = f"deployer label NAME {label}=VERSION points it"
        unknown.hint = "; ".join(filter(None, (unknown.hint, points)))
        raise unknown
    return labels[label]


def _text(body: Body) -> str:
    try:
        return body if isinstance(body, str) else json.dumps(body, default=_plain)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the request cannot be written as JSON: {error}") from error


def _plain(value: Any) -> Any:
    """An array, a tensor or one of their numbers as lists and numbers."""
    array = value.numpy() if hasattr(value, "numpy") else value
    if hasattr(array, "tolist"):
        return array.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON")


def _known_rest(workspace: Workspace, port: str | None) -> str:
    """Where REST is, for the gRPC port of a deployment."""
    for found in workspace.observe_all():
        if str(found.grpc_port) == port:
            return f"{found.name} answers REST requests at {found.endpoints.rest}"
    return USUAL_PORTS


def _model(deployment: Deployment, name: str | None) -> ServedModel:
    """The model asked for; unset: the deployment's namesake, or the only one. Raises UsageError."""
    is_namesake = name is None and any(model.name == deployment.name for model in deployment.models)
    return select_model(deployment, deployment.name if is_namesake else name)


def _not_served(workspace: Workspace, deployment: Deployment, served: ServedModel, version: int) -> InvalidValue:
    """The error that says which versions can be asked, and how that one is served."""
    where, of = workspace.cli_target(deployment.name), _of(deployment, served)
    there = ", ".join(map(str, served.versions))
    ask = f"deployer predict {where}{of} --version {served.versions[-1]} asks {served.versions[-1]}"
    serve = (
        f"deployer redeploy {where}{of}{workspace.store_option} --version {version} serves {version}"
        if version in workspace.store.versions(served.name)
        else f"deployer versions {served.name} shows what can be served: {version} is not in the store"
    )
    return InvalidValue(f"version {version} of {served.name} is not served; served: {there}", hint=f"{ask}; {serve}")


def _of(deployment: Deployment, served: ServedModel) -> str:
    return f" --model {served.name}" if len(deployment.models) > 1 else ""


def _golden_question(
    workspace: Workspace, deployment: Deployment, served: ServedModel, version: int | None, progress: Progress
) -> str:
    chosen = version if version is not None else served.versions[-1]
    what = f"{served.name}:{chosen}"
    try:
        model = workspace.store.get(served.name, chosen)
        cases = golden.read(model.path)
    except ModelError as error:
        own = _own_question(workspace, deployment, served, chosen)
        hint = "; ".join(filter(None, (own, lost_versions.recovery_hint(workspace, served.name, chosen))))
        raise GoldenError(f"there is no golden question for {what}: {error.message}", hint=hint) from error
    if not cases:
        hint = _own_question(workspace, deployment, served, chosen)
        raise GoldenError(f"{what} has no golden set to take a question from", hint=hint)
    which = f"the first question of its golden set ({model.golden.origin})"
    progress(f"{what} is asked for its signature {cases[0].signature}: {which}")
    columns = {name: tensors.to_json(array) for name, array in cases[0].inputs.items()}
    return json.dumps({"signature_name": cases[0].signature, "inputs": columns})


def _own_question(workspace: Workspace, deployment: Deployment, served: ServedModel, version: int) -> str:
    """The hint with a request that the server declares to take."""
    command = f"deployer predict {workspace.cli_target(deployment.name)}{_of(deployment, served)} --version {version}"
    with suppress(RequestFailed):
        if found := sample_request.of_any(workspace.client(deployment).signatures(served.name, version)):
            return f"{command} --input {shlex.quote(json.dumps(found))}"
    return f"{command} --file FILE, with a request in JSON"
