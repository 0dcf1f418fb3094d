"""Finds deployments in other environments, directories, projects and engines, with the options that select them."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer import engines
from deployer.config.fields import option_name
from deployer.config.options import LOCATION, Settings
from deployer.engines import run_dir
from deployer.engines.base import Engine
from deployer.engines.port_holders import PortHolder
from deployer.errors import DeployerError, EngineError
from deployer.results.deployment import Deployment, cli_name
from deployer.rollout.environments import open_environments
from deployer.rollout.workspace import Workspace, open_workspace, unique_engines

MAX_SHOWN = 3
"""How many commands a hint names."""
NO_PROJECT = "deployer status --all-projects"
"""The command that shows deployments without a project, made by older releases."""


def nothing_deployed(workspace: Workspace) -> str:
    """Return the message that nothing is deployed, with the commands that show other deployments."""
    commands = tuple(dict.fromkeys(_status_commands(workspace)))
    on_engine = f" on {workspace.spec.engine}" if workspace.spec.engine != "auto" else ""
    project = f" in project {workspace.engine.traits.project}" if commands else ""
    shown = f"; {', or '.join(commands[:MAX_SHOWN])} shows other deployments" if commands else ""
    return f"nothing is deployed{on_engine}{project}{shown}"


def _status_commands(workspace: Workspace) -> Iterator[str]:
    """Yield the commands that show other deployments: of this project, of this directory, of this machine."""
    own = all_engines(workspace)
    for engine in own:
        yield from (_status_command(workspace, engine, "", env) for env in _environments(engine))
    others = [(other, env) for engine in own for other in other_projects(engine) for env in _environments(other)]
    project = workspace.engine.traits.project
    here = [each for each in others if is_from_here(each[0], own)]
    here += [each for each in others if each[0].traits.project == project and not is_from_here(each[0], own)]
    for other, env in here:
        yield _status_command(workspace, other, f"--project {other.traits.project}", env)
    if len(others) > len(here):
        yield NO_PROJECT


def _status_command(workspace: Workspace, engine: Engine, project: str, env: str) -> str:
    if workspace.accepts_environment(env):
        return command_line(workspace, "status", _options(workspace, engine, project, env), env)
    options = _options(workspace, engine, project, workspace.spec.env)
    return command_line(workspace, "status", f"--all {options}".strip())


def other_projects(engine: Engine) -> tuple[Engine, ...]:
    """Return the engine as each other project sees it; nothing if the engine does not answer."""
    with contextlib.suppress(EngineError):
        return engine.inventory.other_projects()
    return ()


@dataclass(frozen=True)
class OtherDirectory:
    """A state directory that no environment of the workspace uses, with the deployments of its project there."""

    state_dir: Path
    deployments: tuple[tuple[str, str], ...]
    """The deployments by name and environment."""

    option: str
    """The options that select the state directory, and its engine if the settings choose another."""

    def __str__(self) -> str:
        return ", ".join(f"{name} [{env}]" for name, env in self.deployments)

    def env(self, workspace: Workspace) -> str:
        """Return the environment for a command there: that of the workspace if it has a deployment, or another one."""
        found = dict.fromkeys(env for _, env in self.deployments if workspace.accepts_environment(env))
        return workspace.spec.env if workspace.spec.env in found else next(iter(found), workspace.spec.env)


def other_directories(workspace: Workspace) -> tuple[OtherDirectory, ...]:
    """Return the other state directories from which the project of the workspace has deployments.

    Only engines that find their deployments by the state directory are asked, also those that the settings leave out.
    """
    # Docker is not found by a state directory: where it is not chosen, it need not be imported.
    known = workspace.engines if workspace.spec.engine == "embedded" else all_engines(workspace)
    own = {engine.traits.state_dir.resolve() for engine in known}
    by_directory = (engine for engine in known if engine.traits.id in map(str, own))
    others = (other for engine in by_directory for other in other_projects(engine))
    found = {
        other.traits.state_dir.resolve(): (other.inventory.names(), other.traits.name)
        for other in others
        if other.traits.project == workspace.engine.traits.project
    }
    return tuple(
        OtherDirectory(path, names, f"--state-dir {shlex.quote(str(path))}{_engine_option(workspace, engine)}")
        for path, (names, engine) in sorted(found.items())
        if path not in own and names
    )


def _engine_option(workspace: Workspace, engine: str) -> str:
    """Return the option for an engine that the settings leave out, after a space."""
    return (
        "" if workspace.spec.engine in ("auto", engine) or engine in workspace.engine_names else f" --engine {engine}"
    )


def second_deployments(workspace: Workspace, *keys: tuple[str, str]) -> Iterator[tuple[str, OtherDirectory]]:
    """Yield, for each of these deployments that another state directory has, too, its text and that directory."""
    for other in other_directories(workspace):
        yield from ((f"{name} [{env}]", other) for name, env in keys if (name, env) in other.deployments)


def hint_for_directories(workspace: Workspace, verb: str) -> str:
    """Return the hint to what the project has in other state directories, with a command that works there."""
    all_envs = verb.endswith("--all")
    return "; ".join(
        f"{other} is deployed from another state directory: "
        f"{command_line(workspace, verb, other.option, None if all_envs else other.env(workspace))}"
        for other in other_directories(workspace)[:MAX_SHOWN]
    )


def origin(workspace: Workspace, observed: Deployment) -> Path | None:
    """Return the state directory that a deployment came from, if another directory has the same project."""
    in_env = workspace
    if observed.env != workspace.spec.env and workspace.accepts_environment(observed.env):
        in_env = _in_environment(workspace, observed.env)
    own = {each.spec.state_dir for each in (workspace, in_env)}
    own |= {engine.traits.state_dir for engine in workspace.engines}
    directory = observed.directory
    if len(directory.parents) < 4 or any(directory.resolve().is_relative_to(each.resolve()) for each in own):
        return None
    return run_dir.state_dir(directory)


def origin_note(workspace: Workspace, observed: Deployment, subject: str = "") -> str:
    """Return the note that names the state directory of `origin`; empty if there is none."""
    path, subject = origin(workspace, observed), subject or f"{observed.name} [{observed.env}]"
    return f"{subject} was deployed from another directory, with its state in {path}" if path else ""


def origin_command(workspace: Workspace, observed: Deployment, verb: str) -> str:
    """Return a command for a deployment in the state directory of `origin`; empty if there is none any more."""
    path = origin(workspace, observed)
    if path is None or not path.is_dir():
        return ""
    target = cli_name(observed.name, observed.env)
    return command_line(workspace, f"{verb} {target}", f"--state-dir {shlex.quote(str(path))}")


def own_project_hint(workspace: Workspace, observed: Deployment) -> str:
    """Return the note about the origin of a deployment, with the way to another deployment of that name."""
    note = origin_note(workspace, observed)
    return f"{note}: set project in deployer.toml for a deployment of your own" if note else ""


def is_from_here(other: Engine, own: tuple[Engine, ...]) -> bool:
    """Return whether another project has its state in a state directory of the workspace, or of a directory above."""
    state_dirs = {engine.traits.state_dir.resolve() for engine in own}
    above = {parent / path.name for path in state_dirs for parent in path.parent.parents}
    traits = other.traits
    if not traits.project:
        return False
    if traits.name == "docker":
        return traits.project in {
            project for path in state_dirs | above for project, _, _ in run_dir.list_deployments(path / "docker")
        }
    return traits.state_dir.resolve() in state_dirs | above


def command_line(workspace: Workspace, verb: str, options: str, env: str | None = None) -> str:
    """Return a command with `options`, and with the options that were given for the location of a deployment.

    It is for the environment `env`, if that is given and `options` choose none.
    """
    kept = (name for name in LOCATION if option_name(Settings, name) not in options)
    chosen = "" if env is None or "--env " in options else cli_name("", env)
    return f"{' '.join(filter(None, (f'deployer {verb}', options)))}{chosen}{workspace.settings.typed(*kept)}"


def hint_for_project(workspace: Workspace, name: str) -> str:
    """Return the hint to deployments of that name in other environments or on other engines of this project."""
    own = all_engines(workspace)
    return _select_hint([_options(workspace, engine, "", env) for engine in own for env in _environments(engine, name)])


def hint_for_other_projects(workspace: Workspace, name: str) -> str:
    """Return the hint to deployments of that name elsewhere.

    It names those whose state is in this directory or one above it, and those of the same project; of the others, only
    the command that shows them.
    """
    options: list[str] = []
    projects: set[str] = set()
    own, unrelated = all_engines(workspace), False
    for other in (other for engine in own for other in other_projects(engine)):
        environments, project = _environments(other, name), other.traits.project
        if not environments:
            continue
        if project != workspace.engine.traits.project and not is_from_here(other, own):
            unrelated = True
            continue
        projects.add(project)
        options += [_options(workspace, other, f"--project {project}", env) for env in environments]
    same = projects == {workspace.engine.traits.project}
    hint = _select_hint(options, f"of {'another directory' if same else 'another project'} ")
    elsewhere = (
        f"{NO_PROJECT} shows those of that name in other projects" if unrelated and NO_PROJECT not in hint else ""
    )
    return "; ".join(filter(None, (hint, elsewhere)))


def holder_command(workspace: Workspace, holder: PortHolder) -> str:
    """Return the command that shows the deployment which holds a port; empty if another program holds it."""
    if not holder.name:
        return ""
    if not holder.project:
        return NO_PROJECT
    is_accepted = workspace.accepts_environment(holder.env)
    opened = _in_environment(workspace, holder.env) if is_accepted else workspace
    traits = opened.engine.traits
    other_dir = holder.state_dir and holder.state_dir.resolve() != opened.spec.state_dir.resolve()
    parts = (
        f"--project {holder.project}" if holder.project != traits.project else "",
        f"--state-dir {shlex.quote(str(holder.state_dir))}" if other_dir else "",
        f"--engine {holder.engine}" if holder.engine not in opened.engine_names else "",
    )
    # An environment without a table in the file cannot be named: --all shows it.
    target = cli_name(holder.name, holder.env) if is_accepted else f"--all{cli_name('', workspace.spec.env)}"
    return command_line(workspace, f"status {target}", " ".join(filter(None, parts)))


def _in_environment(workspace: Workspace, env: str) -> Workspace:
    """Return the workspace of another environment, with the same options."""
    if env == workspace.spec.env:
        return workspace
    with contextlib.suppress(DeployerError):
        return open_workspace(dataclasses.replace(workspace.settings, env=env), allow_unset=True)
    return workspace


def _select_hint(options: list[str], whose: str = "") -> str:
    choices = tuple(dict.fromkeys(options))
    if not choices:
        return ""
    more = "; deployer status --all-projects shows all of them" if len(choices) > MAX_SHOWN else ""
    return f"one of that name {whose}is reached with {', or with '.join(choices[:MAX_SHOWN])}{more}"


def all_engines(workspace: Workspace) -> tuple[Engine, ...]:
    """Return the engines of all environments of this project, also those that `--engine` excludes."""
    found = [*workspace.engines, *engines.unselected_engines(workspace.spec).engines]
    with contextlib.suppress(DeployerError):
        found += open_environments(workspace.settings).engines
    return unique_engines(found)


def _environments(engine: Engine, name: str | None = None) -> tuple[str, ...]:
    """Return the environments with deployments, of that name if given; nothing if the engine does not answer."""
    try:
        keys = [key for key in engine.inventory.names() if name in (None, key[0])]
        return tuple(dict.fromkeys(key[1] for key in keys if engine.observe(*key) or engine.inventory.lost(*key)))
    except EngineError:
        return ()


def _options(workspace: Workspace, engine: Engine, project: str, env: str) -> str:
    if project == NO_PROJECT:
        return NO_PROJECT
    traits, own = engine.traits, [each.traits for each in workspace.engines]
    other_dir = traits.state_dir not in {each.state_dir for each in own}
    parts = (
        "" if project == f"--project {workspace.engine.traits.project}" else project,
        f"--state-dir {shlex.quote(str(traits.state_dir))}" if project and other_dir else "",
        f"--engine {traits.name}" if traits.name not in {each.name for each in own} else "",
        workspace.env_option(env),
    )
    return " ".join(filter(None, parts))
