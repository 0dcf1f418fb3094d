"""Which signatures can be batched."""

from __future__ import annotations

import pytest

from deployer.batchable import problem
from deployer.model import Signature, TensorSpec

GOOD = Signature("good", "m", (TensorSpec.parse("x:float32[?,2]"),), (TensorSpec("y", "float32", None),))


def signature(inputs: list[str], outputs: list[str]) -> Signature:
    return Signature("s", "m", tuple(map(TensorSpec.parse, inputs)), tuple(map(TensorSpec.parse, outputs)))


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        (["x:float32[?,2]"], ["y:float32[?]"], None),
        (["x:float32[?]", "n:int32[]"], ["y:float32[?]"], "input 'n' of signature s, int32[], has no batch dimension"),
        (["x:float32[1,2]"], ["y:float32[?]"], "input 'x' of signature s, float32[1,2], has the fixed batch dimension"),
        (["x:float32[?]"], ["y:float32[]"], "output 'y' of signature s, float32[], has no batch dimension"),
        (["x:float32[?]"], ["y:float32[3]"], "has the fixed batch dimension 3"),
        ([], ["y:float32[?]"], "has no inputs"),
    ],
)
def test_every_input_and_output_needs_an_open_first_dimension(inputs, outputs, says):
    found = problem([GOOD, signature(inputs, outputs)])
    assert found is None if says is None else says in (found or "")
