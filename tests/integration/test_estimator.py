"""Estimators: exported by TensorFlow 2.15 in an environment of its own, served by today's engines.

That environment has TensorFlow Text too, which is not made for every TensorFlow.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from support import tested
from support.asking import Answer, over_grpc, over_rest, same
from support.cli import ONE_AFTER_ANOTHER, deployer, in_process
from support.every_engine import ENGINES, Served, served, write_spec
from tensorflow_serving.apis import (
    classification_pb2,
    input_pb2,
    model_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from deployer.verification import golden

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-estimator" / "bin" / "python"
SECONDS = 600
SIZES = [[0.5, -1.0], [2.0, 0.25], [-3.0, 1.5]]
MODELS = """
import json, sys
import numpy as np
import tensorflow as tf

X = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
LABELS = {"classifier": (X[:, 0] > 0).astype(np.int32), "regressor": X[:, :1] * 2 + 1}
COLUMNS = [tf.feature_column.numeric_column("size", shape=(2,))]
RECEIVER = tf.estimator.export.build_parsing_serving_input_receiver_fn(
    tf.feature_column.make_parse_example_spec(COLUMNS)
)

def trained(name, kind):
    estimator = kind(COLUMNS, model_dir="trained/" + name)
    if estimator.latest_checkpoint() is None:
        estimator.train(lambda: tf.data.Dataset.from_tensor_slices(({"size": X}, LABELS[name])).batch(16))
    return estimator

def classifier():
    return trained("classifier", tf.estimator.LinearClassifier), RECEIVER

def regressor():
    return trained("regressor", tf.estimator.LinearRegressor), RECEIVER

def untrained():
    return tf.estimator.LinearRegressor(COLUMNS), RECEIVER

def says(estimator, sizes):
    asked = lambda: tf.data.Dataset.from_tensor_slices({"size": np.float32(sizes)}).batch(8)
    return [{name: value.tolist() for name, value in row.items() if value.dtype != object}
            for row in estimator.predict(asked)]

if __name__ == "__main__":
    sizes = json.loads(sys.argv[1])
    answers = {name: says(globals()[name]()[0], sizes) for name in LABELS}
    json.dump(answers, open("answers.json", "w"))
    classifier()[0].export_saved_model("exported", RECEIVER)

    import tensorflow_text
    words = tf.Module()
    words.tokenizer = tensorflow_text.WhitespaceTokenizer()
    split = tf.function(lambda text: {"words": words.tokenizer.tokenize(text).to_tensor("")})
    spec = tf.TensorSpec([None], tf.string, name="text")
    tf.saved_model.save(words, "words", signatures=split.get_concrete_function(spec))
"""


def old(directory: Path, *arguments: str, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run the Python of the old environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DEPLOYER_")}
    return subprocess.run(
        [str(PYTHON), *arguments],
        cwd=directory, env=clean, input=told, check=False, timeout=SECONDS, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project with all of them, with what the estimators say in answers.json; and how the last export ended."""
    subprocess.run([ROOT / "requirements" / "estimator.sh"], check=True, timeout=SECONDS)
    directory = tmp_path_factory.mktemp("estimator")
    (directory / "models.py").write_text(MODELS)
    ended = old(directory, "models.py", json.dumps(SIZES))
    assert ended.returncode == 0, ended.stderr
    sources = ("models.py:classifier", "models.py:regressor", "words", "models.py:untrained")
    commands = [["export", source, "-q"] for source in sources]
    ended = old(directory, "-c", ONE_AFTER_ANOTHER, told=json.dumps(commands))
    assert f"{commands[-1]} ended with 4" in ended.stderr, ended.stderr
    (exported,) = (directory / "exported").iterdir()
    assert in_process("export", str(exported), "--name", "exported", "-q", cwd=directory).code == 0
    write_spec(directory, ("classifier", "regressor", "exported"))
    return directory, ended.stderr


@pytest.fixture(scope="module")
def answers(exported: tuple[Path, str]) -> Any:
    """What the estimators say."""
    return json.loads((exported[0] / "answers.json").read_text())


@pytest.fixture(scope="module", params=ENGINES)
def deployed(request: Any, exported: tuple[Path, str]) -> Iterator[Served]:
    """One server of them all."""
    with served(exported[0], request.param) as one:
        yield one


def examples() -> list[tf.train.Example]:
    return [
        tf.train.Example(
            features=tf.train.Features(feature={"size": tf.train.Feature(float_list=tf.train.FloatList(value=size))})
        )
        for size in SIZES
    ]


def column(rows: Any, name: str) -> np.ndarray:
    return np.array([row[name] for row in rows])


def post(endpoints: dict[str, str], model: str, method: str, **more: str) -> Any:
    body = {"examples": [{"size": size} for size in SIZES], **more}
    answer = requests.post(f"{endpoints['rest']}/v1/models/{model}:{method}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


@pytest.mark.parametrize("model", ["classifier", "exported"])
def test_a_classifier_is_served_by_all_its_signatures(deployed: Served, answers: Any, model: str) -> None:
    endpoints = deployed.endpoints
    rows = answers["classifier"]
    declared = in_process("inspect", model, "--json", cwd=deployed.directory).json["model"]["info"]["signatures"]
    assert [found["name"] for found in declared] == ["classification", "predict", "regression", "serving_default"]
    packed = np.array([message.SerializeToString() for message in examples()], object)
    outputs = {
        "probabilities": column(rows, "probabilities"), "logits": column(rows, "logits"),
        "logistic": column(rows, "logistic"), "class_ids": column(rows, "class_ids"),
        "classes": np.array([[str(row["class_ids"][0])] for row in rows]),
        "all_class_ids": np.array([[0, 1]] * 3), "all_classes": np.array([["0", "1"]] * 3),
    }  # fmt: skip
    answer = Answer({"examples": packed}, outputs, "predict")
    same(outputs, over_rest(endpoints["rest"], model, answer))
    same(outputs, over_grpc(endpoints["grpc"], model, answer))
    for signature in ("serving_default", "classification"):
        results = post(endpoints, model, "classify", signature_name=signature)
        assert [[label for label, _ in row] for row in results] == [["0", "1"]] * 3
        scores = [[score for _, score in row] for row in results]
        np.testing.assert_allclose(scores, outputs["probabilities"], rtol=1e-5)
    regressed = post(endpoints, model, "regress", signature_name="regression")
    np.testing.assert_allclose(regressed, outputs["logistic"][:, 0], rtol=1e-5)
    tested.note(NOTES[model], deployed.engine, tensorflow="2.15.1" if model == "classifier" else None)


NOTES = {
    "classifier": "Estimator, `file.py:function` (predict, classify, regress)",
    "exported": "Estimator's exported directory (predict, classify, regress)",
}


def test_the_stock_stubs_classify_and_regress(deployed: Served, answers: Any) -> None:
    given = input_pb2.Input(example_list=input_pb2.ExampleList(examples=examples()))
    with grpc.insecure_channel(deployed.endpoints["grpc"]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = classification_pb2.ClassificationRequest(
            model_spec=model_pb2.ModelSpec(name="classifier"), input=given
        )
        classes = stub.Classify(request, timeout=60).result.classifications
        request = regression_pb2.RegressionRequest(model_spec=model_pb2.ModelSpec(name="regressor"), input=given)
        values = [found.value for found in stub.Regress(request, timeout=60).result.regressions]
    scores = [[found.score for found in row.classes] for row in classes]
    np.testing.assert_allclose(scores, column(answers["classifier"], "probabilities"), rtol=1e-5)
    np.testing.assert_allclose(values, column(answers["regressor"], "predictions")[:, 0], rtol=1e-5)


def test_an_estimator_without_training_is_reported(exported: tuple[Path, str]) -> None:
    directory, told = exported
    assert "the estimator could not be exported" in told
    assert "train it" in told
    assert not (directory / "models" / "untrained").exists()


def test_where_tensorflow_has_no_estimator_the_way_out_is_reported(exported: tuple[Path, str]) -> None:
    ended = deployer("export", "models.py:classifier", "-q", cwd=exported[0])
    assert ended.code == 4
    assert "tensorflow==2.15.1" in ended.err


def test_a_model_with_ops_of_tensorflow_text_is_asked_and_only_the_server_that_has_them_gets_it(
    exported: tuple[Path, str],
) -> None:
    directory, _ = exported
    cases = golden.read(directory / "models" / "words" / "1")
    assert len(cases) >= 3
    for case in cases:
        for text, words in zip(case.inputs["text"], case.outputs["words"], strict=True):
            assert [word for word in words if word] == text.split()
    ended = deployer("up", "words", "-q", cwd=directory)
    assert ended.code == 4, ended.err
    assert "serve it with tensorflow/serving, which does: --engine docker" in ended.err
