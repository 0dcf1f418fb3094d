"""Where else releases are written down, when there is no history of what was meant."""

from __future__ import annotations

import contextlib
import difflib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.engines import run_dir
from deployer.errors import DeployerError
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.rollout.other_deployments import MAX_SHOWN, all_engines, command_line, other_projects
from deployer.rollout.workspace import Workspace


@dataclass(frozen=True)
class _Recorded:
    """A deployment that a ledger has releases of; `state_dir` is that of another directory."""

    project: str
    name: str
    env: str
    state_dir: Path | None = None


def nothing_recorded(workspace: Workspace, name: str | None, env: str | None) -> str:
    """That nothing was deployed as `name` in `env`, both of which may mean all; and the commands that show what was
    deployed elsewhere.
    """
    recorded = tuple(_recorded(workspace, name))
    of_that_name = [each for each in recorded if name in (None, each.name)]
    commands = tuple(dict.fromkeys(_command(workspace, each, name) for each in of_that_name))
    if not commands and name is not None:
        near = difflib.get_close_matches(name, [each.name for each in recorded], n=1)
        commands = tuple(_command(workspace, each, each.name) for each in recorded if each.name in near)
    what = f" as {name}" if name else ""
    where = f" in [{env}]" if env else ""
    shown = f"; {', or '.join(commands[:MAX_SHOWN])} shows what was deployed there" if commands else ""
    return f"nothing was deployed yet{what}{where} of project {workspace.engine.traits.project}{shown}"


def _command(workspace: Workspace, recorded: _Recorded, name: str | None) -> str:
    project = recorded.project if recorded.project not in ("", workspace.engine.traits.project) else ""
    place = f"--state-dir {shlex.quote(str(recorded.state_dir))}" if recorded.state_dir else ""
    parts = (
        f"--project {project or workspace.engine.traits.project}" if project or place else "",
        f"--env {recorded.env}" if recorded.env != workspace.spec.env else "",
        place,
    )
    return command_line(workspace, f"history {name}" if name else "history", " ".join(filter(None, parts)))


def _recorded(workspace: Workspace, name: str | None) -> Iterator[_Recorded]:
    """What this project has, then what others have in this directory, at last what other directories have of `name`."""
    engines = all_engines(workspace)
    places = tuple(dict.fromkeys((workspace.engine.traits.state_dir, *(engine.traits.state_dir for engine in engines))))
    here = [_Recorded(*found) for place in places for found in _deployments(place)]
    yield from sorted(here, key=lambda each: each.project not in ("", workspace.engine.traits.project))
    others = [other for engine in engines for other in other_projects(engine)] if name else []
    for other in others:
        with contextlib.suppress(DeployerError):
            for seen in other.inventory.observe_all():
                found, place = (other.traits.project, seen.name, seen.env), run_dir.state_dir(seen.folder)
                if seen.name == name and place not in places and found in _deployments(place):
                    yield _Recorded(*found, place)


def _deployments(place: Path) -> tuple[tuple[str, str, str], ...]:
    """What the ledger of a state directory has; nothing of one that cannot be read."""
    with contextlib.suppress(DeployerError):
        return Ledger(place / LEDGER_FILE).deployments()
    return ()
