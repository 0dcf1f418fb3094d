"""Decides what to do, from what is wanted and what is observed. Pure: no engine, no clock, no disk."""

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
    """What turns `observed` into what `launch` asks for; the first difference that matters is the cause."""
    plan = _decide(launch, observed, conditions)
    return dataclasses.replace(plan, server=f"{launch.server_digest} {launch.gateway_digest}")


def _decide(launch: Launch, observed: Deployment | None, conditions: Conditions) -> Plan:
    name = f"{launch.name} [{launch.env}]"
    if observed is None or not observed.running:
        return Plan(Change.CREATE, name, _create(launch, observed, conditions))
    if cause := _replace_cause(launch, observed) or conditions.reload_obstacle:
        return Plan(Change.REPLACE, name, _replace(launch, observed, cause, conditions))
    gateway = _gateway(launch, observed, conditions)
    if launch.models != observed.models:
        return Plan(Change.RELOAD, name, (*gateway, *_reload(launch, observed, conditions)))
    check = CheckServing("nothing else is to be changed" if gateway else "nothing is to be changed")
    return Plan(Change.GATEWAY if gateway else Change.NOTHING, name, (*gateway, check))


def gateway_cause(launch: Launch, observed: Deployment) -> str | None:
    """Why the gateway in front of a server that goes on serving must be another; None where it need not."""
    if not launch.gateway_digest or observed.gateway is None:
        return None
    if not observed.gateway.running:
        return "the gateway is not running"
    if observed.gateway.digest == launch.gateway_digest:
        return None
    return "image, certificate, tokens, limits or template of the gateway differ"


def starts_server(plan: Plan) -> bool:
    """Whether a server or a gateway will be started: then the engine must be fit for it."""
    return any(isinstance(step, (StartCandidate, ReplaceGateway)) for step in plan.steps)


def plan_removal(observed: Deployment) -> Plan:
    """What `down` does."""
    cause = "asked for" if observed.running else "asked for; its server is not running"
    return Plan(Change.REMOVE, f"{observed.name} [{observed.env}]", (Remove(cause, observed.models),))


def _create(launch: Launch, observed: Deployment | None, conditions: Conditions) -> tuple[Step, ...]:
    cause = "nothing is deployed under this name"
    if observed is not None:
        cause = "its server is not running"
    unmeasured = dataclasses.replace(conditions, measure=False)  # no server answers before
    promote = Promote(
        VERIFIED if conditions.verify else SKIPPED,
        _address(launch, observed),
        bool(launch.gateway_digest),
        changes=describe(observed.models, launch.models) if observed else (),
        accepted_by=(AwaitServing(VERIFIED),) if observed is None else _accepting(unmeasured),
    )
    return (_start(launch, cause), _first_look(conditions), promote)


def _replace(launch: Launch, observed: Deployment, cause: str, conditions: Conditions) -> tuple[Step, ...]:
    gap, why = "", VERIFIED if conditions.verify else SKIPPED
    if not conditions.zero_downtime or bool(launch.gateway_digest) is not (observed.gateway is not None):
        gap = "the gateway has them" if launch.gateway_digest else "the new one has loaded"
        why = (
            "there is no gateway yet"
            if launch.gateway_digest
            else "two containers cannot have one port, without a gateway"
        )
    promote = Promote(
        why,
        _address(launch, observed),
        bool(launch.gateway_digest),
        replaces=format_models(observed.models),
        gap=gap,
        changes=describe(observed.models, launch.models),
        accepted_by=_accepting(conditions),
    )
    return (_start(launch, cause), _first_look(conditions, pace=True), promote)


def _start(launch: Launch, cause: str) -> StartCandidate:
    image = launch.image
    return StartCandidate(cause, launch.models, image.name if image else "", image is not None and not image.id)


def _first_look(conditions: Conditions, *, pace: bool = False) -> Step:
    return VerifyCandidate(UNVERIFIED, pace) if conditions.verify else AwaitCandidate(SKIPPED)


def _accepting(conditions: Conditions) -> tuple[Step, ...]:
    """What a promoted server must show before the one that it replaces is given up."""
    verify = (VerifyServing(AT_ITS_ADDRESS),) if conditions.verify else ()
    return (AwaitServing(AT_ITS_ADDRESS), *verify, *_judged(conditions, old_serves=True))


def _judged(conditions: Conditions, *, old_serves: bool) -> tuple[Step, ...]:
    return (JudgeTraffic("clients are measured", old_serves),) if conditions.measure else ()


def _gateway(launch: Launch, observed: Deployment, conditions: Conditions) -> tuple[Step, ...]:
    cause = gateway_cause(launch, observed)
    if cause is None:
        return ()
    return (ReplaceGateway(cause, (AwaitServing(AT_ITS_ADDRESS), *_judged(conditions, old_serves=True))),)


def all_loaded(wanted: tuple[ServedModel, ...], there: tuple[ServedModel, ...]) -> bool:
    """Whether a server has every version already: then no candidate is needed to prove them. A version that is still to
    be exported has no digest.
    """
    exported = all(len(model.digests) == len(model.versions) for model in wanted)
    return exported and _digests(wanted).items() <= _digests(there).items()


def _reload(launch: Launch, observed: Deployment, conditions: Conditions) -> tuple[Step, ...]:
    loaded = all_loaded(launch.models, observed.models)
    return (
        *(_before_reload(launch, observed, conditions, loaded=loaded) if conditions.verify else ()),
        *reload_steps(observed.models, launch.models, conditions.only_stored),
        VerifyServing("after the reload", again=loaded) if conditions.verify else AwaitServing(SKIPPED),
        *_judged(conditions, old_serves=False),
    )


def _before_reload(launch: Launch, observed: Deployment, conditions: Conditions, *, loaded: bool) -> tuple[Step, ...]:
    if loaded:
        return (VerifyServing("the server has loaded these versions already"),)
    return (
        _start(launch, reload_cause(observed.models, launch.models)),
        VerifyCandidate(UNVERIFIED, pace=True),
        DiscardCandidate("the running server loads the verified version itself", background=conditions.fits_three),
    )


def reload_steps(there: Models, models: Models, only_stored: Callable[[Models], Models] = tuple) -> tuple[Step, ...]:
    """Have a server that has `there` serve `models`: both at first, where that is another thing than either."""
    union = _union(there, models)
    both = only_stored(union)
    cause, loads_first = reload_cause(there, models), not (_same(both, there) or _same(both, models))
    changes = describe(both if loads_first else there, models)
    last = (Reload(cause, models, union, changes), RecordModels("the reload has ended", models))
    return (LoadVersions("nothing is unloaded before the new version serves", both), *last) if loads_first else last


def _union(there: Models, models: Models) -> Models:
    """Every version of both, with the labels that are there already."""
    before = {model.name: model for model in there}
    both = [_together(before.pop(model.name, None), model) for model in models]
    return (*both, *before.values())


def _together(there: ServedModel | None, model: ServedModel) -> ServedModel:
    if there is None:
        return dataclasses.replace(model, labels=())
    return ServedModel(model.name, tuple(sorted({*there.versions, *model.versions})), there.labels)


def _same(one: Models, other: Models) -> bool:
    """For a server: by name, versions and labels."""
    return {(model.name, model.versions, model.labels) for model in one} == {
        (model.name, model.versions, model.labels) for model in other
    }


def _address(launch: Launch, observed: Deployment | None) -> str:
    rest, grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
    held = observed is not None and (observed.gateway.running if observed.gateway else observed.running)
    return (
        f"{launch.host}: REST {_port(launch.rest_port, REST_PORT, rest, held=held)}, "
        f"gRPC {_port(launch.grpc_port, GRPC_PORT, grpc, held=held)}"
    )


def _port(wanted: int | None, usual: int, there: int | None, *, held: bool) -> str:
    """A port that was left open stays the one that the deployment has: for certain while it is `held`, and else where
    it is still free. A new deployment takes the usual one when it is free; 0 asks for any.
    """
    if wanted:
        return str(wanted)
    if there is not None:
        return str(there) if held else f"{there} or a free one"
    return "any free one" if wanted == 0 else f"{usual} or a free one"


def _replace_cause(launch: Launch, observed: Deployment) -> str | None:
    """Why a running server cannot become what is wanted."""
    if bool(launch.gateway_digest) is not (observed.gateway is not None):
        return "a gateway is wanted in front of it" if launch.gateway_digest else "no gateway is wanted in front of it"
    if changed := differing_parts(launch.server_digest, observed.server_digest):
        named = (
            f"the flags ({default})" if part == FLAGS and (default := _default(launch, observed)) else part
            for part in changed
        )
        return f"another value is wanted for {', '.join(named)}"
    for protocol, wanted, there in (
        ("REST", launch.rest_port, observed.rest_port),
        ("gRPC", launch.grpc_port, observed.grpc_port),
    ):
        if wanted and wanted != there:
            return f"{protocol} port {wanted} is wanted, {there} is there"
    return image_change(launch.image, observed) or _overwritten(launch.models, observed.models)


def _default(launch: Launch, observed: Deployment) -> str:
    """The flag that differs, where that is one which deployer sets by itself: a server of an earlier release has none,
    and one may be set to another value now.
    """
    wanted = dict(launch.flags)
    for name, value in DEFAULT_FLAGS:
        others = tuple(flag for flag in launch.flags if flag[0] != name)
        for before in (others, tuple(sorted((*others, (name, value))))):
            digest = dataclasses.replace(launch, flags=before).server_digest
            if FLAGS not in differing_parts(digest, observed.server_digest):
                return f"{name}={wanted[name]}" if name in wanted else name
    return ""


def image_change(image: NamedImage | None, observed: Deployment) -> str | None:
    """A tag may come to mean another image, by a pull or a build."""
    if image is None or not image.id or observed.image_id in ("", image.id):
        return None
    return f"{image.name} is image {_short(image.id)} now, and {_short(observed.image_id)} runs"


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def _overwritten(wanted: tuple[ServedModel, ...], there: tuple[ServedModel, ...]) -> str | None:
    """A server never reloads a version number that it has, so other bytes under that number need another server."""
    loaded = _digests(there)
    for key, digest in _digests(wanted).items():
        if loaded.get(key, digest) != digest:
            return f"the files of {key[0]}:{key[1]} are no longer those that were loaded"
    return None


def _digests(models: tuple[ServedModel, ...]) -> dict[tuple[str, int], str]:
    return {
        (model.name, version): digest
        for model in models
        for version, digest in zip(model.versions, model.digests, strict=False)
    }
