"""Tables and tf.Example messages as examples: what they become, and what is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from deployer.client import tf_examples
from deployer.errors import GoldenError
from deployer.export.golden import examples
from deployer.export.golden.string_inputs import Feature
from deployer.results.model import Signature, TensorSpec

PREDICT = "tensorflow/serving/predict"


def signature(*texts: str) -> Signature:
    return Signature("serving_default", PREDICT, tuple(map(TensorSpec.parse, texts)), ())


TABLE = signature("n:int64[?]", "s:string[?]", "v:float32[?,2]")
STRINGS = signature("inputs:string[?]")
FEATURES = (Feature("age", "float32", (1,)), Feature("city", "string", None), Feature("n", "int64", ()))


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def records(tmp_path: Path, *messages: bytes) -> Path:
    path = tmp_path / "e.tfrecord"
    path.write_bytes(b"".join(struct.pack("<QI", len(data), 0) + data + bytes(4) for data in messages))
    return path


def test_a_csv_names_its_inputs_in_the_header(tmp_path: Path) -> None:
    path = write(tmp_path, "e.csv", 'n,s,v\n1,12,"[0.5, 1]"\n-2,"a, b","[2, 3]"\n')
    given = examples.read(path, [TABLE])
    assert given.feeds[1]["n"].tolist() == [1, -2]
    assert given.feeds[1]["s"].tolist() == [b"12", b"a, b"]
    assert given.feeds[1]["v"].tolist() == [[0.5, 1.0], [2.0, 3.0]]


def test_a_csv_of_features_becomes_examples_and_an_empty_cell_leaves_one_out(tmp_path: Path) -> None:
    path = write(tmp_path, "e.csv", "age,city,n\n3,007,4\n0.5,,5\n")
    given = examples.read(path, [STRINGS], lambda _: FEATURES)
    held = [tf_examples.features(tf_examples.parse(one)) for one in given.feeds[1]["inputs"]]
    assert held == [{"age": [3.0], "city": [b"007"], "n": [4]}, {"age": [0.5], "n": [5]}]


def test_a_long_csv_is_counted_and_cut(tmp_path: Path) -> None:
    path = write(tmp_path, "e.csv", "x\n" + "1\n" * 50)
    given = examples.read(path, [signature("x:float32[?]")])
    assert (given.rows_found, given.kept, given.feeds[1]["x"].shape) == (50, 32, (32,))


def test_json_examples_are_written_as_classify_has_them(tmp_path: Path) -> None:
    path = write(tmp_path, "e.json", json.dumps({"examples": [{"age": 2, "city": ["x", {"b64": "/w=="}]}]}))
    given = examples.read(path, [STRINGS], lambda _: FEATURES)
    held = tf_examples.features(tf_examples.parse(given.feeds[0]["inputs"][0]))
    assert held == {"age": [2.0], "city": [b"x", b"\xff"]}


def test_records_go_as_they_stand_to_a_signature_of_strings(tmp_path: Path) -> None:
    one = tf_examples.build({"age": [1.0]})
    given = examples.read(records(tmp_path, one, b""), [STRINGS])
    assert given.feeds[1]["inputs"].tolist() == [one, b""]


def test_records_fill_a_signature_of_tensors_by_name_and_shape(tmp_path: Path) -> None:
    rows = [tf_examples.build({"n": [k], "s": [b"t"], "v": [0.5, float(k)], "more": [1]}) for k in range(40)]
    given = examples.read(records(tmp_path, *rows), [TABLE])
    assert (given.rows_found, given.kept) == (40, 32)
    assert given.feeds[1]["v"][31].tolist() == [0.5, 31.0]
    assert given.feeds[0]["n"].tolist() == [0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("n,s,v\n1,a\n", "example 1 has not as many cells"),
        ("n,n\n1,2\n", "each once"),
        ('n,s,v\nmany,a,"[1, 2]"\n', "example 1: column 'n' holds 'many', which is no int64"),
        ('n,s,v\n1,a,"[1]"\n', "input 'v' wants float32[?,2]"),
        ("n,s\n1,a\n", "takes 'n', 's', 'v', got 'n', 's'"),
        ("n,s,v\n", "holds no examples"),
        ('n,s,v\n1,"a,2\n', "cannot be read"),
    ],
)
def test_a_csv_that_does_not_fit(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(GoldenError) as caught:
        examples.read(write(tmp_path, "e.csv", text), [TABLE])
    assert told in caught.value.message


def test_records_that_do_not_fit(tmp_path: Path) -> None:
    for record, told in (
        (b"\xff\xff", "is not a serialized tf.Example"),
        (tf_examples.build({"n": [1], "s": [b"x"], "v": [1.0]}), "holds 1 values"),
        (tf_examples.build({"n": [1]}), "got 'n'"),
    ):
        with pytest.raises(GoldenError, match=told):
            examples.read(records(tmp_path, record), [TABLE])
    (tmp_path / "e.tfrecord").write_bytes(b"no records at all")
    with pytest.raises(GoldenError, match="no TFRecord"):
        examples.read(tmp_path / "e.tfrecord", [TABLE])


def test_features_of_the_wrong_kind(tmp_path: Path) -> None:
    for row, told in (({"n": 1.5}, "'n' wants int64"), ({"age": "x"}, "'age' wants float32"), ([1], "this is none")):
        path = write(tmp_path, "e.json", json.dumps({"examples": [row]}))
        with pytest.raises(GoldenError, match=told):
            examples.read(path, [STRINGS], lambda _: FEATURES)
