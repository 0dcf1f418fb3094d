"""Collects the notices of a command, for its result or for the error that ends it.

Unlike progress, notices are shown with `--quiet`, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployer.errors import DeployerError


@contextmanager
def collect_notices() -> Iterator[list[str]]:
    """Yield a list for notices; an error gets those that were added before it."""
    notices: list[str] = []
    try:
        yield notices
    except DeployerError as error:
        error.notices = tuple(dict.fromkeys((*notices, *error.notices)))
        raise
