"""`predict` without a request: of several signatures, `serving_default` is asked first."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from support.memory.linear import SIGNATURE
from support.memory.project import ANSWERS, NAME, Project

import deployer
from deployer.client import tf_examples
from deployer.savedmodel.layout import GOLDEN_FILE
from deployer.verification import golden
from deployer.verification.golden import GoldenCase


def case(signature: str, value: float, method: str = tf_examples.PREDICT) -> GoldenCase:
    x = np.float32([value])
    return GoldenCase(signature, {"x": x}, {"y": x}, method)


EXAMPLES = GoldenCase(
    SIGNATURE, {tf_examples.INPUT: np.array([b""], object)}, {"outputs": np.float32([1])}, tf_examples.REGRESS
)


@pytest.mark.parametrize(
    ("cases", "asked"),
    [
        ((case("encode", 9.0), case(SIGNATURE, 2.0), case(SIGNATURE, 3.0)), SIGNATURE),
        ((case("encode", 2.0), case("decode", 3.0)), "encode"),
        ((EXAMPLES, case("encode", 2.0)), "encode"),
    ],
    ids=["serving_default is not the first", "no serving_default", "serving_default takes no predict requests"],
)
def test_the_first_predict_question_of_serving_default_is_asked(serving: Project, cases, asked):
    records = map(golden.to_record, cases)
    path = serving.store.get(NAME, 1).path / GOLDEN_FILE
    path.write_bytes(b"".join(struct.pack("<QI", len(data), 0) + data + bytes(4) for data in records))
    said: list[str] = []
    answer = deployer.predict(NAME, settings=serving.settings(), progress=lambda event: said.append(str(event)))
    assert answer == {"outputs": [ANSWERS[1]]}
    assert f"signature {asked}:" in " ".join(said)
