"""The model and the version of a running deployment that a command sends requests to."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass

from deployer.client import sample_request
from deployer.config.spec import check_label
from deployer.errors import GoldenError, InvalidValue, ModelError, RequestFailed
from deployer.results.deployment import Deployment
from deployer.results.model import Model
from deployer.results.progress import Note, Progress
from deployer.results.served import ServedModel
from deployer.rollout import killed_releases, lookup, lost_versions, restart, served_models
from deployer.rollout.workspace import Workspace
from deployer.verification import golden
from deployer.verification.golden import GoldenCase

BENCH = "bench"
"""The command that takes requests from a file of another option than `predict`."""


@dataclass(frozen=True)
class Asked:
    """A model of a deployment, as its server has it now, and the version or label that requests name."""

    workspace: Workspace
    deployment: Deployment
    served: ServedModel
    accepted: ServedModel
    """The model as the deployment records it."""

    version: int | str | None
    number: int | None
    """The version that is named, or that the label points to; None if the server chooses."""

    @property
    def answering(self) -> int:
        """The version that answers: without a named one, the highest."""
        return self.served.versions[-1] if self.number is None else self.number

    @property
    def label(self) -> str:
        """The version that answers, as `digits:2`."""
        return f"{self.served.name}:{self.answering}"

    def refused_hint(self) -> str:
        """Return the hint for a request that the server refuses: the requests of the version that it serves."""
        versions = restart.available_versions(self.deployment, self.served.name) or self.served.versions
        asked = versions[-1] if self.number is None else self.number
        if asked not in versions:
            listed = ", ".join(map(str, versions))
            ask = f"{_command(self)} --version {versions[-1]} asks {versions[-1]}"
            return f"{ask}: the server has {self.served.name}: {listed}"
        return f"deployer inspect {self.served.name}:{asked}{self.workspace.up_options} shows requests that it answers"

    def golden_cases(self) -> tuple[Model, tuple[GoldenCase, ...]]:
        """Return the version that answers, and its golden requests. Raises GoldenError if there are none."""
        try:
            model = lost_versions.served_version(self.workspace, self.deployment, self.served, self.answering)
            cases = golden.read(model.path)
        except ModelError as error:
            recovery = lost_versions.recovery_hint(self.workspace, self.served.name, self.answering)
            hint = "; ".join(filter(None, (self._sample_hint(), recovery)))
            raise GoldenError(f"there is no golden question for {self.label}: {error.message}", hint=hint) from error
        if not cases:
            raise GoldenError(f"{self.label} has no golden set to take a question from", hint=self._sample_hint())
        return model, cases

    def _sample_hint(self) -> str:
        """Return the hint with a request that fits the signatures which the server declares."""
        if self.workspace.command == BENCH:
            return f"{_command(self)} --requests FILE, with a predict request in JSON"
        command = f"deployer predict {_target(self)} --version {self.answering}"
        with suppress(RequestFailed):
            signatures = self.workspace.client(self.deployment).signatures(self.served.name, self.answering)
            if request := sample_request.first_request(signatures):
                return f"{command} --input {shlex.quote(json.dumps(request))}"
        return f"{command} --file FILE, with a request in JSON"


def find(
    workspace: Workspace, deployment: Deployment, model: str | None, version: int | str | None, progress: Progress
) -> Asked:
    """Return what requests are for; notes tell what a killed or a running change did to it.

    Without `model`, it is the one named as the deployment, or the only one. Raises InvalidValue, UsageError.
    """
    if note := restart.config_note(workspace, deployment):
        progress(Note(note))
    engine = workspace.for_deployment(deployment.name).engine
    for note in killed_releases.killed_notes(workspace.ledger_of(engine), engine, deployment):
        progress(Note(note))
    has_same_name = model is None and any(each.name == deployment.name for each in deployment.models)
    accepted = lookup.select_model(deployment, deployment.name if has_same_name else model)
    served = _served_now(deployment, accepted)
    number = _labelled_version(workspace, deployment, version, served) if isinstance(version, str) else version
    asked = Asked(workspace, deployment, served, accepted, version, number)
    if number is not None and number not in served.versions:
        raise _not_served(asked, number)
    if deployment.reloading_to is not None and asked.answering not in accepted.versions:
        progress(Note(f"{asked.label} answers, which was not accepted; the deployment records {accepted}"))
    return asked


def _served_now(deployment: Deployment, accepted: ServedModel) -> ServedModel:
    """Return a model as its server has it, where that may differ from what was accepted."""
    if deployment.config_lost:
        return restart.reported(deployment, accepted)
    return accepted if deployment.reloading_to is None else restart.during_reload(deployment, accepted)


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


def _not_served(asked: Asked, version: int) -> InvalidValue:
    """Return the error for a version that is not served."""
    workspace, served = asked.workspace, asked.served
    versions = ", ".join(map(str, served.versions))
    ask = f"{_command(asked)} --version {served.versions[-1]} asks {served.versions[-1]}"
    serve = (
        f"deployer redeploy {_target(asked)}{workspace.store_option} --version {version} serves {version}"
        if version in workspace.store.versions(served.name)
        else f"deployer versions {served.name}{workspace.store_options} shows what can be served: "
        f"{version} is not in the store"
    )
    return InvalidValue(f"version {version} of {served.name} is not served; served: {versions}", hint=f"{ask}; {serve}")


def _command(asked: Asked) -> str:
    return f"deployer {asked.workspace.command} {_target(asked)}"


def _target(asked: Asked) -> str:
    return f"{asked.workspace.cli_target(asked.deployment.name)}{_model_option(asked.deployment, asked.served)}"


def _model_option(deployment: Deployment, served: ServedModel) -> str:
    return f" --model {served.name}" if len(deployment.models) > 1 else ""
