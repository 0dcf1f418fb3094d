"""A model of every kind of source, served by the embedded engine: REST and gRPC give TensorFlow's own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import source_kinds, tested
from support.asking import over_grpc, over_rest, same
from support.cli import deployer, in_process
from support.source_kinds import MAKERS, Made

TOML = 'name = "kinds"\n[server]\nrest_port = 0\ngrpc_port = 0\n'


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Made], dict[str, str]]]:
    """Every model as TensorFlow has it, and the endpoints of the one server that serves them all."""
    folder = tmp_path_factory.mktemp("kinds")
    made = {name: source_kinds.make(name, folder) for name in MAKERS}
    for name, model in made.items():
        # A user's file runs in a process of its own: what other tests did to TensorFlow's default graph is not there.
        run = deployer if ".py:" in model.source else in_process
        ended = run("export", model.source, "--name", name, *model.options, "-q", cwd=folder)
        assert ended.code == 0, f"{name}: {ended.err}"
    (folder / "deployer.toml").write_text(TOML + "".join(f"[models.{name}]\n" for name in made))
    ended = deployer("up", "--json", cwd=folder)
    assert ended.code == 0, ended.err
    yield made, ended.json["endpoints"]
    assert deployer("down", cwd=folder).code == 0


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_served_is_what_tensorflow_says(deployed: Any, name: str, tmp_path: Path) -> None:
    made, endpoints = deployed
    model = made[name]
    assert model.answers
    for answer in model.answers:
        same(answer.outputs, over_rest(endpoints["rest"], name, answer))
        same(answer.outputs, over_grpc(endpoints["grpc"], name, answer))
    tested.note(MAKERS[name].__doc__ or name, "embedded", model.keras)
