"""Decides on a plan from the desired launch and the observed deployment. Pure: no engine, no clock, no disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from deployer.config.threads import DEFAULT_THREADS, GRPC_MAX_THREADS
from deployer.results.deployment import (
    GRPC_PORT,
    REST_PORT,
    Deployment,
    Launch,
    NamedImage,
    ServedModel,
    differing_parts,
    format_models,
)
from deployer.results.plan import (
    AwaitCandidate,
    AwaitServing,
    Change,
    CheckServing,
    DiscardCandidate,
    JudgeTraffic,
    LoadVersions,
    Plan,
    Promote,
    RecordModels,
    Reload,
    Remove,
    ReplaceGateway,
    StartCandidate,
    Step,
    VerifyCandidate,
    VerifyServing,
)
from deployer.rollout.model_changes import cause as reload_cause
from deployer.rollout.model_changes import describe

Models = tuple[ServedModel, ...]
FLAGS = "the flags"
DEFAULT_FLAGS = ((GRPC_MAX_THREADS, str(DEFAULT_THREADS)),)
VERIFIED = "the candidate is verified"
AT_ITS_ADDRESS = "the old server runs until then"
UNVERIFIED = "no unverified server takes traffic"
SKIPPED = "verification is skipped"


@dataclass(frozen=True)
class Conditions:
    """Facts that a plan depends on besides the launch and the observed deployment."""

    zero_downtime: bool = True
    """Whether the engine can replace a server without closing its ports for a moment."""

    verify: bool = True
    measure: bool = False
    """Whether requests are sent to the endpoint during the change."""

    reload_obstacle: str = ""
    """Why the running server cannot load the versions, such as a store that it does not see."""

    fits_three: bool = False
    """Whether the candidate may keep its memory while the running server loads the same versions."""

    only_stored: Callable[[Models], Models] = tuple
    """Leaves out versions that are no longer in the store."""


def decide(launch: Launch, observed: Deployment | None, conditions: Conditions = Conditions()) -> Plan:
    """Return the plan that turns `observed` into `launch`; its cause is the first difference that matters."""
    plan = _decide(launch, observed, conditions)
    return dataclasses.replace(plan, server=f"{launch.server_digest} {launch.gateway_digest}")


def starts_server(plan: Plan) -> bool:
    """Return whether the plan starts a server or a gateway."""
    return any(isinstance(step, (StartCandidate, ReplaceGateway)) for step in plan.steps)


def plan_removal(observed: Deployment) -> Plan:
    """Return the plan of `down`."""
    cause = "asked for" if observed.running else "asked for; its server is not running"
    return Plan(Change.REMOVE, f"{observed.name} [{observed.env}]", (Remove(cause, observed.models),))


def _decide(launch: Launch, observed: Deployment | None, conditions: Conditions) -> Plan:
    name = f"{launch.name} [{launch.env}]"
    if observed is None or not observed.running:
        return Plan(Change.CREATE, name, _create(launch, observed, conditions))
    if cause := _replace_cause(launch, observed) or conditions.reload_obstacle:
        return Plan(Change.REPLACE, name, _replace(launch, observed, cause, conditions))
    gateway = _gateway(launch, observed, conditions)
    if launch.models != observed.models:
        return Plan(Change.RELOAD, name, (*gateway, *_reload(launch, observed, conditions)))
    check = CheckServing("nothing else changes" if gateway else "nothing changes")
    return Plan(Change.GATEWAY if gateway else Change.NOTHING, name, (*gateway, check))


def _create(launch: Launch, observed: Deployment | None, conditions: Conditions) -> tuple[Step, ...]:
    """Return the steps that start the first server, or replace one that is not running."""
    cause = "nothing is deployed under this name" if observed is None else "its server is not running"
    unmeasured = dataclasses.replace(conditions, measure=False)  # before the promotion, no server answers
    promote = Promote(
        VERIFIED if conditions.verify else SKIPPED,
        _address(launch, observed),
        bool(launch.gateway_digest),
        changes=describe(observed.models, launch.models) if observed else (),
        accepted_by=(AwaitServing(VERIFIED),) if observed is None else _acceptance(unmeasured),
    )
    return (_start(launch, cause), _check_candidate(conditions), promote)


def _replace(launch: Launch, observed: Deployment, cause: str, conditions: Conditions) -> tuple[Step, ...]:
    """Return the steps that start another server in the place of the running one."""
    has_gateway, gets_gateway = observed.gateway is not None, bool(launch.gateway_digest)
    gap, promote_cause = "", VERIFIED if conditions.verify else SKIPPED
    if not conditions.zero_downtime or gets_gateway is not has_gateway:
        gap = "the gateway has them" if gets_gateway else "the new one has loaded"
        promote_cause = (
            "there is no gateway yet" if gets_gateway else "two containers cannot have one port, without a gateway"
        )
    promote = Promote(
        promote_cause,
        _address(launch, observed),
        gets_gateway,
        replaces=format_models(observed.models),
        gap=gap,
        changes=describe(observed.models, launch.models),
        accepted_by=_acceptance(conditions),
    )
    return (_start(launch, cause), _check_candidate(conditions, pace=True), promote)


def _start(launch: Launch, cause: str) -> StartCandidate:
    image = launch.image
    return StartCandidate(cause, launch.models, image.name if image else "", image is not None and not image.id)


def _check_candidate(conditions: Conditions, *, pace: bool = False) -> Step:
    return VerifyCandidate(UNVERIFIED, pace) if conditions.verify else AwaitCandidate(SKIPPED)


def _acceptance(conditions: Conditions) -> tuple[Step, ...]:
    """Return the steps that a promoted server must pass before the old one is retired."""
    verify = (VerifyServing(AT_ITS_ADDRESS),) if conditions.verify else ()
    return (AwaitServing(AT_ITS_ADDRESS), *verify, *_judge(conditions, old_serves=True))


def _judge(conditions: Conditions, *, old_serves: bool) -> tuple[Step, ...]:
    return (JudgeTraffic("clients are measured", old_serves),) if conditions.measure else ()


def _gateway(launch: Launch, observed: Deployment, conditions: Conditions) -> tuple[Step, ...]:
    cause = gateway_cause(launch, observed)
    if cause is None:
        return ()
    return (ReplaceGateway(cause, (AwaitServing(AT_ITS_ADDRESS), *_judge(conditions, old_serves=True))),)


def all_loaded(desired: Models, loaded: Models) -> bool:
    """Return whether a server has loaded every desired version, so that no candidate is needed to verify them."""
    # A version that is still to be exported has no digest.
    exported = all(len(model.digests) == len(model.versions) for model in desired)
    return exported and _digests(desired).items() <= _digests(loaded).items()


def _reload(launch: Launch, observed: Deployment, conditions: Conditions) -> tuple[Step, ...]:
    """Return the steps that have the running server load and serve other models."""
    loaded = all_loaded(launch.models, observed.models)
    return (
        *(_before_reload(launch, observed, conditions, loaded=loaded) if conditions.verify else ()),
        *reload_steps(observed.models, launch.models, conditions.only_stored),
        VerifyServing("after the reload", again=loaded) if conditions.verify else AwaitServing(SKIPPED),
        *_judge(conditions, old_serves=False),
    )


def _before_reload(launch: Launch, observed: Deployment, conditions: Conditions, *, loaded: bool) -> tuple[Step, ...]:
    if loaded:
        return (VerifyServing("the server has loaded these versions already"),)
    return (
        _start(launch, reload_cause(observed.models, launch.models)),
        VerifyCandidate(UNVERIFIED, pace=True),
        DiscardCandidate("the running server loads the verified version itself", background=conditions.fits_three),
    )


def reload_steps(before: Models, after: Models, only_stored: Callable[[Models], Models] = tuple) -> tuple[Step, ...]:
    """Return the steps that turn a server of `before` into one of `after`.

    If neither contains the other, the server loads both at first, and unloads `before` only when `after` serves.
    """
    union = _union(before, after)
    both = only_stored(union)
    loads_first = not (_same(both, before) or _same(both, after))
    cause, changes = reload_cause(before, after), describe(both if loads_first else before, after)
    last = (Reload(cause, after, union, changes), RecordModels("the reload has ended", after))
    return (LoadVersions("nothing is unloaded before the new version serves", both), *last) if loads_first else last


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


def gateway_cause(launch: Launch, observed: Deployment) -> str | None:
    """Return why the gateway in front of a running server must be replaced; None if it need not be."""
    if not launch.gateway_digest or observed.gateway is None:
        return None
    if not observed.gateway.running:
        return "the gateway is not running"
    if observed.gateway.digest == launch.gateway_digest:
        return None
    return "image, certificate, tokens, limits or template of the gateway differ"


def _address(launch: Launch, observed: Deployment | None) -> str:
    rest, grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
    held = observed is not None and (observed.gateway.running if observed.gateway else observed.running)
    return (
        f"{launch.host}: REST {_port(launch.rest_port, REST_PORT, rest, held=held)}, "
        f"gRPC {_port(launch.grpc_port, GRPC_PORT, grpc, held=held)}"
    )


def _port(desired: int | None, default: int, observed: int | None, *, held: bool) -> str:
    """Describe the port that a server will get.

    If none is desired, a deployment keeps its port: for certain while it is `held`, otherwise if it is still free.
    """
    if desired:
        return str(desired)
    if observed is not None:
        return str(observed) if held else f"{observed} or a free one"
    return "any free one" if desired == 0 else f"{default} or a free one"


def _replace_cause(launch: Launch, observed: Deployment) -> str | None:
    """Return why a running server must be replaced; None if it need not be."""
    if bool(launch.gateway_digest) is not (observed.gateway is not None):
        return "a gateway is enabled" if launch.gateway_digest else "the gateway is disabled"
    if changed := differing_parts(launch.server_digest, observed.server_digest):
        named = (
            f"the flags ({default})" if part == FLAGS and (default := _default_flag(launch, observed)) else part
            for part in changed
        )
        return f"changed: {', '.join(named)}"
    for protocol, desired, current in (
        ("REST", launch.rest_port, observed.rest_port),
        ("gRPC", launch.grpc_port, observed.grpc_port),
    ):
        if desired and desired != current:
            return f"{protocol} port {desired} instead of {current}"
    return image_change(launch.image, observed) or _overwritten(launch.models, observed.models)


def _default_flag(launch: Launch, observed: Deployment) -> str:
    """Return the flag that differs if it is one that deployer sets by default; empty otherwise."""
    flags = dict(launch.flags)
    for name, value in DEFAULT_FLAGS:
        others = tuple(flag for flag in launch.flags if flag[0] != name)
        for before in (others, tuple(sorted((*others, (name, value))))):
            digest = dataclasses.replace(launch, flags=before).server_digest
            if FLAGS not in differing_parts(digest, observed.server_digest):
                return f"{name}={flags[name]}" if name in flags else name
    return ""


def image_change(image: NamedImage | None, observed: Deployment) -> str | None:
    """Return that the image's name stands for another image than the one that runs; None if it does not."""
    if image is None or not image.id or observed.image_id in ("", image.id):
        return None
    return f"{image.name} is image {_short(image.id)} now, and {_short(observed.image_id)} runs"


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def _overwritten(desired: Models, loaded: Models) -> str | None:
    """Return which version has other files than were loaded: a server never reloads a version that it has."""
    digests = _digests(loaded)
    for (name, version), digest in _digests(desired).items():
        if digests.get((name, version), digest) != digest:
            return f"the files of {name}:{version} are no longer those that were loaded"
    return None


def _digests(models: tuple[ServedModel, ...]) -> dict[tuple[str, int], str]:
    return {
        (model.name, version): digest
        for model in models
        for version, digest in zip(model.versions, model.digests, strict=False)
    }
