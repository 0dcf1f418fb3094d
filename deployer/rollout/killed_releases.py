"""Releases whose command was killed: found before the next command, and concluded by it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator

from deployer.engines.base import Engine
from deployer.errors import DeployerError, LedgerError
from deployer.results.deployment import Deployment
from deployer.results.history import Outcome, Release
from deployer.results.plan import Change
from deployer.results.served import format_models
from deployer.rollout.ledger import Ledger

STARTS_SERVER = (Change.CREATE.value, Change.REPLACE.value)


def conclude(ledger: Ledger, killed: Iterable[Release], observed: Deployment | None) -> Iterator[str]:
    """Yield a notice for each killed release, and record those that were accepted as succeeded.

    `observed` is the deployment after the engine has recovered it.
    """
    served = f"{format_models(observed.models)} is served" if observed and observed.running else "nothing is served"
    for release in killed:
        if release.change not in (*STARTS_SERVER, Change.RELOAD.value):
            continue
        if _was_accepted(release, observed):
            ledger.mark_accepted(release)
            yield f"release {release.number} was accepted already: {served}"
        else:
            yield f"release {release.number} was not accepted, and is undone: {served}"


def _was_accepted(release: Release, observed: Deployment | None) -> bool:
    """Return whether an engine has recorded what a release made as serving."""
    if observed is None:
        return False
    if release.change in STARTS_SERVER:
        return observed.release == release.server
    return observed.models == release.models


def notes(
    ledger: Ledger, engine: Engine, name: str | None = None, env: str | None = None
) -> Iterator[tuple[Release, str]]:
    """Yield the releases of one deployment or of all that were killed and are not concluded yet, each with a note."""
    with contextlib.suppress(LedgerError):
        for release in ledger.under_way(name, env, engine.traits.name):
            if is_killed(release, engine):
                then = f"the next change of {release.name}"
                effect = f"it takes no requests, and {then} undoes it"
                if release.change == Change.SCALE.value:
                    effect = f"{then} completes it"
                elif ledger.may_take_requests(release):
                    effect = f"it may serve without being accepted, until {then} undoes or completes it"
                yield (
                    release,
                    f"release {release.number} ({release.change}) with {format_models(release.models)} was killed at: "
                    f"{ledger.last_step(release)}; {effect}",
                )


def killed_notes(ledger: Ledger, engine: Engine, deployment: Deployment) -> tuple[str, ...]:
    """Return the notes about killed changes of a deployment, also about a reload without its release in the history."""
    found = tuple(text for _, text in notes(ledger, engine, deployment.name, deployment.env))
    return found or tuple(filter(None, (reload_note(engine, deployment),)))


def reload_note(engine: Engine, deployment: Deployment) -> str:
    """Return the note about a reload that was killed, also without its release in the history; empty without one."""
    if not is_reload_killed(engine, deployment):
        return ""
    models = format_models(deployment.reloading_to or ()) or "other models"
    return f"a reload to {models} was killed before it was accepted: the next change undoes it"


def recovery(ledger: Ledger, engine: Engine, foreseen: Deployment | None) -> tuple[str, ...]:
    """Return what the next change does first about killed ones that may answer requests, one imperative each.

    `foreseen` is the deployment as the engine foresees it after its recovery.
    """
    if foreseen is None:
        return ()
    back = f"{format_models(foreseen.models)} alone serves again"
    killed = [
        f"release {release.number} ({format_models(release.models)})"
        for release in _unaccepted(ledger, engine, foreseen)
    ] or list(filter(None, (_killed_elsewhere(engine, foreseen),)))
    return tuple(f"undo {each}: {back}  (it was killed unaccepted)" for each in killed)


def _unaccepted(ledger: Ledger, engine: Engine, foreseen: Deployment) -> tuple[Release, ...]:
    """Return the killed releases of this history that may answer requests and were not accepted."""
    with contextlib.suppress(LedgerError):
        return tuple(
            release
            for release, _ in notes(ledger, engine, foreseen.name, foreseen.env)
            if ledger.may_take_requests(release) and not _was_accepted(release, foreseen)
        )
    return ()


def accepted(engine: Engine, observed: Deployment) -> Deployment:
    """Return what was accepted of a deployment: after a killed replacement not the server that is observed."""
    if observed.alone:
        return observed
    foreseen = engine.foresee(observed.name, observed.env)
    if foreseen is None or foreseen.release == observed.release:
        return observed
    if _is_changing(engine, observed.name, observed.env):
        return observed
    return dataclasses.replace(foreseen, running=observed.running, paused=observed.paused)


def may_be_replaced(ledger: Ledger, engine: Engine, accepted: Deployment) -> bool:
    """Return whether this history has a killed replacement whose server may answer in the place of the accepted one."""
    return any(each.change == Change.REPLACE.value for each in _unaccepted(ledger, engine, accepted))


def _killed_elsewhere(engine: Engine, foreseen: Deployment) -> str:
    """Return what was killed without a release in this history, such as on another machine; empty without any."""
    if is_reload_killed(engine, foreseen):
        return "a reload"
    serving = engine.observe(foreseen.name, foreseen.env)
    is_undone = serving is not None and serving.release != foreseen.release
    if serving is None or not is_undone or _is_changing(engine, foreseen.name, foreseen.env):
        return ""
    return f"a release of {format_models(serving.models)}"


def is_reload_killed(engine: Engine, deployment: Deployment) -> bool:
    """Return whether the command of a reload that has not ended was killed."""
    name, env = deployment.name, deployment.env
    if deployment.reloading_to is None or _is_changing(engine, name, env):
        return False
    current = engine.observe(name, env)  # the reload may have ended since it was observed
    return current is not None and current.reloading_to is not None


def is_killed(release: Release, engine: Engine) -> bool:
    """Return whether the command of a release was killed."""
    return release.outcome is Outcome.UNDER_WAY and not _is_changing(engine, release.name, release.env)


def _is_changing(engine: Engine, name: str, env: str) -> bool:
    """Return whether a running command holds the lock of a deployment; also if the engine does not answer."""
    with contextlib.suppress(DeployerError):
        owner = engine.locks.owner(name, env)
        return owner is not None and not owner.has_ended
    return True
