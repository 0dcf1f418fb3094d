"""Examples of the user, held against a signature."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployer.errors import GoldenError
from deployer.export.golden import examples
from deployer.results.model import Signature, TensorSpec

PREDICT = "tensorflow/serving/predict"
ONE = Signature("serving_default", PREDICT, (TensorSpec("x", "float32", (None, 2)),), ())
TWO = Signature(
    "serving_default",
    PREDICT,
    (TensorSpec("n", "int64", (None,)), TensorSpec("s", "string", (None, 1))),
    (),
)
OPEN = Signature("serving_default", PREDICT, (TensorSpec("ids", "int32", (None, None)),), ())
FIXED = Signature("serving_default", PREDICT, (TensorSpec("x", "float32", (2,)),), ())


def read(tmp_path: Path, content: Any, *signatures: Signature, suffix: str = ".json") -> examples.ExampleSet:
    path = tmp_path / f"examples{suffix}"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return examples.read(path, signatures)


ROWS = [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    "content",
    [
        {"instances": ROWS},
        {"signature_name": "serving_default", "instances": [{"x": row} for row in ROWS]},
        ROWS,
        {"inputs": ROWS},
        {"inputs": {"x": ROWS}},
        {"x": ROWS},
    ],
)
def test_the_forms_of_json_mean_the_same(tmp_path: Path, content: Any) -> None:
    given = read(tmp_path, content, ONE)
    assert [feed["x"].tolist() for feed in given.feeds] == [ROWS[:1], ROWS]
    assert {feed["x"].dtype for feed in given.feeds} == {np.dtype("float32")}
    assert (given.signature, given.rows_found, given.kept) == ("serving_default", 3, 3)


def test_json_lines(tmp_path: Path) -> None:
    given = read(tmp_path, '{"n": 1, "s": ["a"]}\n\n{"n": 2, "s": [{"b64": "/w=="}]}\n', TWO, suffix=".jsonl")
    assert given.feeds[1]["n"].tolist() == [1, 2]
    assert given.feeds[1]["s"].tolist() == [[b"a"], [b"\xff"]]


def test_a_bare_b64_is_the_one_string(tmp_path: Path) -> None:
    signature = Signature("serving_default", PREDICT, (TensorSpec("image_bytes", "string", (None,)),), ())
    given = read(tmp_path, [{"b64": base64.b64encode(b"\x00png").decode()}], signature)
    assert given.feeds[0]["image_bytes"].tolist() == [b"\x00png"]


def test_rows_of_different_length_stay_apart(tmp_path: Path) -> None:
    given = read(tmp_path, {"instances": [[1], [1, 2, 3]]}, OPEN)
    assert [feed["ids"].shape for feed in given.feeds] == [(1, 1), (1, 3)]


def test_a_signature_without_batch_takes_the_columns_as_they_are(tmp_path: Path) -> None:
    given = read(tmp_path, {"inputs": [1.5, 2]}, FIXED)
    assert [feed["x"].tolist() for feed in given.feeds] == [[1.5, 2]]


FREE = Signature("serving_default", PREDICT, (TensorSpec("x", "float32", None),), ())
RATED = Signature(
    "serving_default", PREDICT, (TensorSpec("x", "float32", (None, 2)), TensorSpec("rate", "float32", None)), ()
)
MODE = Signature("serving_default", PREDICT, (TensorSpec("x", "string", None),), ())


@pytest.mark.parametrize(
    ("content", "signature", "shapes"),
    [
        ({"inputs": {"x": 3.0}}, FREE, [{"x": ()}]),
        ({"inputs": 3.0}, FREE, [{"x": ()}]),
        ({"inputs": {"x": "fast"}}, MODE, [{"x": ()}]),
        ({"inputs": {"x": [3.0, 4.0]}}, FREE, [{"x": (1,)}, {"x": (2,)}]),
        ({"inputs": {"x": ROWS, "rate": 0.5}}, RATED, [{"x": (3, 2), "rate": ()}]),
    ],
)
def test_an_input_of_unknown_rank_may_be_a_scalar(
    tmp_path: Path, content: Any, signature: Signature, shapes: list[dict[str, tuple[int, ...]]]
) -> None:
    given = read(tmp_path, content, signature)
    assert [{name: array.shape for name, array in feed.items()} for feed in given.feeds] == shapes


@pytest.mark.parametrize(("value", "signature"), [(np.float32(3), FREE), (np.array(b"fast"), MODE)])
def test_a_scalar_in_npz(tmp_path: Path, value: Any, signature: Signature) -> None:
    path = tmp_path / "e.npz"
    np.savez(path, x=value)
    (feed,) = examples.read(path, [signature]).feeds
    assert feed["x"].shape == ()


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    np.savez(path, n=np.arange(40), s=np.array([["x"]] * 40))
    given = examples.read(path, [TWO])
    assert (given.rows_found, given.kept) == (40, examples.MAX_EXAMPLES)
    assert given.feeds[1]["s"].shape == (32, 1)
    assert given.feeds[1]["s"][0, 0] == b"x"
    np.savez(path, np.ones((2, 2)))
    assert examples.read(path, [ONE]).feeds[1]["x"].dtype == np.float32


def test_npz_with_pickles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    np.savez(path, x=np.array([{"code": 1}], dtype=object))
    with pytest.raises(GoldenError, match="cannot be read"):
        examples.read(path, [ONE])


def test_what_is_kept_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "MAX_FEED_BYTES", 16)
    given = read(tmp_path, {"instances": ROWS}, ONE)
    assert (given.rows_found, given.kept) == (3, 2)


@pytest.mark.parametrize(
    ("content", "signature", "told"),
    [
        ({"instances": [{"y": [1, 2]}]}, ONE, "takes 'x', got 'y'"),
        ({"instances": [{"n": 1}]}, TWO, "takes 'n', 's', got 'n'"),
        ({"instances": [1]}, TWO, "by name, got int"),
        ({"instances": [[1, 2, 3]]}, ONE, "input 'x' wants float32[?,2], got the shape [1, 3]"),
        ({"instances": [["a", "b"]]}, ONE, "input 'x' wants float32[?,2]"),
        ({"instances": [{"n": 1.5, "s": ["a"]}]}, TWO, "input 'n' wants int64[?]"),
        ({"inputs": {"n": [1, 2], "s": [["a"]]}}, TWO, "different numbers of examples"),
        ({"instances": []}, ONE, "holds no examples"),
        ({"x": []}, ONE, "input 'x' wants"),
        ({"signature_name": "other", "instances": [1]}, ONE, "signature 'other'; the model has serving_default"),
        ("3", ONE, "holds int"),
        ('{"instances": [', ONE, "cannot be read"),
        ("[" * 200_000, ONE, "cannot be read"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, content: Any, signature: Signature, told: str) -> None:
    with pytest.raises(GoldenError) as caught:
        read(tmp_path, content, signature)
    assert told in caught.value.message


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="line 2 is no JSON"):
        read(tmp_path, "[1, 2]\n[1, \n", ONE, suffix=".jsonl")


@pytest.mark.parametrize(("name", "content"), [("e.csv", b"1,2"), ("e.npz", b"not a zip"), ("e.json", b"\xff\xfe")])
def test_files_that_are_something_else(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GoldenError, match=name):
        examples.read(tmp_path / name, [ONE])
