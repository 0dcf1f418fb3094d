"""Inputs of many requests joined into one batch, and its outputs taken apart again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.batches import task

from deployer.server.batching.arrays import join_slices, merge, rows, split
from deployer.server.batching.config import BatchRules
from deployer.server.batching.queue import Task
from deployer.server.status import Code, ServingError


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "Batching Run() must have at least one input tensor"),
        ([np.float32(1)], "Batching Run() input tensors must have at least one dimension"),
        ([np.zeros(2), np.zeros(3)], "Batching Run() input tensors must have equal 0th-dimension size"),
    ],
)
def test_inputs_that_have_no_common_batch_dimension_are_refused(arrays, message) -> None:
    with pytest.raises(ServingError) as refused:
        rows(arrays)
    assert (refused.value.code, refused.value.message) == (Code.INVALID_ARGUMENT, message)


def test_a_batch_is_filled_up_to_an_allowed_size_and_the_filling_is_thrown_away() -> None:
    rules = BatchRules(max_batch_size=8, allowed_sizes=(2, 4, 8))
    tasks = [task(1, 2), task(3)]
    together = merge(tasks, rules)["x"]
    assert together.tolist() == [1, 2, 3, 3]
    assert [[part.tolist() for part in each] for each in split([together * 10], tasks, rules)] == [[[10, 20]], [[30]]]
    assert (rules.padded(8), rules.padded(9), BatchRules().padded(3)) == (8, 9, 3)


def test_rows_of_different_width_go_together_only_with_padding() -> None:
    wide = Task({"x": np.array([[1, 2, 3]])}, 1)
    narrow = Task({"x": np.array([[4], [5]])}, 2)
    with pytest.raises(ServingError, match="Tensors with name 'x' from different tasks have different shapes") as told:
        merge([wide, narrow], BatchRules())
    assert told.value.code is Code.FAILED_PRECONDITION
    assert merge([wide, narrow], BatchRules(pads=True))["x"].tolist() == [[1, 2, 3], [4, 4, 4], [5, 4, 4]]


def test_what_cannot_be_padded_is_refused() -> None:
    rules = BatchRules(pads=True)
    deep = [Task({"x": np.zeros((1,) * 6 + (size,))}, 1) for size in (1, 2)]
    empty = [Task({"x": np.zeros((1, size))}, 1) for size in (0, 2)]
    uneven = [Task({"x": np.zeros(shape)}, 1) for shape in ((1,), (1, 2))]
    for tasks, text in ((deep, "rank from 1 to 6"), (empty, "Got empty tensor"), (uneven, "concat operation failed")):
        with pytest.raises(ServingError, match=text):
            merge(tasks, rules)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.float32(1), "Batched output tensor has 0 dimensions"),
        (
            np.zeros(2),
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        ),
    ],
)
def test_an_output_without_the_rows_of_the_batch_is_refused(output, message) -> None:
    with pytest.raises(ServingError) as refused:
        split([output], [task(1), task(2), task(3)], BatchRules())
    assert (refused.value.code, refused.value.message) == (Code.FAILED_PRECONDITION, message)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 6), st.sampled_from([np.float32, object]))
def test_answers_are_those_of_each_task_alone(counts: list[int], allowed: int, dtype: type) -> None:
    rules = BatchRules(max_batch_size=40, allowed_sizes=(allowed, 40))
    tasks = [Task({"x": np.arange(count).astype(dtype)}, count) for count in counts]
    answers = split([merge(tasks, rules)["x"]], tasks, rules)
    assert [answer[0].tolist() for answer in answers] == [list(range(count)) for count in counts]
    cut = tasks[0].slices([1] * counts[0])
    assert join_slices([[each.feeds["x"]] for each in cut])[0].tolist() == list(range(counts[0]))
