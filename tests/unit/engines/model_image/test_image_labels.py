"""The labels of an image: what a build writes is read back, and anything else is refused before it is used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.engines.docker.model_image.labels import Contents, read
from deployer.engines.docker.names import CONTENTS
from deployer.errors import EngineError
from deployer.results.served import ServedModel

DIGEST = "0" * 64
WHOLE = Contents(
    "shop", (ServedModel("half", (1, 3), (("stable", 1),), (DIGEST, "f" * 64)), ServedModel("b", (2,), (), (DIGEST,))),
    (("grpc_max_threads", "256"),),
)  # fmt: skip


def test_what_is_written_is_read_back() -> None:
    assert read("image", {**WHOLE.labels(), "maintainer": "somebody"}) == WHOLE


def test_no_label_is_one_by_which_containers_are_found() -> None:
    assert all(name.startswith(CONTENTS) for name in WHOLE.labels())


def models(*changed: Any) -> str:
    entry: list[Any] = ["half", [1], [], [DIGEST]]
    entry[: len(changed)] = changed
    return json.dumps([entry])


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("format", "2"), ("format", None), ("name", None), ("name", "../up"), ("name", ""), ("flags", None),
        ("flags", "[]"), ("flags", "{"), ("models", None), ("models", "[]"), ("models", "{}"), ("models", "1"),
        ("models", "null"), ("models", "[" * 100_000), ("models", models() + " " * (1 << 20)),
        ("models", json.dumps(json.loads(models()) * 2)),
        ("models", models("../../etc")), ("models", models("a/b")), ("models", models("")), ("models", models(7)),
        ("models", models("half", [])), ("models", models("half", ["1"])), ("models", models("half", [True])),
        ("models", models("half", [0])), ("models", models("half", [-1])), ("models", models("half", [1.5])),
        ("models", models("half", [10**40])), ("models", models("half", [1, 1], [], [DIGEST, DIGEST])),
        ("models", models("half", [1], [["stable", 2]])), ("models", models("half", [1], [["a b", 1]])),
        ("models", models("half", [1], [[["x"], 1]])), ("models", models("half", [1], "x")),
        ("models", models("half", [1], [], [])), ("models", models("half", [1], [], ["/etc/passwd"])),
        ("models", models("half", [1], [], [3])), ("models", models("half", None)), ("models", models({"a": 1})),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_hostile_labels_are_refused(label: str, value: str | None) -> None:
    labels = {**WHOLE.labels(), f"{CONTENTS}{label}": value}
    with pytest.raises(EngineError) as caught:
        read("evil", {name: text for name, text in labels.items() if text is not None})
    assert "evil" in caught.value.message
    assert caught.value.hint
    assert len(caught.value.message) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(JSON, JSON)
def test_any_json_is_read_or_refused(found: Any, flags: Any) -> None:
    labels = {**WHOLE.labels(), f"{CONTENTS}models": json.dumps(found), f"{CONTENTS}flags": json.dumps(flags)}
    try:
        contents = read("image", labels)
    except EngineError:
        return
    assert read("image", contents.labels()) == contents
