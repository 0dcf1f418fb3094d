"""Patches: applied by a library of their own, they turn one object into the other."""

from __future__ import annotations

import jsonpatch
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.manifests.patches import difference

KEYS = st.sampled_from(["a", "b", "a/b", "~c", "0"])
SCALARS = st.sampled_from([None, True, 1, "x"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=12)
OBJECTS = st.dictionaries(KEYS, VALUES)


@settings(max_examples=50)
@given(OBJECTS, OBJECTS)
def test_a_patch_turns_one_object_into_the_other(base, desired):
    assert jsonpatch.apply_patch(base, list(difference(base, desired))) == desired


@given(OBJECTS)
def test_equal_objects_need_no_patch(value):
    assert list(difference(value, value)) == []


def test_only_what_differs_is_in_a_patch():
    base = {"spec": {"containers": [{"name": "a", "image": "x", "args": ["1", "2"]}], "replicas": 2}}
    desired = {"spec": {"containers": [{"name": "a", "image": "y", "args": ["1", "3"]}], "replicas": 2}}
    assert list(difference(base, desired)) == [
        {"op": "replace", "path": "/spec/containers/0/image", "value": "y"},
        {"op": "replace", "path": "/spec/containers/0/args", "value": ["1", "3"]},
    ]
