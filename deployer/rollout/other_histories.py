"""Finds releases in the histories of other deployments, projects and directories, for hints."""

from __future__ import annotations

import contextlib
import difflib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.engines import run_dir
from deployer.engines.base import Engine
from deployer.errors import DeployerError
from deployer.results.deployment import cli_name
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.rollout.other_deployments import (
    MAX_SHOWN,
    all_engines,
    command_line,
    is_from_here,
    other_projects,
)
from deployer.rollout.workspace import Workspace


@dataclass(frozen=True)
class _Recorded:
    """A deployment with releases in a ledger; `state_dir` is set if it belongs to another directory."""

    project: str
    name: str
    env: str
    state_dir: Path | None = None


def nothing_recorded(workspace: Workspace, name: str | None, env: str | None) -> str:
    """Return the message that the history is empty, with the commands that show other histories.

    None stands for all names, or all environments.
    """
    recorded = tuple(_recorded(workspace, name))
    same_name = [each for each in recorded if name in (None, each.name)]
    commands = tuple(dict.fromkeys(_command(workspace, each, name) for each in same_name))
    if not commands and name is not None:
        near = difflib.get_close_matches(name, [each.name for each in recorded], n=1)
        commands = tuple(_command(workspace, each, each.name) for each in recorded if each.name in near)
    as_name = f" as {name}" if name else ""
    in_env = f" in [{env}]" if env else ""
    shown = f"; {', or '.join(commands[:MAX_SHOWN])} shows what was deployed there" if commands else ""
    return f"nothing was deployed yet{as_name}{in_env} of project {workspace.engine.traits.project}{shown}"


def _command(workspace: Workspace, recorded: _Recorded, name: str | None) -> str:
    project = recorded.project if recorded.project not in ("", workspace.engine.traits.project) else ""
    state_dir = f"--state-dir {shlex.quote(str(recorded.state_dir))}" if recorded.state_dir else ""
    parts = (
        f"--project {project or workspace.engine.traits.project}" if project or state_dir else "",
        _env_option(workspace, recorded.env),
        state_dir,
    )
    return command_line(workspace, f"history {name}" if name else "history", " ".join(filter(None, parts)))


def _env_option(workspace: Workspace, env: str) -> str:
    return cli_name("", env).strip() if workspace.accepts_environment(env) else "--all"


def _recorded(workspace: Workspace, name: str | None) -> Iterator[_Recorded]:
    """Yield deployments of this project and of others in this directory, and those named `name` of related projects."""
    engines = all_engines(workspace)
    state_dirs = tuple(
        dict.fromkeys((workspace.engine.traits.state_dir, *(engine.traits.state_dir for engine in engines)))
    )
    here = [_Recorded(*found) for path in state_dirs for found in _deployments(path)]
    project = workspace.engine.traits.project
    yield from sorted(here, key=lambda each: each.project not in ("", project))
    for other in _related(engines, project) if name else ():
        with contextlib.suppress(DeployerError):
            for seen in other.inventory.observe_all():
                key, path = (other.traits.project, seen.name, seen.env), run_dir.state_dir(seen.directory)
                if seen.name == name and path not in state_dirs and key in _deployments(path):
                    yield _Recorded(*key, path)


def _related(engines: tuple[Engine, ...], project: str) -> Iterator[Engine]:
    """Yield the engines of this project elsewhere, and of others with their state in this directory or one above it."""
    for other in (other for engine in engines for other in other_projects(engine)):
        if other.traits.project == project or is_from_here(other, engines):
            yield other


def _deployments(state_dir: Path) -> tuple[tuple[str, str, str], ...]:
    """Return the deployments in the ledger of a state directory; nothing if it cannot be read."""
    with contextlib.suppress(DeployerError):
        return Ledger(state_dir / LEDGER_FILE).deployments()
    return ()
