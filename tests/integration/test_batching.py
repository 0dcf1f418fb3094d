"""`[batching]` with models that can be batched and one that cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, in_process
from support.world import MODELS, servers

from deployer.results.launch import BATCHING_CONFIG


@pytest.mark.parametrize("verb", [["up"], ["plan"], ["render"]])
def test_a_model_without_batch_dimension_is_refused_before_a_server_is_started(empty_project: Path, verb: list) -> None:
    assert in_process("export", str(MODELS / "odd" / "1"), "--name", "odd", "-q", cwd=empty_project).code == 0
    (empty_project / "deployer.toml").write_text("[batching]\nmax_batch_size = 8\n")
    ended = in_process(*verb, "odd", cwd=empty_project)
    assert ended.code == 3, ended.err
    assert "[batching] cannot be used for odd:1: " in ended.err
    assert "batch dimension" in ended.err
    assert not servers(empty_project)


MASKED = """
import tensorflow as tf

@tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
def model(x):
    return tf.boolean_mask(x, x[:, 0] > 0)
"""


def test_a_model_whose_answers_have_other_rows_is_refused_by_every_verb(project: Path) -> None:
    (project / "m.py").write_text(MASKED)
    assert in_process("export", "m.py:model", "--name", "masked", "-q", cwd=project).code == 0
    (project / "deployer.toml").write_text("[batching]\nmax_batch_size = 8\n")
    for verb in ("plan", "render", "up"):
        ended = in_process(verb, "masked", cwd=project)
        assert ended.code == 3, ended.err
        assert "output 'output_0' of signature serving_default has " in ended.err
    assert not servers(project)


def test_one_that_has_it_is_rendered(project: Path) -> None:
    (project / "deployer.toml").write_text("[batching]\nmax_batch_size = 8\nallowed_batch_sizes = [2, 8]\n")
    ended = in_process("render", "half_plus_two", "--json", cwd=project)
    assert ended.code == 0, ended.err
    sizes = re.findall(r"^allowed_batch_sizes: (\d+)$", ended.json["files"][BATCHING_CONFIG], re.MULTILINE)
    assert sizes == ["2", "8"]


@pytest.mark.parametrize("sizes", ["[8, 2]", "[2, 4]", "[0, 8]", "[2, 2, 8]"])
def test_sizes_that_the_server_would_refuse_are_refused(project: Path, sizes: str) -> None:
    (project / "deployer.toml").write_text(f"[batching]\nmax_batch_size = 8\nallowed_batch_sizes = {sizes}\n")
    ended = in_process("render", "half_plus_two", cwd=project)
    assert ended.code == 3
    assert "must ascend and end with max_batch_size 8" in ended.err


REFUSED = (
    ["redeploy"],
    ["redeploy", "--version", "4"],
    ["redeploy", "--keep-previous"],
    ["label", "half_plus_two", "canary=4"],
)


def test_redeploy_refuses_what_cannot_be_batched_as_up_does(project: Path) -> None:
    """The version that serves can be batched, and goes on; so it does where `[batching]` comes later."""
    settings = project / "deployer.toml"
    settings.write_text("[batching]\nmax_batch_size = 8\n")
    up = in_process("up", "half_plus_two:1", "-q", "--json", *ANY_PORTS, cwd=project)
    assert up.code == 0, up.err
    (serving,) = servers(project)
    exported = in_process("export", str(MODELS / "odd" / "1"), "--name", "half_plus_two", "-q", cwd=project)
    assert exported.code == 0, exported.err
    for arguments in REFUSED:
        for more in ([], ["--dry-run"]):
            ended = in_process(*arguments, *more, cwd=project)
            assert ended.code == 3, ended.err
            assert "[batching] cannot be used for half_plus_two:4: " in ended.err
    assert servers(project) == [serving]
    settings.write_text("")
    assert in_process("redeploy", "--allow-breaking", "-q", cwd=project).code == 0
    settings.write_text("[batching]\nmax_batch_size = 8\n")
    refused = in_process("redeploy", cwd=project)
    assert (refused.code, "half_plus_two:4" in refused.err) == (3, True)
    assert in_process("smoke", cwd=project).code == 0
