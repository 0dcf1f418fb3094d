"""How what was done is undone when what follows fails: the last thing first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from deployer.errors import DeployerError, DeployFailed, note_undone


@dataclass(frozen=True, eq=False)
class Undo:
    """`says` tells a person who ended the command what was undone; with `failure`, an error is raised as DeployFailed
    that begins so.
    """

    action: Callable[[], object]
    says: str
    failure: str = ""


class UndoStack:
    """A block whose failure undoes what was pushed."""

    def __init__(self) -> None:
        self._stack: list[Undo] = []

    def push(self, undo: Undo) -> Undo:
        """Undo this when anything fails from now on."""
        self._stack.append(undo)
        return undo

    def drop(self, undo: Undo) -> None:
        """It need not be undone any more."""
        self._stack.remove(undo)

    def __enter__(self) -> UndoStack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raises DeployFailed in the place of an error, where something that was undone says so; and the first error of
        what could not be undone, once the rest is.
        """
        if error is None:
            return
        failure, stuck = "", None
        for undo in reversed(self._stack):
            try:
                undo.action()
            except DeployerError as another:
                stuck = stuck or another
                continue
            note_undone(error, undo.says)
            failure = failure or undo.failure
        if stuck is not None:
            raise stuck from error
        if failure and isinstance(error, DeployerError):
            raise DeployFailed(f"{failure}: {error.message}", hint=error.hint, log=error.log) from error
