"""Notices about what a plan does: what it reverts, reroutes, breaks or interrupts. An error makes them untrue."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.results.deployment import Deployment
from deployer.results.plan import Change, Plan, Promote, StartCandidate
from deployer.rollout.gate import Gate
from deployer.rollout.notices import reverts, routing

GATEWAY_HINT = "; with gateway.enabled = true in deployer.toml, later changes keep them open"


def notices(gate: Gate, plan: Plan, observed: Deployment | None, reason: str) -> Iterator[str]:
    """Yield the notices about a plan; `reason` is the command that asked for it, empty for `up`."""
    workspace, launch = gate.workspace, gate.launch
    yield from reverts.notices(workspace, launch, observed, reason)
    yield from routing.notices(observed.models if observed else (), launch.models, reason)
    yield from gate.accepted_breaks(plan.change, observed)
    for step in plan.steps:
        if isinstance(step, StartCandidate) and plan.change is Change.REPLACE:
            yield f"another server replaces the running one: {step.cause}"
        if isinstance(step, Promote) and step.gap:
            hint = "" if step.gateway else GATEWAY_HINT
            yield f"the ports are closed for a moment, until {step.gap}: {step.cause}{hint}"
