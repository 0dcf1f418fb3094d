"""Names, versions and tensor specifications: what is let in, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import InvalidValue
from deployer.results.model import TensorSpec, check_name, check_version


@pytest.mark.parametrize("name", ["digits", "a", "A-1_b.c", "9lives", "x" * 100])
def test_names_that_need_no_quoting_are_allowed(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["../x", "a/b", 'a"b', "a b", "", "x" * 300, ".hidden", "-flag", "a\n", "é", "a:b", "..", "a\x00b"]
)
def test_names_that_could_escape_are_refused(name):
    with pytest.raises(InvalidValue) as refused:
        check_name(name)
    assert len(refused.value.message) < 250


@given(st.text(max_size=30))
def test_an_allowed_name_is_always_one_plain_path_part(name):
    try:
        check_name(name)
    except InvalidValue:
        return
    assert "/" not in name
    assert name not in (".", "..")
    assert name.isascii()


@pytest.mark.parametrize("version", ["1", 7, "0042", str(2**63 - 1)])
def test_versions_are_whole_numbers_from_one(version):
    assert check_version(version) == int(version)


@pytest.mark.parametrize("version", ["0", "-1", "abc", "", "1.0", "1_0", str(2**63), "\uff19", " 1"])
def test_other_versions_are_refused(version):
    with pytest.raises(InvalidValue):
        check_version(version)


def test_a_tensor_specification_reads_names_dtypes_and_open_dimensions():
    spec = TensorSpec.parse("image:float32[?, 28,None,-1]")
    assert spec == TensorSpec("image", "float32", (None, 28, None, None))
    assert str(spec) == "float32[?,28,?,?]"
    assert TensorSpec.parse("x:string[]").shape == ()


@pytest.mark.parametrize(
    "text", ["x", "x:float32", "x:[1]", ":float32[1]", "x:float33[1]", "x:float32[a]", "x:int32[1"]
)
def test_malformed_specifications_are_refused_with_an_example(text):
    with pytest.raises(InvalidValue):
        TensorSpec.parse(text)
