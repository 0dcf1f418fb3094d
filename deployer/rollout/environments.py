"""Opens all environments of a project for commands that look at each: one with wrong settings hides no other."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.config import loader
from deployer.config.options import Settings
from deployer.engines.base import Engine
from deployer.errors import DeployerError
from deployer.results.deployment import DEFAULT_ENV, ENV_VARIABLE
from deployer.rollout.workspace import Workspace, open_workspace, unique_engines


@dataclass(frozen=True)
class Environments:
    """The workspaces of the environments, that of the chosen one first, and the errors of those that have none."""

    opened: tuple[Workspace, ...]
    wrong: Mapping[str, DeployerError]
    """The errors by environment."""

    @property
    def failures(self) -> tuple[DeployerError, ...]:
        """The errors of the environments that could not be opened."""
        return tuple(self.wrong.values())

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines of all environments."""
        return unique_engines(engine for each in self.opened for engine in each.engines)

    @property
    def workspace(self) -> Workspace:
        """The workspace of the first environment, with the engines of all."""
        return dataclasses.replace(self.opened[0], engines=self.engines)


def open_environments(settings: Settings) -> Environments:
    """Open the environments whose settings are right; unset variables are allowed.

    Raises ConfigError for a chosen environment that does not exist, and if no environment can be opened.
    """
    listed = loader.environments(settings.config)
    chosen = settings.env or os.environ.get(ENV_VARIABLE) or DEFAULT_ENV
    opened: list[Workspace] = []
    wrong: dict[str, DeployerError] = {}
    for env in dict.fromkeys((chosen, *listed)):
        try:
            opened.append(open_workspace(dataclasses.replace(settings, env=env), allow_unset=True))
        except DeployerError as error:  # noqa: PERF203 - one failure must not stop the others
            if env not in listed:
                raise
            wrong[env] = error
    if not opened:
        raise wrong[next(iter(wrong))]
    return Environments(tuple(opened), {env: _named(env, error) for env, error in wrong.items()})


def _named(env: str, error: DeployerError) -> DeployerError:
    """Return the error with the environment in its message."""
    error.message = f"[{env}]: {error.message}"
    error.args = (error.message,)
    return error
