"""What was done is undone, the last thing first, whatever ends the block."""

from __future__ import annotations

import pytest

from deployer.errors import DeployerError, DeployFailed, EngineError, VerificationFailed, undone
from deployer.rollout.undo import Undo, UndoStack


def fail(error: BaseException, *undos: Undo, drop: Undo | None = None) -> BaseException:
    """What a block ends with that pushed these, dropped one, and failed."""

    def block() -> None:
        with UndoStack() as stack:
            for undo in undos:
                stack.push(undo)
            if drop is not None:
                stack.drop(drop)
            raise error

    with pytest.raises((DeployerError, KeyboardInterrupt)) as ended:
        block()
    return ended.value


def test_nothing_is_undone_where_all_went_well():
    done: list[str] = []
    with UndoStack() as stack:
        stack.push(Undo(lambda: done.append("one"), "one"))
    assert done == []


@pytest.mark.parametrize("error", [VerificationFailed("no"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_the_last_thing_is_undone_first_and_the_error_knows(error):
    done: list[str] = []
    one, two, three = (Undo(lambda what=what: done.append(what), what) for what in ("one", "two", "three"))
    assert fail(error, one, two, three, drop=two) is error
    assert done == ["three", "one"]
    assert undone(error) == ("three", "one")


def test_an_error_is_reported_as_what_was_undone_and_an_interrupt_is_left_as_it_is():
    undo = Undo(lambda: None, "served again", "the models were rolled back")
    error = fail(VerificationFailed("no", hint="try", log=("line",)), undo)
    assert isinstance(error, DeployFailed)
    assert (error.message, error.hint, error.log) == ("the models were rolled back: no", "try", ("line",))
    assert isinstance(error.__cause__, VerificationFailed)
    assert isinstance(fail(KeyboardInterrupt(), undo), KeyboardInterrupt)


def test_what_cannot_be_undone_keeps_nothing_else_from_being_undone():
    done: list[str] = []

    def stuck() -> None:
        raise EngineError("away")

    error = fail(DeployerError("no"), Undo(lambda: done.append("one"), "one"), Undo(stuck, "two", "taken back"))
    assert (type(error), str(error)) == (EngineError, "away")
    assert done == ["one"]
