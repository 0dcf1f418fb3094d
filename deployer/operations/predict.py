"""`predict`: send one request to a deployment over REST."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from deployer.client import encoding, sample_request, tf_examples
from deployer.client.address import parse_rest
from deployer.client.client import DEFAULT_PORTS_HINT, Client
from deployer.config.options import Settings
from deployer.config.spec import check_label
from deployer.errors import RequestFailed, RequestRefused, UsageError
from deployer.results.deployment import Endpoints
from deployer.results.model import check_name
from deployer.results.progress import Note, Progress, no_progress
from deployer.rollout import asked, image_source, lookup
from deployer.rollout.asked import Asked
from deployer.rollout.workspace import Workspace, open_workspace
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
    workspace = open_workspace(settings or Settings(), "predict", allow_unset=True)
    deployment = lookup.find_running(workspace, name)
    workspace = image_source.serving(workspace, deployment) if body is None else workspace
    model_asked = asked.find(workspace, deployment, model, version, progress)
    question = _text(body) if body is not None else _golden_question(model_asked, progress)
    try:
        return workspace.client(deployment).post_predict(model_asked.served.name, version, question.encode())
    except RequestRefused as error:
        error.hint = model_asked.refused_hint()
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
    workspace = open_workspace(settings or Settings(), allow_unset=True)
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


def _golden_question(model_asked: Asked, progress: Progress) -> str:
    model, cases = model_asked.golden_cases()
    case = _first_case(cases)
    origin = f"its first question in the golden set ({model.golden.origin})"
    progress(Note(f"{model_asked.label} is asked for its signature {case.signature}: {origin}"))
    return encoding.predict_body(case.signature, case.inputs).decode()


def _first_case(cases: tuple[GoldenCase, ...]) -> GoldenCase:
    """Return the first golden case of `serving_default`, as far as it takes predict requests, else of another."""
    return min(
        cases, key=lambda case: (case.method != tf_examples.PREDICT, case.signature != sample_request.DEFAULT_SIGNATURE)
    )
