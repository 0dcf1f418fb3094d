"""Deployments whose last release here was made on an engine at another address than the one that is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from deployer.config.engine_address import parse_address
from deployer.config.fields import PREFIX
from deployer.engines.docker import context
from deployer.errors import DeploymentNotFound, InvalidValue, LedgerError
from deployer.results.history import Outcome, Release
from deployer.results.plan import Change
from deployer.rollout.other_deployments import command_line
from deployer.rollout.workspace import Workspace


def last_here(workspace: Workspace, name: str, env: str) -> Release | None:
    """Return the last successful release on the engine that is asked; None if that was removed.

    Releases of an older deployer, which recorded no address, count as its own. Raises LedgerError.
    """
    return _last_releases(workspace, name, env).get(workspace.engine.traits.address)


def address_of(workspace: Workspace, name: str, env: str) -> str:
    """Return the other address at which a deployment was made and not removed; empty without one.

    It says nothing of a deployment that the engine has, or that the history has there.
    """
    own = workspace.engine.traits.address
    with suppress(LedgerError):
        found = _last_releases(workspace, name, env) if own else {}
        return "" if own in found else next(iter(found), "")
    return ""


def keys(workspace: Workspace, env: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield (name, env) of each deployment in the history, of one environment or of all, that is at another address."""
    recorded: Iterable[tuple[str, str, str]] = ()
    with suppress(LedgerError):
        recorded = workspace.ledger.deployments()
    for name, where in sorted({(name, where) for _, name, where in recorded if env in (None, where)}):
        if address_of(workspace, name, where):
            yield name, where


def note(workspace: Workspace, name: str, env: str) -> str:
    """Return the note that a deployment is at another address, with the address that is asked; empty if it is not."""
    address = address_of(workspace, name, env)
    return f"{name} [{env}] was deployed on {address}; this command asks {_asked(workspace)}" if address else ""


def hint(workspace: Workspace, verb: str, name: str, env: str) -> str:
    """Return the command that asks the other address."""
    command = command_line(workspace, f"{verb} {name}", "", env)
    return f"{selection(workspace, address_of(workspace, name, env))} {command}"


def error(workspace: Workspace, verb: str, name: str, env: str) -> DeploymentNotFound | None:
    """Return the error for a deployment that is at another address; None if it is not."""
    if not (text := note(workspace, name, env)):
        return None
    return DeploymentNotFound(text, hint=f"{hint(workspace, verb, name, env)} asks that one")


def selection(workspace: Workspace, address: str) -> str:
    """Return the variables that select the engine at an address: by its docker context where it has one."""
    if workspace.spec.docker.host:  # it goes before every variable of docker
        return f"{PREFIX}DOCKER_HOST={address}"
    name = context.named_by(lambda text: _canonical(text) == address)
    if not name:
        return f"DOCKER_HOST={address}"
    choice = context.choose().source
    return f"{'DOCKER_HOST= ' if choice == 'DOCKER_HOST' else ''}DOCKER_CONTEXT={name}"


def _asked(workspace: Workspace) -> str:
    traits = workspace.engine.traits
    return f"{traits.address}{f' ({traits.selected_by})' if traits.selected_by else ''}"


def _canonical(text: str) -> str:
    with suppress(InvalidValue):
        return parse_address(text).canonical
    return ""


def _last_releases(workspace: Workspace, name: str, env: str) -> dict[str, Release]:
    """Return the last successful release at each address, the newest first, where no removal ended it.

    An engine may have several addresses: what is removed at one of them is removed at all.
    """
    traits = workspace.engine.traits
    found: dict[str, list[Release]] = {}
    removed: set[str] = set()
    for release in workspace.ledger.releases(name, env, traits.name, Outcome.SUCCEEDED):
        found.setdefault(release.address or traits.address, []).append(release)
        if release.change == Change.REMOVE.value and release.server:
            removed.add(release.server)
    return {
        address: releases[0]
        for address, releases in found.items()
        if releases[0].change != Change.REMOVE.value
        and next((each.server for each in releases if each.server), "") not in removed
    }
