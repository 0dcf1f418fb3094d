"""Where else a name is deployed: other environments, projects and engines, by the options that reach them."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from deployer import engines
from deployer.engines import run_dir
from deployer.engines.base import Engine
from deployer.errors import DeployerError, EngineError
from deployer.rollout.workspace import Workspace, open_all_environments, unique_engines

MAX_SHOWN = 3
"""Places that a hint names."""
NO_PROJECT = "deployer status --all-projects"
"""What shows a deployment from before there were projects."""


def nothing_deployed(workspace: Workspace) -> str:
    """That nothing is deployed in all that the workspace looks at, and what shows what there is beside it."""
    found = tuple(dict.fromkeys(_shown_with(workspace)))
    where = f" on {workspace.spec.engine}" if workspace.spec.engine != "auto" else ""
    project = f" in project {workspace.engine.traits.project}" if found else ""
    shown = f"; {', or '.join(found[:MAX_SHOWN])} shows what there is beside that" if found else ""
    return f"nothing is deployed{where}{project}{shown}"


def _shown_with(workspace: Workspace) -> Iterator[str]:
    """The commands that show what else there is: this project's first, then what this directory has of others, at last
    what others have on this machine.
    """
    own = all_engines(workspace)
    for engine in own:
        yield from (
            command_line(workspace, "status", _text(workspace, engine, "", env)) for env in _environments(engine)
        )
    others = [(other, env) for engine in own for other in other_projects(engine) for env in _environments(other)]
    here = [(other, env) for other, env in others if _is_from_here(other, own)]
    for other, env in here:
        yield command_line(workspace, "status", _text(workspace, other, f"--project {other.traits.project}", env))
    if len(others) > len(here):
        yield NO_PROJECT


def other_projects(engine: Engine) -> tuple[Engine, ...]:
    """The engine as each other project sees it; none of one that does not answer."""
    with contextlib.suppress(EngineError):
        return engine.inventory.other_projects()
    return ()


def _is_from_here(other: Engine, own: tuple[Engine, ...]) -> bool:
    """Whether one of the workspace's own directories has the deployments of another project."""
    places = {engine.traits.state_dir for engine in own}
    traits = other.traits
    if traits.name == "docker":
        return traits.project in {project for place in places for project, _, _ in run_dir.homes(place / "docker")}
    return bool(traits.project) and traits.state_dir in places


def command_line(workspace: Workspace, verb: str, options: str) -> str:
    """The command of a verb, with what was typed that says where, unless `options` say otherwise."""
    typed = {"--project": workspace.settings.project, "--state-dir": workspace.settings.state_dir}
    kept = (f"{option} {shlex.quote(str(value))}" for option, value in typed.items() if value and option not in options)
    return " ".join(filter(None, (f"deployer {verb}", options, *kept)))


def hint_for_project(workspace: Workspace, name: str) -> str:
    """How this project's deployment of that name is reached which the workspace does not mean; empty where there is
    none.
    """
    own = all_engines(workspace)
    return _reached([_text(workspace, engine, "", env) for engine in own for env in _environments(engine, name)])


def hint_for_other_projects(workspace: Workspace, name: str) -> str:
    """The same of other projects, those of this directory first."""
    found: list[str] = []
    projects: set[str] = set()
    own = all_engines(workspace)
    others = (other for engine in own for other in other_projects(engine))
    for other in sorted(others, key=lambda other: not _is_from_here(other, own)):
        project = f"--project {other.traits.project}" if other.traits.project else NO_PROJECT
        texts = [_text(workspace, other, project, env) for env in _environments(other, name)]
        found += texts
        projects |= {other.traits.project} if texts else set()
    same = projects == {workspace.engine.traits.project}
    return _reached(found, f"of {'another directory' if same else 'another project'} ")


def _reached(options: list[str], whose: str = "") -> str:
    found = tuple(dict.fromkeys(options))
    if not found:
        return ""
    more = "; deployer status --all-projects shows all of them" if len(found) > MAX_SHOWN else ""
    return f"one of that name {whose}is reached with {', or with '.join(found[:MAX_SHOWN])}{more}"


def all_engines(workspace: Workspace) -> tuple[Engine, ...]:
    """This project's engines of all environments, and those that were left out by naming another."""
    found = [*workspace.engines, *engines.beside(workspace.spec).engines]
    with contextlib.suppress(DeployerError):
        found += open_all_environments(workspace.settings).engines
    return unique_engines(found)


def _environments(engine: Engine, name: str | None = None) -> tuple[str, ...]:
    """Those in which an engine has something, of that name if one is given; none of one that does not answer."""
    try:
        keys = [key for key in engine.inventory.names() if name in (None, key[0])]
        return tuple(dict.fromkeys(key[1] for key in keys if engine.observe(*key) or engine.inventory.lost(*key)))
    except EngineError:
        return ()


def _text(workspace: Workspace, engine: Engine, project: str, env: str) -> str:
    """What to add to a command."""
    if project == NO_PROJECT:
        return NO_PROJECT
    traits, own = engine.traits, [each.traits for each in workspace.engines]
    elsewhere = traits.state_dir not in {each.state_dir for each in own}
    parts = (
        project,
        f"--env {env}" if env != workspace.spec.env else "",
        f"--state-dir {shlex.quote(str(traits.state_dir))}" if project and elsewhere else "",
        f"--engine {traits.name}" if traits.name not in {each.name for each in own} else "",
    )
    return " ".join(filter(None, parts))
