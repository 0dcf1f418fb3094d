"""Decides what to do, from what is wanted and what is observed. Pure: no engine, no clock, no disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from deployer.deployment import Change, Deployment, Launch, Plan, ServedModel, Step, listed

PROVE = Step(
    "prove the candidate: status, signatures, golden answers over REST and gRPC", "nothing takes traffic unproven"
)

STAGE = "start a candidate"
PROVE_AGAIN = Step("prove the serving server again", "its models changed")
PROVE_LOADED = Step(
    "prove the versions where they are: status, signatures, golden answers over REST and gRPC",
    "the server has loaded all of them already",
)


SKIPPED = Step("ask no golden questions: what is broken is seen by clients first", "the gate is skipped")


def decide(launch: Launch, observed: Deployment | None, *, seamless: bool = True, gate: bool = True) -> Plan:
    """What turns `observed` into what `launch` wants; the first difference that matters is the cause.

    `seamless` tells whether the engine can replace a server without closing its ports for a moment; `gate` whether
    anything is proven first.
    """
    plan = _decide(launch, observed, seamless=seamless)
    return plan if gate else dataclasses.replace(plan, steps=tuple(_ungated(plan)))


def _ungated(plan: Plan) -> Iterator[Step]:
    """The steps without proofs; a candidate is only started where it becomes the server."""
    for step in plan.steps:
        if step in (PROVE, PROVE_LOADED):
            yield SKIPPED
        elif plan.change is not Change.RELOAD or not step.action.startswith((STAGE, PROVE_AGAIN.action)):
            yield step


def _decide(launch: Launch, observed: Deployment | None, *, seamless: bool) -> Plan:
    name = f"{launch.name} [{launch.env}]"
    if observed is None:
        return Plan(Change.CREATE, name, _create(launch, "nothing is deployed under this name"))
    if not observed.running:
        return Plan(Change.CREATE, name, _create(launch, f"the server of release {observed.release} is not running"))
    if cause := _replace_cause(launch, observed):
        return Plan(Change.REPLACE, name, _replace(launch, observed, cause, seamless=seamless))
    if launch.models != observed.models:
        return Plan(Change.RELOAD, name, _reload(launch, observed))
    return Plan(Change.NOTHING, name)


def remove(observed: Deployment) -> Plan:
    """What `down` does."""
    cause = "asked for" if observed.running else "asked for; its server is not running"
    steps = (Step(f"stop release {observed.release}", cause), Step("remove its config, log and run folder", cause))
    return Plan(Change.REMOVE, f"{observed.name} [{observed.env}]", steps)


def _stage(launch: Launch, cause: str) -> Step:
    return Step(f"{STAGE} with {listed(launch.models)}", cause)


def _create(launch: Launch, cause: str) -> tuple[Step, ...]:
    return (_stage(launch, cause), PROVE, _promote(launch))


def _replace(launch: Launch, observed: Deployment, cause: str, *, seamless: bool) -> tuple[Step, ...]:
    if seamless:
        return (*_create(launch, cause), Step(f"drain and stop release {observed.release}", "the new release serves"))
    gap = f"stop release {observed.release}: its ports are closed until the new one has loaded"
    return (
        _stage(launch, cause),
        PROVE,
        Step(gap, "two containers cannot have one port, and there is no gateway"),
        _promote(launch),
    )


def all_loaded(wanted: tuple[ServedModel, ...], there: tuple[ServedModel, ...]) -> bool:
    """Whether a server has every version already: then no candidate is needed to prove them."""
    return _digests(wanted).items() <= _digests(there).items()


def _reload(launch: Launch, observed: Deployment) -> tuple[Step, ...]:
    changes = tuple(Step(action, "models differ") for action in _model_changes(observed.models, launch.models))
    if all_loaded(launch.models, observed.models):
        return (PROVE_LOADED, *changes, PROVE_AGAIN)
    return (_stage(launch, "models differ"), PROVE, *changes, PROVE_AGAIN)


def _promote(launch: Launch) -> Step:
    ports = f"REST {_port(launch.rest_port, 8501)}, gRPC {_port(launch.grpc_port, 8500)}"
    return Step(f"open its ports on {launch.host}: {ports}", "the candidate is proven")


def _port(wanted: int | None, usual: int) -> str:
    """A port that was left open is the usual one when it can be had; 0 asks for any."""
    return f"{usual} or a free one" if wanted is None else str(wanted or "any free one")


def _replace_cause(launch: Launch, observed: Deployment) -> str | None:
    """Why a running server cannot become what is wanted."""
    if launch.server_digest != observed.server_digest:
        return "address, flags, batching or monitoring differ"
    for protocol, wanted, there in (
        ("REST", launch.rest_port, observed.rest_port),
        ("gRPC", launch.grpc_port, observed.grpc_port),
    ):
        if wanted and wanted != there:
            return f"{protocol} port {wanted} is wanted, {there} is there"
    return _other_image(launch, observed) or _overwritten(launch.models, observed.models)


def _other_image(launch: Launch, observed: Deployment) -> str | None:
    """A tag may come to mean another image, by a pull or a build."""
    if launch.image is None or observed.image_id in ("", launch.image.id):
        return None
    return f"{launch.image.name} is image {_short(launch.image.id)} now, and {_short(observed.image_id)} runs"


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
    both = [name for name in after if name in before and before[name] != after[name]]
    return changes + [f"change {before[name]} to {after[name]}" for name in both]
