"""Convert file contents to rows for a signature: cells and features get dtypes, images become pixels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deployer.client import tf_examples
from deployer.errors import GoldenError, MalformedTensor
from deployer.export.golden.example_files import MAX_EXAMPLES, Content
from deployer.export.golden.string_inputs import Feature
from deployer.export.runtime import reason, tensorflow, tf_module
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel import tensors

Features = Sequence[Feature]


def rows(source_label: Path, parsed: Content, signature: Signature, features: Features) -> Sequence[Any] | None:
    """Return a value, or a dict by input, for each example; None for columns. Raises GoldenError."""
    if parsed.serialized is not None:
        return _each(source_label, parsed.serialized, lambda record: _of_record(signature, record))
    if parsed.features is not None:
        return _each(source_label, parsed.features, lambda row: _of_features(signature, features, row))
    if parsed.cells is not None:
        return _each(source_label, parsed.cells, lambda row: _of_cells(signature, features, row))
    if parsed.images is not None:
        return _each(source_label, parsed.images, lambda image: _of_image(signature, image))
    return parsed.rows


def _each(source_label: Path, items: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
    found = []
    for position, item in enumerate(items[:MAX_EXAMPLES], 1):
        try:
            found.append(read(item))
        except (MalformedTensor, ValueError) as error:  # noqa: PERF203 - the place goes with the reason
            raise GoldenError(f"{source_label}, example {position}: {error}") from error
    return found


def _only_string(signature: Signature) -> str | None:
    """Return the name of the input if the signature takes exactly one string per example, else None."""
    if len(signature.inputs) != 1 or signature.inputs[0].dtype != "string":
        return None
    spec = signature.inputs[0]
    return spec.name if spec.shape is None or len(spec.shape) == 1 else None


def _of_record(signature: Signature, record: bytes) -> dict[str, Any]:
    """Return the record itself if the signature takes strings; else its features as inputs."""
    parsed = tf_examples.features(tf_examples.parse(record))
    if name := _only_string(signature):
        return {name: record}
    return {spec.name: _shaped(parsed[spec.name], spec) for spec in signature.inputs if spec.name in parsed}


def _shaped(values: list[Any], spec: TensorSpec) -> Any:
    """Reshape a flat list to one row of the input, if that shape is known."""
    inner = spec.shape[1:] if spec.shape else None
    if inner is None or None in inner:
        return values
    shape = [size for size in inner if size is not None]
    if math.prod(shape) != len(values):
        raise MalformedTensor(f"feature {spec.name!r} holds {len(values)} values, and the input wants {spec}")
    return _nested(values, shape)


def _nested(values: list[Any], shape: list[int]) -> Any:
    if not shape:
        return values[0]
    step = len(values) // shape[0] if shape[0] else 0
    return [_nested(values[position * step : (position + 1) * step], shape[1:]) for position in range(shape[0])]


def _of_features(signature: Signature, features: Features, row: Any) -> dict[str, bytes]:
    """Convert an example in TensorFlow Serving's JSON form: {"feature": value or list of values}."""
    name = _only_string(signature)
    if name is None or not isinstance(row, dict):
        raise MalformedTensor(f"{signature.name} takes no tf.Example messages, or this is none: {str(row)[:60]}")
    lists = {key: value if isinstance(value, list) else [value] for key, value in row.items()}
    listed = {key: [_plain(item) for item in items] for key, items in lists.items()}
    return {name: tf_examples.build(listed, {feature.name: feature.dtype for feature in features})}


def _plain(value: Any) -> Any:
    return tensors.from_json(value, "string").item() if isinstance(value, dict) else value


def _of_cells(signature: Signature, features: Features, row: Mapping[str, str]) -> dict[str, Any]:
    """Convert a table row; if the columns are features of a tf.Example, an empty cell omits the feature."""
    name = _only_string(signature)
    if name is not None and set(row) != {name}:
        dtypes = {feature.name: feature.dtype for feature in features}
        parsed = {key: [_cell(key, text, dtypes.get(key))] for key, text in row.items() if text}
        return {name: tf_examples.build(parsed, dtypes)}
    specs = {spec.name: spec for spec in signature.inputs}
    return {key: _input_cell(key, text, specs.get(key)) for key, text in row.items()}


def _input_cell(name: str, text: str, spec: TensorSpec | None) -> Any:
    is_scalar = spec is None or spec.shape is None or len(spec.shape) <= 1
    return _cell(name, text, spec.dtype if spec and is_scalar else None if is_scalar else "list")


def _cell(name: str, text: str, dtype: str | None) -> Any:
    """Return text unchanged for strings; parse other cells as JSON: numbers, booleans, lists."""
    if dtype == "string":
        return text
    try:
        return json.loads(text.lower() if dtype == "bool" else text)
    except ValueError as error:
        if dtype is None:
            return text
        raise MalformedTensor(f"column {name!r} holds {text[:40]!r}, which is no {dtype}") from error


def _of_image(signature: Signature, path: Path) -> dict[str, Any]:
    """Return the file's bytes if the signature takes strings; else its pixels, 0 to 255, in the input's size."""
    if name := _only_string(signature):
        return {name: path.read_bytes()}
    if len(signature.inputs) != 1:
        raise MalformedTensor(f"{signature.name} has {len(signature.inputs)} inputs, and an image is only one")
    spec = signature.inputs[0]
    if spec.shape is None or len(spec.shape) not in (3, 4) or (len(spec.shape) == 4 and spec.shape[3] not in (1, 3, 4)):
        raise MalformedTensor(f"{path.name} is an image, and {spec.name!r} wants {spec}")
    return {spec.name: _pixels(path, spec)}


def _pixels(path: Path, spec: TensorSpec) -> Any:
    height, width, channels = (*spec.shape[1:], 1)[:3] if spec.shape else (None, None, 1)
    try:
        pixels = _decoded(path, channels, (height, width)).round().clip(0, 255)
    except tf_module("tensorflow.python.framework.errors").OpError as error:
        raise MalformedTensor(f"{path.name} is no image that TensorFlow decodes: {reason(error)}") from error
    pixels = pixels[..., 0] if spec.shape and len(spec.shape) == 3 else pixels
    kind = tensors.numpy_dtype(spec.dtype).kind
    return (pixels if kind == "f" else pixels.astype("uint8")).tolist()


def _decoded(path: Path, channels: int | None, size: tuple[int | None, int | None]) -> Any:
    """Decode an image to height, width and channels, resized if both sides are given."""
    tf = tensorflow()
    with tf_module("tensorflow.python.eager.context").eager_mode():
        image = tf.io.decode_image(path.read_bytes(), channels=channels or 0, expand_animations=False)
        return (image if None in size else tf.image.resize(image, size)).numpy()
