"""Notices: what a command chose, left out or found without being asked. Its result has them, or the error that ends it;
progress can be silenced, and they are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployer.errors import DeployerError


@contextmanager
def collect_notices() -> Iterator[list[str]]:
    """A list to add notices to; an error that passes here takes along those that were there before it."""
    notices: list[str] = []
    try:
        yield notices
    except DeployerError as error:
        error.notices = tuple(dict.fromkeys((*notices, *error.notices)))
        raise
