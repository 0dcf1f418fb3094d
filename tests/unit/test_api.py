"""`import deployer`: what its functions return and raise has a name there."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Any

import deployer
from deployer import errors, results

FUNCTIONS = [found for name in deployer.__all__ if inspect.isfunction(found := getattr(deployer, name))]
RESULTS = {
    name: found
    for module in pkgutil.iter_modules(results.__path__)
    for name, found in vars(importlib.import_module(f"deployer.results.{module.name}")).items()
}


def reached(annotation: Any) -> Iterator[type]:
    """The classes of the package in an annotation, and in the fields of those that are dataclasses."""
    for inner in typing.get_args(annotation):
        yield from reached(inner)
    if not isinstance(annotation, type) or not annotation.__module__.startswith("deployer."):
        return
    yield annotation
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation, localns=RESULTS)
        for field in dataclasses.fields(annotation):
            yield from reached(hints[field.name])


def test_all_names_can_be_had():
    assert {name for name in deployer.__all__ if getattr(deployer, name) is None} == set()
    assert set(dir(deployer)) == set(deployer.__all__)


def test_every_error_is_exported():
    known = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, Exception)]
    assert len(known) > 30
    assert [found.__name__ for found in known if getattr(deployer, found.__name__, None) is not found] == []


def test_every_type_that_a_function_returns_is_exported():
    returned = {
        found
        for function in FUNCTIONS
        for found in reached(typing.get_type_hints(function, localns=RESULTS)["return"])
        if dataclasses.is_dataclass(found) or issubclass(found, Enum)
    }
    assert len(returned) > 25
    assert sorted(found.__name__ for found in returned if getattr(deployer, found.__name__, None) is not found) == []


def test_a_name_that_it_does_not_have_is_an_attribute_error():
    assert not hasattr(deployer, "no_such_name")
