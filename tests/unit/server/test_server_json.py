"""JSON in and out: what is taken, what is refused and with which words, how numbers are printed."""

from __future__ import annotations

import contextlib
import gc
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.server.dtypes import DTYPES, DType
from deployer.server.rest import json_in, json_out
from deployer.server.rest.json_read import _parse_leniently, parse
from deployer.server.rest.json_text import debug, encode, quote
from deployer.server.status import ServingError

BY_NAME = {dtype.name: dtype for dtype in DTYPES.values()}
FLOAT = BY_NAME["float"]


def refused(body: bytes) -> str:
    with pytest.raises(ServingError) as caught:
        parse(body)
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "The document is empty"),
        (b"   ", "The document is empty."),
        (b" ]", "The document is empty."),
        (b"instances = [1, 2]", "Invalid value."),
        (b"{'instances': [1]}", "Missing a name for object member."),
        (b'{"instances": [1 2]}', "Missing a comma or ']' after an array element."),
        (b'{"instances": [1,2]', "Missing a comma or '}' after an object member."),
        (b'{"instances": [1e400]}', "Number too big to be stored in double."),
        (b'{"instances": [nan]}', "Invalid value."),
        (b'{"a" 1}', "Missing a colon after a name of object member."),
        (b'{"a": 1.}', "Miss fraction part in number."),
        (b'{"a": 1e}', "Miss exponent in number."),
        (b'["a', "Missing a closing quotation mark in string."),
        (b'["a\0"]', "Missing a closing quotation mark in string."),
        (b"[Na]", "Invalid value."),
        (b"[-Infi]", "Invalid value."),
        (b"[-]", "Invalid value."),
        (b"\xef\xbb[1 2]", "Missing a comma or ']' after an array element."),
        (b'["\\x"]', "Invalid escape character in string."),
        (b'["\\u12"]', "Incorrect hex digit after \\u escape in string."),
        (b'["\\ud800x"]', "The surrogate pair in string is invalid."),
        (b'["\n"]', "Invalid escape character in string."),
        (b"[1,]", "Invalid value."),
        (b"[01]", "Missing a comma or ']' after an array element."),
        (b"tru", "Invalid value."),
        (b'{"a": [{"b": "]"} 1]}', "Missing a comma or ']' after an array element."),
        (b'{"a": ["\\"]"] 1}', "Missing a comma or '}' after an object member."),
        (b"[1.5.5]", "Missing a comma or ']' after an array element."),
        (b'["\\udc00"]', "The surrogate pair in string is invalid."),
        (b'["\\\\\\ud800"]', "The surrogate pair in string is invalid."),
        (b"[%b]" % (b"1" * 400), "Number too big to be stored in double."),
        (b"[-1e309]", "Number too big to be stored in double."),
    ],
)
def test_what_is_no_json_is_refused_with_rapidjsons_words(body: bytes, text: str) -> None:
    assert refused(body).partition(" at offset: ")[0] == f"JSON Parse error: {text}"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1]} junk', {"a": [1]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b"[Infinity, -Infinity, Inf, -Inf]", [math.inf, -math.inf, math.inf, -math.inf]),
        (b'["\xff\xfe"]', ["\udcff\udcfe"]),
        (b'["\\ud83d\\ude00", "\\u0000"] ,', ["😀", "\0"]),
        (b"[18446744073709551615, -9223372036854775808, NaN]", [2**64 - 1, -(2**63), math.nan]),
        (b"[18446744073709551616] x", [1.8446744073709552e19]),
        (b'{"instances": 1, "instances": 2}', {"instances": 1}),
        (b'{"a": {"b": [1], "c": ":", "\\u0062": 2}}', {"a": {"b": [1], "c": ":"}}),
        (b"[9e308]", [math.inf]),
        (b"[NInf, NaInfinity]", [math.inf, math.inf]),
        (b'[-NaN, "Inf -NaN"]', [math.nan, "Inf -NaN"]),
        (b'["\\\\ud800"] x \\ud800', ["\\ud800"]),
        (b"{} x", {}),
        (b"[] x", []),
    ],
)
def test_what_rapidjson_takes_is_taken(body: bytes, value: Any) -> None:
    assert str(parse(body)) == str(value)


def test_a_name_that_stands_twice_counts_twice() -> None:
    """json_tensor.cc looks up the first of two names, walks over both, and quotes both."""
    document = parse(b'{"instances": [{"x": 1, "x": 2}, {"x": 3}]}')
    assert json_in.predict_inputs(document, {"x": FLOAT})[0]["x"].tolist() == [1.0, 2.0]
    twice = parse(b'{"b64": "YQ==", "b64": "YQ=="}')
    assert debug(twice) == 'JSON Value: {\n    "b64": "YQ==",\n    "b64": "YQ=="\n}'
    assert not json_in.is_base64(twice)
    assert parse(b'{"x": ":"}') == {"x": ":"}


def test_a_million_digits_are_read_at_once() -> None:
    million = b"0" * 1_000_000
    values = parse(b"[0.%b1, 1.%b1, 1e%b1, 1e-1%b, 0.%be1, NaN]" % (million, million, million, million, million))
    assert values[:5] == [0.0, 1.0, 10.0, 0.0, 0.0]
    for text in (b"1%b" % million, b"1%b.5" % million, b"1e1%b" % million):
        assert refused(b"[%b, NaN]" % text) == "JSON Parse error: Number too big to be stored in double."


def test_depth_is_refused_before_it_costs_much() -> None:
    assert parse(b"[" * 500 + b"]" * 500)
    for body in (b"[" * 200_000, b"[" * 200_000 + b"]" * 200_000, b'{"a":' * 200_000):
        assert refused(body) == "JSON Parse error: Nested too deeply."
    deep: Any = 1.0
    for _ in range(5000):
        deep = [deep]
    assert debug(deep).startswith("JSON Value: [[[[")
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        json_in.predict_inputs({"inputs": deep}, {"x": FLOAT})


NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-(2**20), 2**20).map(lambda number: number / 1024)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("text", ["-0.0", "-0e0", "-1e-400"])
def test_the_lenient_reader_keeps_the_sign_of_zero(text: str) -> None:
    values = parse(f"[{text}, {text[1:]}, NaN]".encode())
    assert [math.copysign(1.0, value) for value in values[:2]] == [-1.0, 1.0]
    assert values[:2] == [0.0, 0.0]


@given(NESTED)
def test_the_lenient_reader_reads_what_orjson_reads(value: Any) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    assert _parse_leniently(body) == parse(body) == json.loads(body)


@given(st.binary(max_size=60))
def test_bytes_at_random_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ServingError):
        assert isinstance(parse(body), (dict, list, str, int, float, type(None)))


def inputs(document: dict[str, Any], **dtypes: str) -> dict[str, Any]:
    wanted = {name: BY_NAME[dtype] for name, dtype in dtypes.items()}
    return json_in.predict_inputs(document, wanted)[0]


@pytest.mark.parametrize(
    ("document", "dtypes", "text"),
    [
        ({}, {"x": "float"}, "Missing 'inputs' or 'instances' key"),
        ({"instances": []}, {"x": "float"}, "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
        (
            {"instances": [1, [1]]},
            {"x": "float"},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting shape [] but got: [1]",
        ),
        (
            {"inputs": [[1, 2], [3]]},
            {"x": "float"},
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        ({"inputs": [1, [2]]}, {"x": "float"}, "Encountered list at unexpected level: 1 expected < 1"),
        (
            {"inputs": [[1], 2]},
            {"x": "float"},
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (
            {"instances": [{"z": 1.0}]},
            {"x": "float"},
            "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: z",
        ),
        ({"instances": [{"x": 1.0}, 2.0]}, {"x": "float"}, "Expecting object but got list at item 1 of input list"),
        (
            {"instances": [1.0, {"x": 2.0}]},
            {"x": "float"},
            "Expecting value/list but got object at item 1 of input list",
        ),
        ({"inputs": {"z": [1.0]}}, {"x": "float"}, "Missing named input: x in 'inputs' object."),
        (
            {"instances": [{"a": 1.0}]},
            {"a": "float", "b": "float"},
            "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1.0\n} keys must be equal "
            "to: a,b",
        ),
        (
            {"instances": [{"b64": 5}]},
            {"s": "string"},
            "Failed to process element: 0 key: b64 of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: b64",
        ),
        (
            {"inputs": [[{"a": 1}]]},
            {"s": "string"},
            'JSON Value: {\n    "a": 1\n} not formatted correctly for base64 data',
        ),
        ({"inputs": [{"b64": "@@"}]}, {"s": "string"}, "Unable to base64 decode"),
        ({"inputs": [True]}, {"x": "float"}, "JSON Value: true Type: True is not of expected type: float"),
        ({"inputs": [1]}, {"x": "bool"}, "JSON Value: 1 Type: Number is not of expected type: bool"),
        ({"inputs": [1.0]}, {"x": "int32"}, "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        (
            {"inputs": [3000000000]},
            {"x": "int32"},
            "JSON Value: 3000000000 Type: Number is not of expected type: int32",
        ),
        ({"inputs": [1]}, {"x": "half"}, "Conversion of JSON Value: 1 to type: half"),
    ],
)
def test_refusals_have_the_texts_of_the_original(document: dict[str, Any], dtypes: dict[str, str], text: str) -> None:
    with pytest.raises(ServingError) as caught:
        inputs(document, **dtypes)
    assert caught.value.message == text


def test_rows_and_columns_become_the_same_arrays() -> None:
    rows = inputs({"instances": [{"a": [1, 2], "b": "x"}, {"a": [3, 4], "b": {"b64": "eA=="}}]}, a="int64", b="string")
    columns = inputs({"inputs": {"a": [[1, 2], [3, 4]], "b": ["x", "x"], "c": 1}}, a="int64", b="string")
    assert rows["a"].tolist() == columns["a"].tolist() == [[1, 2], [3, 4]]
    assert rows["b"].tolist() == columns["b"].tolist() == [b"x", b"x"]


def test_numbers_out_of_range_overflow_wrap_and_vanish_as_they_do_there() -> None:
    assert inputs({"inputs": [1e300, -1e300, 1e-40, -0.0]}, x="float")["x"].tolist() == [math.inf, -math.inf, 0.0, 0.0]
    small = inputs({"inputs": [5e-324, -1e-310, 2.3e-308, math.inf, math.nan]}, x="double")["x"]
    assert str(small.tolist()) == "[0.0, -0.0, 2.3e-308, inf, nan]"
    assert inputs({"inputs": [300, -1]}, x="uint8")["x"].tolist() == [44, 255]
    assert inputs({"inputs": [70000]}, x="int16")["x"].tolist() == [4464]
    assert inputs({"inputs": 2**64 - 1}, x="uint64")["x"] == 2**64 - 1


LEAVES = st.none() | st.booleans() | st.integers(-(2**33), 2**33) | st.floats(width=32) | st.text(max_size=3)
LISTS = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=12)


@given(st.lists(LISTS, min_size=1, max_size=3), st.sampled_from(sorted(BY_NAME)))
def test_the_quick_way_gives_what_the_exact_way_gives(rows: list[Any], name: str) -> None:
    dtype: DType = BY_NAME[name]
    quick = json_in._fast(rows, dtype)
    if quick is not None:
        np.testing.assert_array_equal(quick, json_in._exact_plain(rows, "x", dtype))
        np.testing.assert_array_equal(quick, json_in._exact_column(rows, "x", dtype))


def test_layout_of_one_output_in_rows() -> None:
    array = np.array([[1, 2], [3, 4.5]], np.float32)
    assert json_out.rows({"y": array}) == b'{\n    "predictions": [[1.0, 2.0], [3.0, 4.5]\n    ]\n}'
    assert json_out.rows({"y": array[:, 0]}) == b'{\n    "predictions": [1.0, 3.0\n    ]\n}'
    assert json_out.rows({"y": array[:0]}) == b'{\n    "predictions": []\n}'


def test_layout_of_several_outputs_in_rows() -> None:
    outputs = {"p": np.array([[0.5, 1]], np.float32), "raw_bytes": np.array([b"hello"], object)}
    assert json_out.rows(outputs) == (
        b'{\n    "predictions": [\n        {\n            "p": [0.5, 1.0],\n            "raw_bytes": {\n'
        b'                "b64": "aGVsbG8="\n            }\n        }\n    ]\n}'
    )


def test_an_empty_output_of_any_dtype_has_a_text() -> None:
    empty = np.zeros((2, 0), np.float16)
    assert json_out.rows({"y": empty}) == b'{\n    "predictions": [[], []\n    ]\n}'
    assert json_out.columns({"y": empty[0]}) == b'{\n    "outputs": []\n}'


def test_layout_in_columns() -> None:
    assert json_out.columns({"y": np.array([1, 2])}) == b'{\n    "outputs": [\n        1,\n        2\n    ]\n}'
    assert json_out.columns({"y": np.array(4.0)}) == b'{\n    "outputs": 4.0\n}'
    two = json_out.columns({"a": np.zeros((1, 0)), "b": np.array([True])})
    assert two == (
        b'{\n    "outputs": {\n        "a": [\n            []\n        ],\n'
        b'        "b": [\n            true\n        ]\n    }\n}'
    )


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({"y": np.array(1.0)}, "Tensor name: y has no shape information "),
        ({"a": np.zeros(2), "c": np.zeros(1)}, "Tensor name: c has inconsistent batch size: 1 expecting: 2"),
        ({"y": np.zeros(1, np.complex64)}, "Failed to write JSON value for tensor type: complex64"),
        ({}, "Cannot convert empty tensor map to JSON"),
    ],
)
def test_what_cannot_be_written_is_refused(outputs: dict[str, Any], text: str) -> None:
    with pytest.raises(ServingError) as caught:
        json_out.rows(outputs)
    assert caught.value.message == text


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_strings_are_quoted_so_that_json_reads_them_back(text: str) -> None:
    assert json.loads(encode(quote(text))) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"k" * 249: 1}, '{\n    "' + "k" * 249 + '"'),
        ({"k" * 247: 1}, '{\n    "' + "k" * 247 + '": 1'),
        (["x" * 252, 2, 3], '["' + "x" * 252 + '", 2'),
        (["x" * 253, 2], '["' + "x" * 253 + '"'),
        (["é" * 127, 2], '["' + "é" * 127 + '"'),
        ([[], {}, {"a": []}], '[[], {}, {\n        "a": []\n    }]'),
    ],
)
def test_debug_text_begins_nothing_after_256_bytes(value: Any, text: str) -> None:
    """rapidjson asks for the room at each name, value, begin and end (JsonWriterWithLimit)."""
    assert debug(value) == f"JSON Value: {text}"


def test_debug_text_stops_soon_after_its_limit_and_at_nan() -> None:
    assert len(debug(list(range(10_000)))) < 300
    assert debug([1, math.nan, 2]) == "JSON Value: [1, "


@pytest.mark.parametrize("value", [b"1", b'""', b"1.5"])
def test_a_document_of_too_many_values_is_refused_before_it_is_read(value: bytes) -> None:
    several = b"[" + b",".join([value] * 1000) + b"]"
    assert len(parse(several, 1000)) == 1000
    with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: JSON Parse error: More than 999 values\.$"):
        parse(several + b"no JSON", 999)


@pytest.mark.parametrize("value", [b"[]", b"{}"])
def test_lists_and_objects_count_twice_wherever_they_stand_in_a_large_body(value: bytes) -> None:
    many = b"[" + b",".join([value] * 400_000) + b"]"
    assert len(many) > 1 << 20
    assert len(parse(many, 800_000)) == 400_000
    with pytest.raises(ServingError, match="More than 799999 values"):
        parse(many, 799_999)
    assert gc.isenabled()
