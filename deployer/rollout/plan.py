"""Decides what to do, from what is wanted and what is observed. Pure: no engine, no clock, no disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from deployer.config.threads import DEFAULT_THREADS, GRPC_MAX_THREADS
from deployer.results.deployment import (
    GRPC_PORT,
    REST_PORT,
    Change,
    Deployment,
    Launch,
    NamedImage,
    Plan,
    ServedModel,
    Step,
    differing_parts,
    listed,
)

PROVE = Step(
    "prove the candidate: status, signatures, golden answers over REST and gRPC", "nothing takes traffic unproven"
)

STAGE = "start a candidate"
PROVE_AGAIN = Step("prove the serving server again", "its models changed")
PROVE_LOADED = Step(
    "prove the versions where they are: status, signatures, golden answers over REST and gRPC",
    "the server has loaded all of them already",
)
FLAGS = "the flags"
DEFAULT_FLAGS = ((GRPC_MAX_THREADS, str(DEFAULT_THREADS)),)
SKIPPED = Step("ask no golden questions: what is broken is seen by clients first", "the gate is skipped")


def decide(
    launch: Launch, observed: Deployment | None, *, seamless: bool = True, gate: bool = True, astray: str = ""
) -> Plan:
    """What turns `observed` into what `launch` wants; the first difference that matters is the cause.

    `seamless` tells whether the engine can replace a server without closing its ports for a moment; `gate` whether
    anything is proven first; `astray` why the server would not find what it is to take up.
    """
    plan = _decide(launch, observed, seamless=seamless, astray=astray)
    return plan if gate else dataclasses.replace(plan, steps=tuple(_ungated(plan)))


def _ungated(plan: Plan) -> Iterator[Step]:
    """The steps without proofs; a candidate is only started where it becomes the server."""
    for step in plan.steps:
        if step in (PROVE, PROVE_LOADED):
            yield SKIPPED
        elif plan.change is not Change.RELOAD or not step.action.startswith((STAGE, PROVE_AGAIN.action)):
            yield step


def _decide(launch: Launch, observed: Deployment | None, *, seamless: bool, astray: str) -> Plan:
    name = f"{launch.name} [{launch.env}]"
    if observed is None:
        return Plan(Change.CREATE, name, _create(launch, None, "nothing is deployed under this name"))
    if not observed.running:
        cause = f"the server of release {observed.release} is not running"
        return Plan(Change.CREATE, name, _create(launch, observed, cause))
    if cause := _replace_cause(launch, observed) or astray:
        return Plan(Change.REPLACE, name, _replace(launch, observed, cause, seamless=seamless))
    gateway = _gateway(launch, observed)
    if launch.models != observed.models:
        return Plan(Change.RELOAD, name, (*gateway, *_reload(launch, observed)))
    return Plan(Change.GATEWAY if gateway else Change.NOTHING, name, gateway)


def gateway_cause(launch: Launch, observed: Deployment) -> str | None:
    """Why the gateway in front of a server that goes on serving must be another; None where it need not."""
    if not launch.front or observed.front is None:
        return None
    if not observed.front.running:
        return "the gateway is not running"
    if observed.front.digest == launch.front:
        return None
    return "image, certificate, tokens, limits or template of the gateway differ"


def starts(change: Change, launch: Launch, observed: Deployment | None) -> bool:
    """Whether a server or a gateway will be started: then the engine must be fit for it."""
    if observed is None or change in (Change.CREATE, Change.REPLACE):
        return True
    loads = change is Change.RELOAD and not all_loaded(launch.models, observed.models)
    return loads or gateway_cause(launch, observed) is not None


def remove(observed: Deployment) -> Plan:
    """What `down` does."""
    cause = "asked for" if observed.running else "asked for; its server is not running"
    steps = (Step(f"stop release {observed.release}", cause), Step("remove its config, log and run folder", cause))
    return Plan(Change.REMOVE, f"{observed.name} [{observed.env}]", steps)


def _stage(launch: Launch, cause: str) -> Step:
    return Step(f"{STAGE} with {listed(launch.models)}", cause)


def _create(launch: Launch, observed: Deployment | None, cause: str) -> tuple[Step, ...]:
    changes = _changes(launch, observed) if observed else ()
    return (_stage(launch, cause), PROVE, *changes, _promote(launch, observed))


def _replace(launch: Launch, observed: Deployment, cause: str, *, seamless: bool) -> tuple[Step, ...]:
    if bool(launch.front) is not (observed.front is not None):
        seamless = False
    if seamless:
        retire = Step(f"drain and stop release {observed.release}", "the new release serves")
        return (*_create(launch, observed, cause), retire)
    start = _stage(launch, cause)
    until = "the gateway has them" if launch.front else "the new one has loaded"
    cause = (
        "there is no gateway yet" if launch.front else "two containers cannot have one port, and there is no gateway"
    )
    gap = Step(f"stop release {observed.release}: its ports are closed until {until}", cause)
    return (start, PROVE, gap, *_changes(launch, observed), _promote(launch, observed))


def _gateway(launch: Launch, observed: Deployment) -> tuple[Step, ...]:
    cause = gateway_cause(launch, observed)
    if cause is None:
        return ()
    start = Step("start a gateway that takes the ports from the one that has them", cause)
    return (start, Step("drain and stop the gateway that was there", "another one holds the ports"))


def all_loaded(wanted: tuple[ServedModel, ...], there: tuple[ServedModel, ...]) -> bool:
    """Whether a server has every version already: then no candidate is needed to prove them. A version that is still to
    be exported has no digest."""
    exported = all(len(model.digests) == len(model.versions) for model in wanted)
    return exported and _digests(wanted).items() <= _digests(there).items()


def _reload(launch: Launch, observed: Deployment) -> tuple[Step, ...]:
    changes = _changes(launch, observed)
    if all_loaded(launch.models, observed.models):
        return (PROVE_LOADED, *changes, PROVE_AGAIN)
    return (_stage(launch, "models differ"), PROVE, *changes, PROVE_AGAIN)


def _changes(launch: Launch, observed: Deployment) -> tuple[Step, ...]:
    return tuple(Step(action, "models differ") for action in _model_changes(observed.models, launch.models))


def _promote(launch: Launch, observed: Deployment | None) -> Step:
    rest, grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
    held = observed is not None and (observed.front.running if observed.front else observed.running)
    ports = (
        f"REST {_port(launch.rest_port, REST_PORT, rest, held=held)}, "
        f"gRPC {_port(launch.grpc_port, GRPC_PORT, grpc, held=held)}"
    )
    what = "have the gateway send requests to it, from" if launch.front else "open its ports on"
    return Step(f"{what} {launch.host}: {ports}", "the candidate is proven")


def _port(wanted: int | None, usual: int, there: int | None, *, held: bool) -> str:
    """A port that was left open stays the one that the deployment has: for certain while it is `held`, and else where
    it is still free. A new deployment takes the usual one when it is free; 0 asks for any."""
    if wanted:
        return str(wanted)
    if there is not None:
        return str(there) if held else f"{there} or a free one"
    return "any free one" if wanted == 0 else f"{usual} or a free one"


def _replace_cause(launch: Launch, observed: Deployment) -> str | None:
    """Why a running server cannot become what is wanted."""
    if bool(launch.front) is not (observed.front is not None):
        return "a gateway is wanted in front of it" if launch.front else "no gateway is wanted in front of it"
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
    return other_image(launch.image, observed) or _overwritten(launch.models, observed.models)


def _default(launch: Launch, observed: Deployment) -> str:
    """The flag that differs, where that is one which deployer sets by itself: a server of an earlier release has none,
    and one may be set to another value now."""
    wanted = dict(launch.flags)
    for name, value in DEFAULT_FLAGS:
        others = tuple(flag for flag in launch.flags if flag[0] != name)
        for before in (others, tuple(sorted((*others, (name, value))))):
            digest = dataclasses.replace(launch, flags=before).server_digest
            if FLAGS not in differing_parts(digest, observed.server_digest):
                return f"{name}={wanted[name]}" if name in wanted else name
    return ""


def other_image(image: NamedImage | None, observed: Deployment) -> str | None:
    """A tag may come to mean another image, by a pull or a build."""
    if image is None or observed.image_id in ("", image.id):
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


def _model_changes(there: tuple[ServedModel, ...], wanted: tuple[ServedModel, ...]) -> list[str]:
    before, after = ({model.name: model for model in models} for models in (there, wanted))
    changes = [f"load {model}" for name, model in after.items() if name not in before]
    changes += [f"unload {model}" for name, model in before.items() if name not in after]
    both = [name for name in after if name in before and str(before[name]) != str(after[name])]
    return changes + [f"change {before[name]} to {after[name]}" for name in both]
