"""A model of every kind of source, served by every engine: REST and gRPC give TensorFlow's own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import keras_kinds, source_kinds, tested
from support.asking import over_grpc, over_rest, same
from support.cli import in_process, one_after_another
from support.every_engine import ENGINES, Served, served, write_spec
from support.source_kinds import MAKERS, Made

assert keras_kinds.CODE, "its makers are among MAKERS"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Made]]:
    """A project with a model of every kind in its store, and every model as TensorFlow has it."""
    directory = tmp_path_factory.mktemp("kinds")
    made = {name: source_kinds.make(name, directory) for name in MAKERS}
    commands = {name: ["export", model.source, "--name", name, *model.options, "-q"] for name, model in made.items()}
    # Users' files run in another process: what other tests did to TensorFlow's default graph is not there.
    theirs = {name for name, model in made.items() if ":" in model.source}
    for name in made.keys() - theirs:
        ended = in_process(*commands[name], cwd=directory)
        assert ended.code == 0, f"{name}: {ended.err}"
    in_order = sorted(theirs, key=lambda name: name != "session")  # TensorFlow 1 has to come before anything eager
    ended = one_after_another([commands[name] for name in in_order], cwd=directory)
    assert ended.code == 0, ended.err
    write_spec(directory, made)
    return directory, made


@pytest.fixture(scope="module", params=ENGINES)
def deployed(request: Any, exported: tuple[Path, dict[str, Made]]) -> Iterator[Served]:
    """One server of an engine that serves them all."""
    with served(exported[0], request.param) as one:
        yield one


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_served_is_what_tensorflow_says(exported: Any, deployed: Served, name: str) -> None:
    model = exported[1][name]
    assert model.answers
    for ask, api in ((over_rest, "rest"), (over_grpc, "grpc")):
        for answer in (answer for answer in model.answers if answer.ask_rest or api == "grpc"):
            same(answer.outputs, ask(deployed.endpoints[api], name, answer))
    tested.note(MAKERS[name].__doc__ or name, deployed.engine, model.keras)
