"""Notices about options, variables and settings that have no effect on a change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from deployer.config import capabilities
from deployer.config.gateway import unused_settings
from deployer.config.origins import Origins
from deployer.results.deployment import Deployment
from deployer.results.launch import Launch
from deployer.results.plan import Change, Plan
from deployer.results.steps import Export
from deployer.rollout.launch import capability_row
from deployer.rollout.monitor import questions_for
from deployer.rollout.workspace import Workspace


def notices(workspace: Workspace, launch: Launch, plan: Plan, observed: Deployment | None) -> Iterator[str]:
    """Yield a notice for each option of the command without effect; `deployer.toml` may be for later changes."""
    given = workspace.settings
    traffic = {"--measure": given.measure, "--max-failures": given.max_failures, "--max-gap": given.max_gap_ms}
    options = [option for option, value in traffic.items() if value is not None]
    if options and (reason := _why_not_measured(workspace, launch, plan, observed)):
        yield f"nothing is measured, and {', '.join(options)} {'is' if len(options) == 1 else 'are'} not used: {reason}"
    waived = {"--skip-gate": given.skip_gate, "--allow-breaking": given.allow_breaking}
    if plan.change is Change.NOTHING and (options := [option for option, value in waived.items() if value]):
        yield f"{', '.join(options)} {'is' if len(options) == 1 else 'are'} not used: nothing changes"
    if given.max_slowdown is not None and (reason := _why_not_compared(workspace, launch, plan, observed)):
        yield f"no times are compared, and --max-slowdown is not used: {reason}"
    if unused := unused_settings(workspace.spec.gateway, workspace.origins):
        yield unused
    yield from capabilities.unused_variables(capability_row(workspace.engine), _unused_origins(workspace))


def _unused_origins(workspace: Workspace) -> Origins:
    """Return what sets the keys, without variables that have an effect on another way than the engine's.

    With the engine `auto`, `docker.host` says where to look for Docker; settings of a gateway have a notice of their
    own.
    """
    used = {"docker.host"} if workspace.spec.engine == "auto" else set()
    variables = workspace.origins.variables.items()
    kept = {key: name for key, name in variables if key not in used and not key.startswith("gateway.")}
    return dataclasses.replace(workspace.origins, variables=kept)


def _why_not_measured(workspace: Workspace, launch: Launch, plan: Plan, observed: Deployment | None) -> str:
    if observed is None or not observed.running:
        return _not_serving(observed)
    if plan.change is Change.NOTHING:
        return "nothing changes"
    if observed.direct_endpoints:
        return "deployer's token for the gateway is gone, with its directory"
    is_exported = not any(isinstance(step, Export) for step in plan.steps)
    if is_exported and not questions_for(workspace, launch, observed):
        return "no model that is served before and after has golden questions"
    return ""


def _why_not_compared(workspace: Workspace, launch: Launch, plan: Plan, observed: Deployment | None) -> str:
    if observed is None or not observed.running:
        return _not_serving(observed)
    if plan.change is Change.NOTHING:
        return "nothing changes"
    if workspace.spec.gate.skip:
        return "the gate is skipped"
    served = {model.name: set(model.versions) for model in observed.models}
    has_new = any(set(model.versions) - served.get(model.name, set(model.versions)) for model in launch.models)
    return "" if has_new else "no model gets a new version"


def _not_serving(observed: Deployment | None) -> str:
    return "nothing serves yet" if observed is None else "its server was not running"
