"""The golden set: what is written is read back, and comparing finds what differs and only that."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from deployer.errors import GoldenError
from deployer.verification import golden
from deployer.verification.golden import GoldenCase, Tolerance

CASE = GoldenCase("serving_default", {"x": np.array([1.0, 2.0], np.float32)}, {"y": np.array([2.5, 3.0], np.float32)})


def write(directory: Path, *records: bytes) -> Path:
    """TFRecord framing with the checksums left empty: the manifest's hash covers the file."""
    path = directory / golden.GOLDEN_FILE
    path.parent.mkdir()
    path.write_bytes(b"".join(struct.pack("<Q", len(record)) + bytes(4) + record + bytes(4) for record in records))
    return path


def test_cases_are_read_back(tmp_path):
    write(tmp_path, golden.to_record(CASE), golden.to_record(CASE))
    first, second = golden.read(tmp_path)
    assert first.signature == second.signature == "serving_default"
    np.testing.assert_array_equal(CASE.inputs["x"], first.inputs["x"])
    np.testing.assert_array_equal(CASE.outputs["y"], first.outputs["y"])


def test_no_file_is_no_cases(tmp_path):
    assert golden.read(tmp_path) == ()


@pytest.mark.parametrize("cut", [1, 5, 13])
def test_a_cut_file_is_refused(tmp_path, cut):
    path = write(tmp_path, golden.to_record(CASE))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(GoldenError):
        golden.read(tmp_path)


def test_a_length_beyond_all_reason_is_refused_without_reading_it(tmp_path):
    path = write(tmp_path)
    path.write_bytes(struct.pack("<Q", 2**60) + bytes(4))
    with pytest.raises(GoldenError):
        golden.read(tmp_path)


def difference(want, got, **tolerance):
    return golden.compare(np.asarray(want), np.asarray(got), Tolerance(**tolerance))


def test_equal_answers_have_no_distance_also_with_nan_and_infinity():
    values = np.array([1.0, np.nan, np.inf, -np.inf, -0.0], np.float32)
    assert difference(values, values.copy()) == golden.Difference(0.0)


def test_small_distances_pass_and_are_measured():
    found = difference(np.array([1.0], np.float32), np.array([1.00005], np.float32))
    assert found.fault is None
    assert 4e-5 < found.worst < 6e-5


@pytest.mark.parametrize(
    ("want", "got", "says"),
    [
        (np.float32([1.0]), np.float32([1.01]), "1 of 1 values differ"),
        (np.float32([np.nan]), np.float32([1.0]), "differ"),
        (np.float32([1.0]), np.float32([np.nan]), "differ"),
        (np.float32([np.inf]), np.float32([-np.inf]), "differ"),
        (np.float32([np.inf]), np.float32([1.0]), "differ"),
        (np.float32([1.0]), np.float64([1.0]), "dtype float64, not float32"),
        (np.float32([[1.0]]), np.float32([1.0]), "shape [1], not [1, 1]"),
        (np.int64([1, 2]), np.int64([1, 3]), "first at [1]: 3, not 2"),
        (np.array([True]), np.array([False]), "differ"),
        (np.array([b"a"], object), np.array([b"b"], object), "differ"),
        (np.float32(1.0), np.float32(2.0), "differ"),
    ],
)
def test_what_differs_is_found_and_named(want, got, says):
    assert says in difference(want, got).fault


def test_the_tolerance_can_be_set():
    want, got = np.float32([1.0]), np.float32([1.5])
    assert difference(want, got, relative=0.6).fault is None
    assert difference(want, got, relative=0.0, absolute=0.4).fault is not None
    assert difference(np.int32([1]), np.int32([2]), absolute=5.0).fault is not None


def test_random_outputs_need_only_shape_and_dtype():
    want, got = np.float32([1.0]), np.float32([9.0])
    assert golden.compare(want, got, Tolerance(), shape_only=True).fault is None
    assert golden.compare(want, np.float32([9.0, 1.0]), Tolerance(), shape_only=True).fault is not None
