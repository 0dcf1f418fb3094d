"""`predict`: asks a deployment one question over REST."""

from __future__ import annotations

import json
from typing import Any

from deployer import golden, tensors
from deployer.deployment import Deployment, ServedModel
from deployer.errors import GoldenError, InvalidValue, UsageError
from deployer.operations.workspace import Settings, Workspace, open_workspace


def predict(
    name: str | None = None,
    body: str | None = None,
    *,
    model: str | None = None,
    version: int | None = None,
    settings: Settings | None = None,
) -> Any:
    """The parsed answer to `body`, a predict request as TensorFlow Serving reads it; without one the first golden
    question is asked. Raises NothingDeployed, RequestFailed, UsageError."""
    workspace = open_workspace(settings or Settings())
    deployment = workspace.deployed(name)
    served = _model(deployment, model)
    question = body if body is not None else _golden_question(workspace, served, version)
    return workspace.client(deployment).post_predict(served.name, version, question.encode())


def _model(deployment: Deployment, name: str | None) -> ServedModel:
    names = [model.name for model in deployment.models]
    if name is None and deployment.name in names:
        name = deployment.name
    if name is None and len(names) == 1:
        name = names[0]
    for model in deployment.models:
        if model.name == name:
            return model
    problem = f"{deployment.name} serves no model {name}" if name else f"{deployment.name} serves several models"
    raise UsageError(problem, hint=f"--model one of: {', '.join(names)}")


def _golden_question(workspace: Workspace, served: ServedModel, version: int | None) -> str:
    chosen = version if version is not None else served.versions[-1]
    if chosen not in served.versions:
        raise InvalidValue(f"version {chosen} of {served.name} is not served", hint=f"served: {served.versions}")
    cases = golden.read(workspace.store.get(served.name, chosen).path)
    if not cases:
        raise GoldenError(
            f"{served.name}:{chosen} has no golden set to take a question from", hint="give one: --input JSON"
        )
    columns = {name: tensors.to_json(array) for name, array in cases[0].inputs.items()}
    return json.dumps({"signature_name": cases[0].signature, "inputs": columns})
