"""Notes on options that measure, limit or let a change through, where they have nothing to act on."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.results.deployment import Deployment, Launch
from deployer.results.plan import Change, Export, Plan
from deployer.rollout.monitor import questions_for
from deployer.rollout.workspace import Workspace


def notices(workspace: Workspace, launch: Launch, plan: Plan, observed: Deployment | None) -> Iterator[str]:
    """Those that were given with the command and change nothing, with the reason. What deployer.toml says is meant for
    changes to come, too, and is not noted.
    """
    given = workspace.settings
    traffic = {"--measure": given.measure, "--max-failures": given.max_failures, "--max-gap": given.max_gap_ms}
    asked = [option for option, value in traffic.items() if value is not None]
    if asked and (reason := _no_traffic(workspace, launch, plan, observed)):
        yield f"nothing is measured, and {', '.join(asked)} {'is' if len(asked) == 1 else 'are'} not used: {reason}"
    waived = {"--skip-gate": given.skip_gate, "--allow-breaking": given.allow_breaking}
    if plan.change is Change.NOTHING and (needless := [option for option, value in waived.items() if value]):
        yield f"{', '.join(needless)} {'is' if len(needless) == 1 else 'are'} not used: nothing changes"
    if given.max_slowdown is not None and (reason := _no_pace(workspace, launch, plan, observed)):
        yield f"no times are compared, and --max-slowdown is not used: {reason}"


def _no_traffic(workspace: Workspace, launch: Launch, plan: Plan, observed: Deployment | None) -> str:
    if observed is None or not observed.running:
        return _not_serving(observed)
    if plan.change is Change.NOTHING:
        return "nothing changes"
    is_exported = not any(isinstance(step, Export) for step in plan.steps)
    if is_exported and not questions_for(workspace, launch, observed):
        return "no model that is served before and after has golden questions"
    return ""


def _no_pace(workspace: Workspace, launch: Launch, plan: Plan, observed: Deployment | None) -> str:
    if observed is None or not observed.running:
        return _not_serving(observed)
    if plan.change is Change.NOTHING:
        return "nothing changes"
    if workspace.spec.gate.skip:
        return "the gate is skipped"
    there = {model.name: set(model.versions) for model in observed.models}
    is_new = any(set(model.versions) - there.get(model.name, set(model.versions)) for model in launch.models)
    return "" if is_new else "no model gets a new version"


def _not_serving(observed: Deployment | None) -> str:
    return "nothing serves yet" if observed is None else "its server was not running"
