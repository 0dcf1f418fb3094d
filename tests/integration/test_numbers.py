"""curl and the stock gRPC stubs get the numbers that TensorFlow gives, for every shape of signature."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from support.cli import deployer, in_process
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

MODELS = """
import keras
import tensorflow as tf

keras.utils.set_random_seed(7)
dense = keras.Sequential([keras.Input((5,), name="feat"), keras.layers.Dense(4), keras.layers.Dense(2, name="scores")])
left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right", dtype="int32")
mixed = keras.Model(
    {"left": left, "right": right},
    {"sum": left + keras.ops.cast(right, "float32"), "larger": keras.ops.greater(left, 0.5)},
)


class Words(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def __call__(self, text):
        return {"upper": tf.strings.upper(text), "length": tf.strings.length(text)}


class Flags(tf.Module):
    @tf.function(input_signature=[
        tf.TensorSpec([None, 2], tf.bool, name="flags"), tf.TensorSpec([None], tf.int64, name="ids")
    ])
    def __call__(self, flags, ids):
        return {"none": tf.logical_not(tf.reduce_any(flags, axis=1)), "next": ids + 1}


words, flags = Words(), Flags()
"""
TOML = 'name = "all"\n[server]\nrest_port = 0\ngrpc_port = 0\n' + "".join(
    f"[models.{name}]\n" for name in ("dense", "mixed", "words", "flags")
)
BATCHES = (1, 3, 300)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, str]]]:
    """The models as TensorFlow has them, and the endpoints that serve them."""
    directory = tmp_path_factory.mktemp("numbers")
    (directory / "made.py").write_text(MODELS)
    (directory / "deployer.toml").write_text(TOML)
    for name in ("dense", "mixed", "words", "flags"):
        ended = in_process("export", f"made.py:{name}", "--name", name, cwd=directory)
        assert ended.code == 0, ended.err
    ended = deployer("up", "--json", cwd=directory)
    assert ended.code == 0, ended.err
    spec = importlib.util.spec_from_file_location("made_for_numbers", directory / "made.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    yield made, ended.json["endpoints"]
    assert deployer("down", cwd=directory).code == 0


def inputs(name: str, batch: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(batch)
    words = np.array([f"wörd {number} {'x' * (number % 7)}" for number in range(batch)], dtype=object)
    return {
        "dense": {"feat": random.normal(size=(batch, 5)).astype(np.float32)},
        "mixed": {
            "left": random.normal(size=(batch, 3)).astype(np.float32),
            "right": random.integers(-9, 9, (batch, 3), dtype=np.int32),
        },
        "words": {"text": words},
        "flags": {"flags": random.random((batch, 2)) > 0.6, "ids": random.integers(0, 2**40, batch)},
    }[name]


def wanted(made: Any, name: str, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What TensorFlow answers."""
    if name in ("dense", "mixed"):
        model = getattr(made, name)
        answer = model(given["feat"]) if name == "dense" else model(given)
        return {"scores": answer.numpy()} if name == "dense" else {key: out.numpy() for key, out in answer.items()}
    tensors = [tf.constant(array.tolist() if array.dtype == object else array) for array in given.values()]
    return {key: out.numpy() for key, out in getattr(made, name)(*tensors).items()}


def curl(url: str, body: dict[str, Any], directory: Path) -> Any:
    request = directory / "request.json"
    request.write_text(json.dumps(body))
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "-d", f"@{request}", url]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)


def same(want: np.ndarray, got: Any) -> None:
    if want.dtype == object:
        assert [value.decode() for value in want.tolist()] == [v.decode() if isinstance(v, bytes) else v for v in got]
    else:
        np.testing.assert_allclose(np.array(got), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", ["dense", "mixed", "words", "flags"])
def test_curl_gets_tensorflows_numbers_in_both_forms(deployed, tmp_path, name, batch):
    made, endpoints = deployed
    given = inputs(name, batch)
    want = wanted(made, name, given)
    url = f"{endpoints['rest']}/v1/models/{name}:predict"
    columns = curl(url, {"inputs": {key: array.tolist() for key, array in given.items()}}, tmp_path)["outputs"]
    rows = [
        {key: array[row].tolist() if array.dtype != object else array[row] for key, array in given.items()}
        for row in range(batch)
    ]
    predictions = curl(url, {"instances": rows}, tmp_path)["predictions"]
    for key, array in want.items():
        same(array, columns if len(want) == 1 else columns[key])
        same(array, predictions if len(want) == 1 else [row[key] for row in predictions])


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", ["dense", "mixed", "words", "flags"])
def test_the_stock_stubs_get_tensorflows_numbers(deployed, name, batch):
    made, endpoints = deployed
    given = inputs(name, batch)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    for key, array in given.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(array.tolist() if array.dtype == object else array))
    with grpc.insecure_channel(endpoints["grpc"]) as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)
    want = wanted(made, name, given)
    assert set(answer.outputs) == set(want)
    for key, array in want.items():
        got = tf.make_ndarray(answer.outputs[key])
        assert got.shape == array.shape
        same(array, got.tolist())
