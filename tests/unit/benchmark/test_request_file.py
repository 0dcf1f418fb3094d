"""Requests from a file: over REST as they are, over gRPC as the tensors that the signature declares."""

from __future__ import annotations

import numpy as np
import pytest

from deployer.benchmark import request_file
from deployer.errors import UsageError
from deployer.results.model import Signature, TensorSpec

X = TensorSpec("x", "float32", (None, 2))
S = TensorSpec("s", "string", (None,))
ONE = Signature("serving_default", "predict", (X,), ())
TWO = Signature("serving_default", "predict", (X, S), ())
ROWS = np.float32([[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "text",
    [
        '{"instances": [[1, 2], [3, 4]]}',
        '{"instances": [{"x": [1, 2]}, {"x": [3, 4]}]}',
        '{"inputs": [[1, 2], [3, 4]]}',
        '{"inputs": {"x": [[1, 2], [3, 4]]}}',
        '{\n  "signature_name": "serving_default",\n  "inputs": {"x": [[1, 2], [3, 4]]}\n}\n',
    ],
)
def test_all_forms_of_a_request_give_the_same_array(text):
    (request,) = request_file.parse(text)
    assert request.body == text.strip().encode()
    arrays = request.arrays(request_file.signature_of(request, (ONE,)))
    assert list(arrays) == ["x"]
    assert arrays["x"].dtype == np.float32
    np.testing.assert_array_equal(arrays["x"], ROWS)


@pytest.mark.parametrize(
    "text",
    [
        '{"instances": [{"x": [1, 2], "s": "a"}, {"x": [3, 4], "s": {"b64": "Yg=="}}]}',
        '{"inputs": {"x": [[1, 2], [3, 4]], "s": ["a", "b"]}}',
    ],
)
def test_several_inputs(text):
    arrays = request_file.parse(text)[0].arrays(TWO)
    np.testing.assert_array_equal(arrays["x"], ROWS)
    assert arrays["s"].tolist() == [b"a", b"b"]


def test_a_request_on_each_line():
    requests = request_file.parse('{"instances": [[1, 2]]}\n\n{"instances": [[3, 4]], "signature_name": "other"}\n')
    assert [request.signature for request in requests] == ["serving_default", "other"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "[1]",
        "3",
        '{"examples": []}',
        '{"inputs": 1, "instances": 1}',
        "{",
        '{"instances": 1}\n[2]',
        '{"instances": 1}\nnothing',
        "[" * 100_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_request_is_refused(text):
    with pytest.raises(UsageError):
        request_file.parse(text)


@pytest.mark.parametrize(
    "text",
    ['{"instances": 3}', '{"instances": [["a", "b"]]}', '{"inputs": {"x": [[1, 2], [3]]}}', '{"inputs": {"y": 1}}'],
)
def test_values_that_do_not_fit_the_signature_are_refused(text):
    with pytest.raises(UsageError, match="does not fit signature"):
        request_file.parse(text)[0].arrays(ONE)


def test_an_unknown_signature_is_refused():
    (request,) = request_file.parse('{"instances": [1], "signature_name": "other"}')
    with pytest.raises(UsageError, match="there are: serving_default"):
        request_file.signature_of(request, (ONE,))


def test_a_file_that_is_huge_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(request_file, "MAX_BYTES", 1000)
    (tmp_path / "requests").write_text('{"instances": [1]}\n' * 1000)
    with pytest.raises(UsageError, match="longer than"):
        request_file.read(tmp_path / "requests")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "requests").write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read"):
        request_file.read(tmp_path / "requests")
