"""Notices about what a plan does: what it reverts, reroutes, breaks or interrupts. An error makes them untrue."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.config.fields import PREFIX
from deployer.results.deployment import Deployment, Gateway
from deployer.results.plan import Change, Plan
from deployer.results.steps import Promote, ReplaceGateway, StartCandidate
from deployer.rollout.gate import Gate
from deployer.rollout.notices import certificates, reverts, routing, unverified

IMAGE_VARIABLE = f"{PREFIX}GATEWAY_IMAGE"
CHANGES_SERVER = (Change.CREATE, Change.RELOAD, Change.REPLACE)
LIMITS = ("max_body", "requests_per_second")
CLOSED_ON_NODE = (
    "on one node after the other, the ports are closed until the gateway has answered its requests in flight, and some "
    "seconds more, while the other nodes answer"
)
GATEWAY_HINT = "; with gateway.enabled = true in deployer.toml, later changes keep them open"


def notices(gate: Gate, plan: Plan, observed: Deployment | None, reason: str) -> Iterator[str]:
    """Yield the notices about a plan; `reason` is the command that asked for it, empty for `up`."""
    workspace, launch, spec = gate.workspace, gate.launch, gate.workspace.spec
    if plan.change in CHANGES_SERVER:
        yield from unverified.notices(workspace)
    yield from reverts.notices(workspace, launch, observed, reason)
    yield from routing.notices(observed.models if observed else (), launch.models, reason)
    yield from gate.accepted_breaks(plan.change, observed)
    for step in plan.steps:
        if isinstance(step, StartCandidate) and plan.change is Change.REPLACE and launch.replicas is None:
            yield f"another server replaces the running one: {step.cause}"
        if isinstance(step, ReplaceGateway) and step.replicated and step.running and spec.swarm.publish == "host":
            yield CLOSED_ON_NODE
        if isinstance(step, Promote) and step.gap:
            hint = "" if step.gateway else GATEWAY_HINT
            yield f"the ports are closed for a moment, until {step.gap}: {step.cause}{hint}"
    yield from certificates.notices(workspace, launch, observed)
    if observed and observed.gateway and not launch.gateway_digest and (lost := _protection(observed.gateway)):
        verb = "goes" if len(lost) == 1 else "go"
        yield f"{', '.join(lost)} {verb} with the gateway: clients reach the server itself"
    if observed and observed.gateway and not launch.gateway_digest and (kept := _kept_image(observed.gateway)):
        yield f"a later gateway gets {kept} again, which {IMAGE_VARIABLE} gave, unless a setting names another image"


def _kept_image(gateway: Gateway) -> str:
    """Return the image that the history keeps while the gateway is disabled; empty if no variable gave it."""
    return str(gateway.settings.get("image", "")) if "image" in gateway.temporary_settings else ""


def _protection(gateway: Gateway) -> list[str]:
    """Return what a gateway adds to an endpoint: TLS, tokens, and limits with their values."""
    settings = gateway.settings
    parts = {"TLS": gateway.certificate or settings.get("tls"), "tokens": gateway.guarded or settings.get("tokens")}
    limits = [f"{name} {settings[name]}" for name in LIMITS if settings.get(name) is not None]
    return [*(text for text, present in parts.items() if present), *limits]
