"""A stack of actions that undo what was done when a later step fails, the last first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from deployer.errors import DeployerError, DeployFailed, note_undone


@dataclass(frozen=True, eq=False)
class Undo:
    """An action that undoes a step."""

    action: Callable[[], object]
    note: str
    """What was undone, for the message of Ctrl-C."""

    failure: str = ""
    """If set, the error is raised as DeployFailed, and its message begins with this."""


class UndoStack:
    """A context manager whose failure runs the pushed actions, the last first."""

    def __init__(self) -> None:
        self._stack: list[Undo] = []

    def push(self, undo: Undo) -> Undo:
        """Run this action when anything fails from now on."""
        self._stack.append(undo)
        return undo

    def drop(self, undo: Undo) -> None:
        """Remove an action from the stack."""
        self._stack.remove(undo)

    def __enter__(self) -> UndoStack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Run all actions after an error.

        Raises the first error of an action that failed; otherwise DeployFailed if an action has a `failure`.
        """
        if error is None:
            return
        failure, undo_error = "", None
        for undo in reversed(self._stack):
            try:
                undo.action()
            except DeployerError as another:
                undo_error = undo_error or another
                continue
            note_undone(error, undo.note)
            failure = failure or undo.failure
        if undo_error is not None:
            raise undo_error from error
        if failure and isinstance(error, DeployerError):
            raise DeployFailed(f"{failure}: {error.message}", hint=error.hint, log=error.log) from error
