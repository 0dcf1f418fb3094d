"""Concatenate the rows of several tasks, and split the results.

Sources: `batching/batching_session.cc` and `batching/batching_util.cc` of TensorFlow Serving.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from deployer.server.batching.config import BatchRules
from deployer.server.batching.queue import Task
from deployer.server.dtypes import Array
from deployer.server.status import Code, ServingError, invalid

_MAX_RANK = 6


def rows(arrays: Iterable[Array]) -> int:
    """Return the size of dimension 0, which all inputs of a request share. Raises ServingError if they differ."""
    shapes = [array.shape for array in arrays]
    if not shapes:
        raise invalid("Batching Run() must have at least one input tensor")
    if not all(shapes):
        raise invalid("Batching Run() input tensors must have at least one dimension")
    if len(shapes) > 1 and len({shape[0] for shape in shapes}) > 1:
        raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
    size: int = shapes[0][0]
    return size


def merge(tasks: Sequence[Task], rules: BatchRules) -> dict[str, Array]:
    """Concatenate the rows of all tasks, and repeat a row to pad to an allowed size."""
    size = sum(task.size for task in tasks)
    padding = rules.padded(size) - size if size else 0
    if len(tasks) == 1 and not padding:
        return dict(tasks[0].feeds)
    return {name: _concatenate(name, [task.feeds[name] for task in tasks], padding, rules) for name in tasks[0].feeds}


def _concatenate(name: str, arrays: Sequence[Array], padding: int, rules: BatchRules) -> Array:
    if len({array.shape[1:] for array in arrays}) > 1:
        if not rules.pads:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. Set "
                "pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
                "dimensions starting with the first dim.",
            )
        arrays = _pad_to_largest(arrays)
    last = next(array for array in reversed(arrays) if len(array) or not padding)
    return np.concatenate([*arrays, *[last[:1]] * padding])


def _pad_to_largest(arrays: Sequence[Array]) -> list[Array]:
    """Pad all rows to the size of the largest, with each array's first value."""
    if len({array.ndim for array in arrays}) > 1:
        raise ServingError(Code.INTERNAL, "Tensor concat operation failed: the tensors have different ranks")
    if arrays[0].ndim > _MAX_RANK:
        raise invalid("Only tensors with rank from 1 to 6 can be padded.")
    shape = [max(sizes) for sizes in zip(*(array.shape[1:] for array in arrays), strict=True)]
    return [_padded(array, (len(array), *shape)) for array in arrays]


def _padded(array: Array, shape: tuple[int, ...]) -> Array:
    if np.prod(shape) == array.size:
        return array.reshape(shape)
    if not array.size:
        raise invalid("Got empty tensor in batch of non-empty tensors.")
    padded = np.full(shape, array.flat[0], array.dtype)
    padded[tuple(map(slice, array.shape))] = array
    return padded


def split(outputs: Sequence[Array], tasks: Sequence[Task], rules: BatchRules) -> list[list[Array]]:
    """Return each task's rows of every output. Raises ServingError for an output with other rows."""
    size = sum(task.size for task in tasks)
    check_rows(outputs, rules.padded(size) if size else 0)
    ends = list(itertools.accumulate(task.size for task in tasks))
    return [[output[end - task.size : end] for output in outputs] for task, end in zip(tasks, ends, strict=True)]


def check_rows(outputs: Sequence[Array], expected_rows: int) -> None:
    """Raise ServingError for an output without rows or with another number of them."""
    for output in outputs:
        if not output.ndim:
            raise ServingError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
        if len(output) != expected_rows:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
                "tensors",
            )


def join_slices(slices: Sequence[Sequence[Array]]) -> list[Array]:
    """Concatenate the results of one task's slices."""
    if len(slices) == 1:
        return list(slices[0])
    return [np.concatenate(parts) for parts in zip(*slices, strict=True)]
