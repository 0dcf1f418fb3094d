"""tf.Example messages, serialized and as JSON, and the answers of classify and regress.

`classify` and `regress` take examples instead of tensors. Their answers become arrays here: `classes` and `scores`
of shape [examples, labels], or `outputs` of shape [examples].
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from deployer.errors import MalformedTensor
from deployer.savedmodel.messages import message_class

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

Feature = Sequence[str | bytes | int | float]
Classes = Sequence[Sequence[tuple[str, float]]]

PREDICT, CLASSIFY, REGRESS = "predict", "classify", "regress"
# The only input of a classify or regress signature.
INPUT = "inputs"

_LISTS = {"float32": "float_list", "int64": "int64_list", "string": "bytes_list"}


def method_of(method_name: str) -> str:
    """Return `classify` for `tensorflow/serving/classify`; the method for all but classify and regress is predict."""
    last = method_name.rpartition("/")[2]
    return last if last in (CLASSIFY, REGRESS) else PREDICT


def parse(serialized: bytes) -> Message:
    """Return the message. Raises MalformedTensor when the bytes are no tf.Example."""
    from google.protobuf.message import DecodeError

    try:
        return message_class("tensorflow.Example").FromString(serialized)
    except DecodeError as error:
        raise MalformedTensor(f"{serialized[:20]!r} is not a serialized tf.Example") from error


def build(features: Mapping[str, Feature], dtypes: Mapping[str, str] | None = None) -> bytes:
    """Return a serialized example. A feature without an entry in `dtypes` has the dtype of its values."""
    example = message_class("tensorflow.Example")()
    for name, values in features.items():
        dtype = (dtypes or {}).get(name) or _dtype_of(name, values)
        getattr(example.features.feature[name], _LISTS[dtype]).value.extend(_to_dtype(name, values, dtype))
    return bytes(example.SerializeToString(deterministic=True))


def _dtype_of(name: str, values: Feature) -> str:
    kinds = {type(value) for value in values}
    if kinds <= {str, bytes}:
        return "string"
    if kinds == {int}:
        return "int64"
    if kinds <= {int, float}:
        return "float32"
    raise MalformedTensor(f"feature {name!r} holds neither texts nor numbers: {str(list(values))[:60]}")


def _to_dtype(name: str, values: Sequence[Any], dtype: str) -> list[Any]:
    try:
        if dtype == "string":
            return [value if isinstance(value, bytes) else value.encode() for value in values]
        if dtype == "int64" and not all(type(value) is int for value in values):
            raise ValueError("not a whole number")
        return [float(value) for value in values] if dtype == "float32" else list(values)
    except (AttributeError, TypeError, ValueError) as error:
        raise MalformedTensor(f"feature {name!r} wants {dtype}, got {str(list(values))[:60]}") from error


def features(example: Message) -> dict[str, list[Any]]:
    """Return the values of every feature that has some."""
    found = example.features.feature
    kinds = {name: found[name].WhichOneof("kind") for name in sorted(found)}
    return {name: list(getattr(found[name], kind).value) for name, kind in kinds.items() if kind}


def to_json(serialized: bytes) -> dict[str, list[object]]:
    """Return an example as TensorFlow Serving's REST API reads it, with bytes in base64."""
    return {name: [_json_value(value) for value in values] for name, values in features(parse(serialized)).items()}


def _json_value(value: object) -> object:
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def fill_input(message: Message, serialized: Sequence[bytes]) -> None:
    """Write examples into the `Input` of a classify or regress request."""
    message.example_list.examples.extend(map(parse, serialized))


def from_input(message: Message) -> Array:
    """Return the serialized examples of an `Input` as a string array, for the signature's input."""
    return string_array([example.SerializeToString(deterministic=True) for example in message.example_list.examples])


def string_array(values: Sequence[bytes]) -> Array:
    """Return a string tensor of one dimension."""
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def method_outputs(method: str, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays of a classify or regress answer for the tensors that the model returned.

    Raises MalformedTensor where TensorFlow Serving would refuse them.
    """
    return _regression_outputs(outputs) if method == REGRESS else _classification_outputs(outputs)


def _classification_outputs(outputs: Mapping[str, Array]) -> dict[str, Array]:
    import numpy as np

    given = {name: outputs[name] for name in ("classes", "scores") if name in outputs}
    shapes = {array.shape for array in given.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2 or len(outputs) > 2:
        shown = {name: list(array.shape) for name, array in outputs.items()}
        raise MalformedTensor(f"classify takes 'classes' and 'scores' of shape [examples, labels], got {shown}")
    shape = next(iter(shapes))
    classes = given.get("classes", np.full(shape, b"", dtype=object))
    scores = given.get("scores", np.zeros(shape, np.float32))
    if classes.dtype.kind != "O" or scores.dtype != np.float32:
        raise MalformedTensor(f"classify takes strings and float32, got {classes.dtype} and {scores.dtype}")
    return {"classes": classes, "scores": scores}


def _regression_outputs(outputs: Mapping[str, Array]) -> dict[str, Array]:
    values = outputs.get("outputs")
    if values is None or len(outputs) != 1 or not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        shown = {name: list(array.shape) for name, array in outputs.items()}
        raise MalformedTensor(f"regress takes 'outputs' of shape [examples], got {shown}")
    if values.dtype.name != "float32":
        raise MalformedTensor(f"regress takes float32, got {values.dtype}")
    return {"outputs": values.reshape(-1)}


def fill_response(message: Message, method: str, outputs: Mapping[str, Array]) -> None:
    """Write arrays into the response of a classify or regress call."""
    if method == REGRESS:
        for value in outputs["outputs"].tolist():
            message.result.regressions.add(value=value)
        return
    for labels, scores in zip(outputs["classes"].tolist(), outputs["scores"].tolist(), strict=True):
        row = message.result.classifications.add()
        for label, score in zip(labels, scores, strict=True):
            row.classes.add(label=label, score=score)


def from_response(message: Message, method: str) -> dict[str, Array]:
    """Return the arrays of the response of a classify or regress call."""
    if method == REGRESS:
        return _regressions([item.value for item in message.result.regressions])
    rows = [[(item.label, item.score) for item in row.classes] for row in message.result.classifications]
    return _classifications(rows)


def from_json(results: Any, method: str) -> dict[str, Array]:
    """Return the arrays of the `results` of a REST answer. Raises MalformedTensor."""
    try:
        return _regressions(results) if method == REGRESS else _classifications(results)
    except (TypeError, ValueError, AttributeError) as error:
        raise MalformedTensor(f"results do not form a {method} answer: {str(results)[:60]}") from error


def _regressions(values: Sequence[float]) -> dict[str, Array]:
    import numpy as np

    return {"outputs": np.array([float(value) for value in values], np.float32)}


def _classifications(rows: Classes) -> dict[str, Array]:
    import numpy as np

    scores = np.array([[float(score) for _, score in row] for row in rows], np.float32)
    labels = string_array([label.encode() for row in rows for label, _ in row])
    return {"classes": labels.reshape(scores.shape), "scores": scores}
