"""Errors: every failure has its own exit code, and the drawn tree is the real one."""

from __future__ import annotations

import inspect
import re

from deployer import errors
from deployer.errors import DeployerError, InvalidValue


def all_errors() -> list[type[DeployerError]]:
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DeployerError)]


def test_exit_codes_are_those_of_the_design():
    assert list(errors.exit_codes()) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 70, 130]


def test_the_drawn_tree_names_every_error_with_its_parent_and_code():
    drawn = re.findall(r"[├└]── (\w+) *(\d*)", errors.__doc__)
    names = sorted(name for name, _ in drawn)
    assert names == sorted({kind.__name__ for kind in all_errors()} - {"DeployerError"})
    for name, code in drawn:
        if code:
            assert getattr(errors, name).exit_code == int(code)


def test_a_child_keeps_the_code_of_its_family():
    for kind in all_errors():
        parent = kind.__mro__[1]
        if parent is not DeployerError and issubclass(parent, DeployerError):
            assert kind.exit_code == parent.exit_code


def test_an_error_carries_hint_and_log():
    failure = InvalidValue("bad", hint="try this", log=("line",))
    assert (str(failure), failure.hint, failure.log, failure.exit_code) == ("bad", "try this", ("line",), 2)
    assert isinstance(failure, ValueError)
