"""Images as examples: what TensorFlow decodes them to, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from deployer.errors import GoldenError
from deployer.export.golden import examples
from deployer.results.model import Signature, TensorSpec

PREDICT = "tensorflow/serving/predict"


def signature(*texts: str) -> Signature:
    return Signature("serving_default", PREDICT, tuple(map(TensorSpec.parse, texts)), ())


TABLE = signature("n:int64[?]", "s:string[?]", "v:float32[?,2]")
STRINGS = signature("inputs:string[?]")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("images")
    white = np.full((6, 4, 3), 255, np.uint8)
    (directory / "b.jpg").write_bytes(tf.io.encode_jpeg(white).numpy())
    (directory / "a.png").write_bytes(tf.io.encode_png(np.zeros((8, 8, 3), np.uint8)).numpy())
    (directory / "notes.txt").write_text("not an image")
    return directory


@pytest.mark.parametrize("text", ["x:float32[?,4,5,3]", "x:uint8[?,4,5,1]", "x:float32[?,4,5]"])
def test_images_are_decoded_to_the_shape_of_the_input(images: Path, text: str) -> None:
    spec = TensorSpec.parse(text)
    feed = examples.read(images, [signature(text)]).feeds[1]["x"]
    assert feed.shape[1:] == spec.shape[1:]
    assert feed.dtype.name == spec.dtype
    assert (feed[0].max(), feed[1].min()) == (0, 255)


def test_images_of_their_own_sizes_stay_apart(images: Path) -> None:
    feeds = examples.read(images, [signature("x:uint8[?,?,?,3]")]).feeds
    assert [feed["x"].shape for feed in feeds] == [(1, 8, 8, 3), (1, 6, 4, 3)]


def test_images_go_as_bytes_where_strings_are_taken(images: Path) -> None:
    feed = examples.read(images, [STRINGS]).feeds[1]
    assert feed["inputs"].tolist() == [(images / "a.png").read_bytes(), (images / "b.jpg").read_bytes()]


def test_images_that_do_not_fit(images: Path, tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="holds no images"):
        examples.read(tmp_path, [TABLE])
    with pytest.raises(GoldenError, match="has 3 inputs"):
        examples.read(images, [TABLE])
    with pytest.raises(GoldenError, match=r"wants float32\[\?,2\]"):
        examples.read(images, [signature("x:float32[?,2]")])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(GoldenError, match="no image that TensorFlow decodes"):
        examples.read(tmp_path, [signature("x:float32[?,4,4,3]")])
