"""Errors about a setting, with what sets it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployer.errors import ConfigError
from deployer.rollout.workspace import Workspace


@contextmanager
def name_origin(workspace: Workspace) -> Iterator[None]:
    """Complete the error of an engine about a setting with the option, the variable or the table that sets it."""
    try:
        yield
    except ConfigError as error:
        origins = workspace.origins
        if error.key and (origin := origins.of(error.key) or origins.place(error.key)) != error.key:
            error.name_origin(origin)
        raise
