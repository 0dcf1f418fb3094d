"""Functions of JAX: converted by jax2tf, served by every engine where XLA may compile: JAX's own numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import tested
from support.asking import Answer, over_grpc, over_rest, same
from support.cli import environment, in_process
from support.every_engine import ENGINES, served, write_spec

ROOT = Path(__file__).parents[2]
SECONDS = 600
MODELS = """
import sys
import numpy as np
import jax
import jax.numpy as jnp
import tensorflow as tf
from jax.experimental import jax2tf

PARAMETERS = {"w": np.arange(6, dtype=np.float32).reshape(3, 2) / 5, "b": np.float32([0.5, -0.5])}

def network(parameters, x):
    return jnp.tanh(x @ parameters["w"]) + parameters["b"]

class Net(tf.Module):
    def __init__(self):
        super().__init__()
        self.parameters = {name: tf.Variable(value) for name, value in PARAMETERS.items()}
        self.network = jax2tf.convert(network, polymorphic_shapes=[None, "(rows, 3)"], with_gradient=False)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": self.network(self.parameters, x)}

module = Net()
bare = jax2tf.convert(jnp.sin, polymorphic_shapes=["(rows, 3)"], with_gradient=False)

@jax.jit
def apart(x, y):
    return {"distance": jnp.sqrt(((x - y) ** 2).sum(axis=1))}

if __name__ == "__main__":
    import deployer
    from deployer.errors import ModelError
    spec = "float32[?,3]"
    for name, inputs in {"module": (), "bare": (f"x:{spec}",), "apart": (f"y:{spec}", f"x:{spec}")}.items():
        deployer.export_model(f"models.py:{name}", options=deployer.ExportOptions(inputs=inputs))
    try:
        deployer.export_model("models.py:apart", options=deployer.ExportOptions(name="other"))
    except ModelError as error:
        print(f"{error.message}: {error.hint}")
    x, y = np.float32([[1, 2, 3], [0.5, 0, -1]]), np.float32([[0, 2, 1], [1, 1, 1]])
    np.savez("answers.npz", x=x, y=y, module=network(PARAMETERS, x), bare=jnp.sin(x), apart=apart(x, y)["distance"])
"""
OUTPUTS = {"module": "y", "bare": "output_0", "apart": "distance"}
NOTES = {
    "module": "JAX in a `tf.Module`, converted by `jax2tf`",
    "bare": "JAX function, converted by `jax2tf` (`--input`)",
    "apart": "JAX function, `jax.jit` (`--input`)",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of them were exported, with what JAX says."""
    subprocess.run([str(ROOT / "requirements" / "jax.sh")], check=True, timeout=SECONDS)
    directory = tmp_path_factory.mktemp("jax")
    (directory / "models.py").write_text(MODELS)
    path = os.pathsep.join((str(ROOT / ".venv-jax"), str(ROOT)))
    ended = subprocess.run(
        [sys.executable, "models.py"], cwd=directory, env=environment(PYTHONPATH=path), timeout=SECONDS,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (directory / "said").write_text(ended.stdout)
    return directory


def test_a_function_that_does_not_say_what_it_takes_is_refused(project):
    assert (project / "said").read_text() == "a function of JAX does not say what it takes: --input name:dtype[shape]\n"


def test_a_server_that_may_not_compile_is_not_asked(project):
    write_spec(project, OUTPUTS)
    ended = in_process("up", cwd=project)
    assert ended.code == 3, ended.err
    assert "module:1 would answer nothing: it has functions of JAX (jax2tf)" in ended.err
    assert "hint: xla_cpu_compilation_enabled = true under [server.flags]" in ended.err
    notes = in_process("inspect", "bare", "--json", cwd=project).json["notes"]
    assert ["xla_cpu_compilation_enabled" in note for note in notes].count(True) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_served_is_what_jax_says(project, engine):
    write_spec(project, OUTPUTS, "[server.flags]\nxla_cpu_compilation_enabled = true\n")
    answers = np.load(project / "answers.npz")
    with served(project, engine) as deployed:
        for name, output in OUTPUTS.items():
            inputs = {key: answers[key] for key in (("x", "y") if name == "apart" else ("x",))}
            answer = Answer(inputs, {output: answers[name]})
            same(answer.outputs, over_rest(deployed.endpoints["rest"], name, answer))
            same(answer.outputs, over_grpc(deployed.endpoints["grpc"], name, answer))
            tested.note(NOTES[name], engine)
