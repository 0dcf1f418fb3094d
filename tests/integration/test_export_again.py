"""What the store holds already makes no version, also where only running tells; what is asked otherwise does."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
from support.cli import deployer, in_process
from support.source_kinds import LAYER

CODE = """
import tensorflow as tf

weights = tf.Variable([[1.0], [2.0]])

@tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
def model(x):
    return {"y": x @ weights}

def doubled(model):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def twice(x):
        return {"twice": 2.0 * model(x)}
    return twice
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "made.py").write_text(CODE)
    (tmp_path / "layers.py").write_text(LAYER)
    (tmp_path / "a.json").write_text('{"instances": [{"x": [1, 2]}]}')
    (tmp_path / "b.json").write_text('{"instances": [{"x": [3, 4]}]}')
    scope: dict[str, object] = {"__name__": "users_layers_again"}
    exec(LAYER, scope)
    keras.Sequential([keras.Input((2,), name="x"), scope["Waves"]()]).save(tmp_path / "waves.keras")
    return tmp_path


def exported(directory: Path, *arguments: str) -> tuple[int, bool]:
    ended = in_process("export", *arguments, "--name", "m", "--json", "-q", cwd=directory)
    assert ended.code == 0, ended.err
    return ended.json["model"]["version"], ended.json["created"]


@pytest.mark.parametrize(
    "source",
    [
        ("made.py:model",),
        ("waves.keras", "--custom-objects", "layers.py:LAYERS", "--signature", "twice=made.py:doubled"),
    ],
    ids=["python", "keras"],
)
def test_what_was_asked_for_otherwise_is_another_version(directory, source):
    assert exported(directory, *source) == (1, True)
    assert exported(directory, *source) == (1, False)
    assert exported(directory, *source, "--examples", "a.json") == (2, True)
    assert exported(directory, *source, "--examples", "a.json") == (2, False)
    assert exported(directory, *source, "--examples", "b.json") == (3, True)
    assert exported(directory, *source, "--examples", "b.json", "--no-warmup") == (4, True)
    (directory / "made.py").write_text(CODE.replace("[2.0]", "[3.0]").replace("2.0 *", "3.0 *"))
    assert exported(directory, *source, "--examples", "b.json", "--no-warmup") == (5, True)
    (directory / "made.py").write_text(CODE)
    assert exported(directory, *source, "--examples", "a.json") == (2, False)


RANDOM = """
import keras
import tensorflow as tf

def model():
    inputs = keras.Input((2,), name="x")
    return keras.Model(inputs, keras.layers.Dense(1, name="dense")(inputs))

class Drawn(tf.Module):
    def __init__(self):
        self.weights = tf.Variable(tf.random.normal([2, 1]))

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x @ self.weights}

drawn = Drawn()
"""


@pytest.mark.parametrize("source", ["net.py:model", "net.py:drawn"])
def test_weights_that_are_drawn_at_each_load_are_said_to_make_the_version(directory, source):
    (directory / "net.py").write_text(RANDOM)
    results = [deployer("export", source, "--name", "m", "--json", "-q", cwd=directory).json for _ in range(2)]
    for number, result in enumerate(results, 1):
        said = [note for note in result["notices"] if note.startswith("a new version: ")]
        assert (result["created"], result["model"]["version"], len(said)) == (True, number, int(number > 1))
        if number > 1:
            assert f" m:{number - 1}, though net.py has not changed since" in said[0]
            assert "--weights FILE" in said[0]


def test_other_code_and_other_options_are_said_to_make_the_version(directory):
    def said(*options: str) -> list[str]:
        ended = in_process("export", "made.py:model", "--name", "m", *options, "--json", "-q", cwd=directory)
        assert ended.code == 0, ended.err
        return [note for note in ended.json["notices"] if "new version" in note]

    assert said() == said() == []
    (directory / "made.py").write_text(CODE.replace("x @ weights", "x @ weights + 1.0"))
    (content,) = said()
    assert "its content differs from m:1" in content
    (options,) = said("--examples", "a.json")
    assert "options or examples" in options
    assert said("--examples", "a.json") == []
    (directory / "made.py").write_text(CODE.replace("x @ weights", "x @ weights + 1.0").replace("[2.0]", "[3.0]"))
    (weights,) = said("--examples", "a.json")
    assert "its weights differ from those of m:3" in weights
    assert "has not changed" not in weights


def test_environments_with_other_batch_sizes_keep_their_versions(directory):
    (directory / "deployer.toml").write_text(
        "[models.m]\nsource = 'plain.keras'\n[env.staging.batching]\nmax_batch_size = 4\nallowed_batch_sizes = [1, 4]\n"
    )
    keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)]).save(directory / "plain.keras")
    for staging in ((), ("--env", "staging"), (), ("--env", "staging")):
        assert exported(directory, "plain.keras", *staging)[0] == 1 + bool(staging)
    planned = in_process("plan", "--engine", "embedded", cwd=directory).out
    assert "export" not in planned
    assert "m:1" in planned
