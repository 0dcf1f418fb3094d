"""Notices about options, variables and settings that have no effect on a change."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.config.gateway import unused_settings
from deployer.results.deployment import Deployment, Launch
from deployer.results.plan import Change, Export, Plan
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
    no_containers = f"the {workspace.engine.traits.name} engine runs no containers"
    if variables := _container_variables(workspace):
        yield f"{', '.join(variables)} {'is' if len(variables) == 1 else 'are'} not used: {no_containers}"


def _container_variables(workspace: Workspace) -> list[str]:
    """Return the variables with settings of containers, on an engine without containers."""
    if workspace.engine.traits.image:
        return []
    # With the engine `auto`, the host says where to look for Docker.
    used = {"docker.host"} if workspace.spec.engine == "auto" else set()
    return [name for key, name in workspace.origins.variables.items() if key.startswith("docker.") and key not in used]


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
