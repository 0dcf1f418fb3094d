"""A model of every kind of source, served by every engine: REST and gRPC give TensorFlow's own numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import keras_kinds, source_kinds, tested
from support.asking import over_grpc, over_rest, same
from support.cli import deployer, in_process, one_after_another
from support.source_kinds import MAKERS, Made

assert keras_kinds.CODE, "its makers are among MAKERS"
TOML = 'name = "kinds"\n[server]\nrest_port = 0\ngrpc_port = 0\n'
IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
ENGINES = ("embedded", "docker") if IMAGE else ("embedded",)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Made]]:
    """A project with a model of every kind in its store, and every model as TensorFlow has it."""
    folder = tmp_path_factory.mktemp("kinds")
    for each in (folder, *list(folder.parents)[:2]):
        each.chmod(0o755)  # containers run as nobody
    made = {name: source_kinds.make(name, folder) for name in MAKERS}
    commands = {name: ["export", model.source, "--name", name, *model.options, "-q"] for name, model in made.items()}
    # Users' files run in another process: what other tests did to TensorFlow's default graph is not there.
    theirs = {name for name, model in made.items() if ".py:" in model.source}
    for name in made.keys() - theirs:
        ended = in_process(*commands[name], cwd=folder)
        assert ended.code == 0, f"{name}: {ended.err}"
    in_order = sorted(theirs, key=lambda name: name != "session")  # TensorFlow 1 has to come before anything eager
    ended = one_after_another([commands[name] for name in in_order], cwd=folder)
    assert ended.code == 0, ended.err
    (folder / "deployer.toml").write_text(TOML + "".join(f"[models.{name}]\n" for name in made))
    return folder, made


@pytest.fixture(scope="module", params=ENGINES)
def deployed(request: Any, exported: tuple[Path, dict[str, Made]]) -> Iterator[tuple[str, dict[str, str]]]:
    """An engine, and the endpoints of its one server that serves them all."""
    folder, _ = exported
    settings = {"DEPLOYER_ENGINE": request.param}
    if request.param == "docker":
        settings["DEPLOYER_DOCKER_IMAGE"] = IMAGE
    ended = deployer("up", "--json", cwd=folder, **settings)
    assert ended.code == 0, ended.err
    yield request.param, ended.json["endpoints"]
    assert deployer("down", cwd=folder, **settings).code == 0


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_served_is_what_tensorflow_says(exported: Any, deployed: Any, name: str) -> None:
    engine, endpoints = deployed
    model = exported[1][name]
    assert model.answers
    for answer in model.answers:
        same(answer.outputs, over_rest(endpoints["rest"], name, answer))
        same(answer.outputs, over_grpc(endpoints["grpc"], name, answer))
    tested.note(MAKERS[name].__doc__ or name, engine, model.keras)
