"""Decides on a plan from the desired launch and the observed deployment. Pure: no engine, no clock, no disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from deployer.engines.base import Traits
from deployer.results.deployment import GONE, GRPC_PORT, REST_PORT, Deployment
from deployer.results.launch import Launch
from deployer.results.plan import Change, Plan
from deployer.results.served import ServedModel, format_models
from deployer.results.steps import (
    AwaitCandidate,
    AwaitServing,
    CheckServing,
    DiscardCandidate,
    JudgeTraffic,
    LoadVersions,
    Promote,
    RecordModels,
    Reload,
    Remove,
    ReplaceGateway,
    Scale,
    StartCandidate,
    Step,
    VerifyCandidate,
    VerifyServing,
)
from deployer.rollout.causes import LOST_GATEWAY, gateway_cause, moves, reload_cause, replace_cause
from deployer.rollout.model_changes import describe
from deployer.rollout.served_models import all_loaded

Models = tuple[ServedModel, ...]
Steps = tuple[Step, ...]
VERIFIED = "the candidate is verified"
OLD_SERVER = "the old server runs until then"
OLD_GATEWAY = "the old gateway runs until then"
RESTART = "the old server is started again if that fails"
SUCCESS = "the change has succeeded only then"
UNVERIFIED = "no unverified server takes traffic"
PUBLISHED = "requests reach it already: Docker opens ports when a container starts; it is removed if it fails"
SKIPPED = "verification is skipped"
NOT_DEPLOYED = "nothing is deployed under this name"
ROLLED_BACK = "the old servers replace the new ones in turn if that fails"


class _GatewayImage(TypedDict, total=False):
    image: str
    missing: bool


@dataclass(frozen=True)
class Conditions:
    """Facts that a plan depends on besides the launch and the observed deployment."""

    zero_downtime: bool = True
    """Whether the engine can replace a server without closing its ports for a moment.

    If not, it opens the ports of a deployment's first server when that starts.
    """

    replicated: bool = False
    """Whether the engine runs several servers of a deployment: it replaces them in turn, and they never reload."""

    verify: bool = True
    measure_rate: float | None = None
    """How many requests a second are sent to the endpoint during the change."""

    max_failures: int | None = None
    max_gap_ms: float | None = None
    """The limits on these requests."""

    reload_obstacle: str = ""
    """Why the running server cannot load the versions, such as a store that it does not see."""

    fits_three: bool = False
    """Whether the candidate may keep its memory while the running server loads the same versions."""

    only_stored: Callable[[Models], Models] = tuple
    """Leaves out versions that are no longer in the store."""

    files: Mapping[str, str] | None = None
    """The configuration files that the running server has read; None if they are not known."""

    gone: Models = ()
    """What the last server served, where the history has it and the engine does not."""


def decide(launch: Launch, observed: Deployment | None, conditions: Conditions = Conditions()) -> Plan:
    """Return the plan that turns `observed` into `launch`; its cause is the first difference that matters."""
    change, steps = _decide(launch, observed, conditions)
    name = f"{launch.name} [{launch.env}]"
    return Plan(change, name, steps, server=f"{launch.server_digest} {launch.gateway_digest}")


def plan_removal(observed: Deployment) -> Plan:
    """Return the plan of `down`."""
    state = "gone" if observed.role == GONE else "not running"
    cause = "asked for" if observed.running else f"asked for; its server is {state}"
    steps = (Remove(cause, observed.models),)
    return Plan(Change.REMOVE, f"{observed.name} [{observed.env}]", steps, engine=observed.engine)


def on_engine(plan: Plan, traits: Traits) -> Plan:
    """Return a plan with the engine that executes it, and where that is asked."""
    return dataclasses.replace(plan, engine=traits.name, address=traits.address, selected_by=traits.selected_by)


def plan_scale(observed: Deployment, replicas: int) -> Plan:
    """Return the plan of `scale`."""
    name, await_serving = f"{observed.name} [{observed.env}]", AwaitServing("the servers answer at its address")
    if replicas == observed.replicas:
        return Plan(Change.NOTHING, name, (await_serving,), engine=observed.engine)
    return Plan(
        Change.SCALE, name, (Scale("asked for", observed.replicas, replicas), await_serving), engine=observed.engine
    )


def starts_server(plan: Plan) -> bool:
    """Return whether the plan starts a server or a gateway."""
    return any(isinstance(step, (StartCandidate, ReplaceGateway)) for step in plan.steps)


def _decide(launch: Launch, observed: Deployment | None, conditions: Conditions) -> tuple[Change, Steps]:
    if observed is None or not observed.running:
        return Change.CREATE, _create(launch, observed, conditions)
    if cause := _replace_cause(launch, observed, conditions):
        return Change.REPLACE, _replace(launch, observed, cause, conditions)
    gateway, scale = _replace_gateway(launch, observed, conditions), _scale(launch, observed, conditions)
    if launch.models != observed.models:
        return Change.RELOAD, (*gateway, *_reload(launch, observed, conditions))
    check = CheckServing("nothing else changes" if gateway or scale else "nothing changes")
    change = Change.GATEWAY if gateway else Change.SCALE if scale else Change.NOTHING
    return change, (*gateway, *scale, check)


def _replace_cause(launch: Launch, observed: Deployment, conditions: Conditions) -> str:
    cause = replace_cause(launch, observed, conditions.files) or conditions.reload_obstacle
    if not conditions.replicated or launch.models == observed.models:
        return cause
    if cause and _same(observed.models, launch.models):  # the cause tells that files differ
        return cause
    return "; ".join(filter(None, (reload_cause(observed.models, launch.models), cause)))


def _create(launch: Launch, observed: Deployment | None, conditions: Conditions) -> Steps:
    """Return the steps that start the first server, or one in the place of a server that is not running."""
    cause = f"the old server ({format_models(conditions.gone)}) is gone" if conditions.gone else NOT_DEPLOYED
    if observed is not None:
        cause = f"the old server ({format_models(observed.models)}) is not running"
    unmeasured = dataclasses.replace(conditions, measure_rate=None)  # before the promotion, no server answers
    published = not conditions.zero_downtime and not (observed and _has_ports(observed))
    address = _address(launch, observed)
    promote = Promote(
        VERIFIED if conditions.verify else SKIPPED,
        address,
        bool(launch.gateway_digest),
        changes=describe(observed.models, launch.models, running=False) if observed else (),
        accepted_by=(AwaitServing(SUCCESS),) if observed is None else _acceptance(unmeasured, SUCCESS),
        published=published,
        replicas=launch.replicas or 0,
        **_gateway_image(launch, observed),
    )
    start = dataclasses.replace(_start(launch, cause), final_address=address if published else "")
    return (start, _check_candidate(conditions, PUBLISHED if published else UNVERIFIED), promote)


def _replace(launch: Launch, observed: Deployment, cause: str, conditions: Conditions) -> Steps:
    """Return the steps that start another server in the place of the running one."""
    has_gateway, gets_gateway = observed.gateway is not None, bool(launch.gateway_digest)
    gap, promote_cause = "", VERIFIED if conditions.verify else SKIPPED
    if not conditions.replicated and (not conditions.zero_downtime or gets_gateway is not has_gateway):
        gap = "the gateway has them" if gets_gateway else "the new one has loaded"
        promote_cause = (
            "there is no gateway yet" if gets_gateway else "two containers cannot have one port, without a gateway"
        )
    if observed.gateway and observed.gateway.lost and observed.gateway.running:
        promote_cause = f"{promote_cause}; a new gateway takes the ports first: {LOST_GATEWAY}"
    promote = Promote(
        promote_cause,
        _address(launch, observed),
        gets_gateway,
        replaces=format_models(observed.models),
        gap=gap,
        changes=describe(observed.models, launch.models),
        accepted_by=_acceptance(conditions, ROLLED_BACK if conditions.replicated else RESTART if gap else OLD_SERVER),
        replicas=launch.replicas or 0,
        **_gateway_image(launch, observed),
    )
    return (_start(launch, cause), _check_candidate(conditions, UNVERIFIED, pace=True), promote)


def _replace_gateway(launch: Launch, observed: Deployment, conditions: Conditions) -> Steps:
    cause = gateway_cause(launch, observed)
    if cause is None:
        return ()
    running = observed.gateway is not None and observed.gateway.running
    stays = observed.gateway is not None and running and not observed.gateway.lost
    await_serving = AwaitServing(OLD_GATEWAY if stays else SUCCESS)
    accepted_by = (await_serving, *_judge(conditions, old_serves=True))
    image = _gateway_image(launch, observed)
    return (ReplaceGateway(cause, accepted_by, running, **image, replicated=conditions.replicated),)


def _scale(launch: Launch, observed: Deployment, conditions: Conditions) -> Steps:
    """Return the steps that change the number of servers."""
    before, after = observed.replicas, launch.replicas
    if after is None or after == before:
        return ()
    return (
        Scale(f"changed: swarm.replicas ({before}, now {after})", before, after),
        *_judge(conditions, old_serves=False),
    )


def _reload(launch: Launch, observed: Deployment, conditions: Conditions) -> Steps:
    """Return the steps that have the running server load and serve other models."""
    loaded = all_loaded(launch.models, observed.models)
    *reload, record = reload_steps(observed.models, launch.models, conditions.only_stored)
    return (
        *(_before_reload(launch, observed, conditions, loaded=loaded) if conditions.verify else ()),
        *reload,
        VerifyServing("after the reload", again=loaded) if conditions.verify else AwaitServing(SKIPPED),
        *_judge(conditions, old_serves=False),
        record,
    )


def _before_reload(launch: Launch, observed: Deployment, conditions: Conditions, *, loaded: bool) -> Steps:
    if loaded:
        return (VerifyServing("the server has loaded these versions already"),)
    return (
        _start(launch, reload_cause(observed.models, launch.models)),
        VerifyCandidate(UNVERIFIED, pace=True),
        DiscardCandidate("the running server loads the verified version itself", background=conditions.fits_three),
    )


def reload_steps(before: Models, after: Models, only_stored: Callable[[Models], Models] = tuple) -> Steps:
    """Return the steps that turn a server of `before` into one of `after`.

    If neither contains the other, the server loads both at first, and unloads `before` only when `after` serves.
    """
    union = _union(before, after)
    both = only_stored(union)
    loads_first = not (_same(both, before) or _same(both, after))
    cause, changes = reload_cause(before, after), describe(both if loads_first else before, after)
    last = (Reload(cause, after, union, changes), RecordModels("a reload that is killed before is undone", after))
    return (LoadVersions("nothing is unloaded before the new version serves", both), *last) if loads_first else last


def _start(launch: Launch, cause: str) -> StartCandidate:
    image = launch.image
    # The machines of a cluster pull it by themselves.
    missing = image is not None and not image.id and launch.replicas is None
    return StartCandidate(cause, launch.models, image.name if image else "", missing)


def _gateway_image(launch: Launch, observed: Deployment | None) -> _GatewayImage:
    """Return the image of the gateway that is started; nothing where none is."""
    image = launch.gateway_image
    stays = observed and observed.gateway and gateway_cause(launch, observed) is None and not moves(launch, observed)
    if image is None or stays:
        return {}
    return {"image": image.name, "missing": not image.id}


def _check_candidate(conditions: Conditions, cause: str, *, pace: bool = False) -> Step:
    return VerifyCandidate(cause, pace) if conditions.verify else AwaitCandidate(SKIPPED)


def _acceptance(conditions: Conditions, cause: str) -> Steps:
    """Return the steps that a promoted server must pass before the old one, if it runs, is retired."""
    verify = (VerifyServing(cause),) if conditions.verify else ()
    return (AwaitServing(cause), *verify, *_judge(conditions, old_serves=True))


def _judge(conditions: Conditions, *, old_serves: bool) -> Steps:
    if not conditions.measure_rate:
        return ()
    cause = f"{conditions.measure_rate:g} requests a second go to the endpoint"
    return (JudgeTraffic(cause, old_serves, conditions.max_failures, conditions.max_gap_ms),)


def _union(before: Models, after: Models) -> Models:
    """Return every version of both, with the labels of `before`."""
    rest = {model.name: model for model in before}
    both = [_merge(rest.pop(model.name, None), model) for model in after]
    return (*both, *rest.values())


def _merge(before: ServedModel | None, after: ServedModel) -> ServedModel:
    if before is None:
        return dataclasses.replace(after, labels=())
    return ServedModel(after.name, tuple(sorted({*before.versions, *after.versions})), before.labels)


def _same(one: Models, other: Models) -> bool:
    """Compare by name, versions and labels, which is what a server knows."""
    return {(model.name, model.versions, model.labels) for model in one} == {
        (model.name, model.versions, model.labels) for model in other
    }


def _address(launch: Launch, observed: Deployment | None) -> str:
    rest, grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
    held = observed is not None and _has_ports(observed)
    return (
        f"{launch.host}: REST {_port(launch.rest_port, REST_PORT, rest, held=held)}, "
        f"gRPC {_port(launch.grpc_port, GRPC_PORT, grpc, held=held)}"
    )


def _has_ports(observed: Deployment) -> bool:
    return observed.gateway.running if observed.gateway else observed.running


def _port(desired: int | None, default: int, observed: int | None, *, held: bool) -> str:
    """Describe the port that a server will get.

    If none is desired, a deployment keeps its port: for certain while it is `held`, otherwise if it is still free.
    """
    if desired:
        return str(desired)
    if observed is not None:
        return str(observed) if held else f"{observed} or a free one"
    return "any free one" if desired == 0 else f"{default} or a free one"
