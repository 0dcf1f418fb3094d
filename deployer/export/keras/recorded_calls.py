"""Record the arguments of Keras 3 models while the user's file runs.

Of a subclassed model's first call, Keras 3 keeps only the shape of the first argument, neither dtypes nor other
arguments (tf_keras keeps them all: `save_spec`). With the record, `--input` is unnecessary for a model that was called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from weakref import WeakKeyDictionary

from deployer.export.runtime import tensorflow

Call = tuple[tuple[Any, ...], Mapping[str, Any]]
_recorded: WeakKeyDictionary[Any, Call] = WeakKeyDictionary()


def recorded_call(model: Any) -> Call | None:
    """Return args and kwargs of the model's first call as `tf.TensorSpec`s, or None.

    Sizes that differ in later calls are open.
    """
    return _recorded.get(model)


@contextmanager
def record_calls(keras: Any) -> Iterator[None]:
    """Record the calls of every model of this Keras 3."""
    original, own = keras.Model.__call__, vars(keras.Model).get("__call__")

    def recording_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = original(self, *args, **kwargs)
        _record(self, args, kwargs)
        return outputs

    keras.Model.__call__ = recording_call
    try:
        yield
    finally:
        if own is None:
            del keras.Model.__call__
        else:
            keras.Model.__call__ = own


def _record(model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    tensors = {name: value for name, value in kwargs.items() if _is_made_of_tensors(value)}
    if all(_is_made_of_tensors(value) for value in args):
        call = (_specs(model, args), _specs(model, tensors))
        _recorded[model] = _merge(_recorded[model], call) if model in _recorded else call


def _merge(first: Call, later: Call) -> Call:
    """Return the first call, with every size open that differs in a later call of the same structure."""
    nest, tf = tensorflow().nest, tensorflow()
    try:
        nest.assert_same_structure(first, later)
    except (TypeError, ValueError):
        return first

    def most_general(one: Any, other: Any) -> Any:
        return tf.TensorSpec(one.shape.most_specific_compatible_shape(other.shape), one.dtype)

    return cast("Call", nest.map_structure(most_general, first, later))


def _is_made_of_tensors(value: Any) -> bool:
    flat = tensorflow().nest.flatten(value)
    return bool(flat) and all(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in flat)


def _specs(model: Any, structure: Any) -> Any:
    return tensorflow().nest.map_structure(lambda tensor: _spec(model, tensor), structure)


def _spec(model: Any, tensor: Any) -> Any:
    """Return the spec of a tensor; Keras casts floating-point inputs to the model's precision, whatever their dtype."""
    tf = tensorflow()
    dtype = tf.as_dtype(tensor.dtype)
    target_dtype = tf.as_dtype(model.input_dtype) if dtype.is_floating and model.autocast else dtype
    return tf.TensorSpec(tensor.shape, target_dtype)
