"""`--serve-as`: wrap the model in a signature that takes serialized `tf.Example` messages or encoded images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deployer.errors import ExportFailed
from deployer.export.runtime import tensorflow
from deployer.export.signature_writer import Servable
from deployer.results.model import TensorSpec

FEATURE_DTYPES = frozenset({"float32", "int64", "string"})
"""The dtypes that a feature of a `tf.Example` can have."""
CHANNELS = (1, 3, 4)


def wrapped(wrapper_name: str, function: Any, inputs: Sequence[TensorSpec]) -> Servable:
    """Return the function behind the wrapper `examples` or `jpeg`. Raises ExportFailed for unsuitable inputs."""
    makers: Mapping[str, Callable[[Any, Sequence[TensorSpec]], Servable]] = {"examples": _examples, "jpeg": _jpeg}
    if wrapper_name not in makers:
        raise ExportFailed(f"--serve-as {wrapper_name!r:.40} is not known", hint=f"known are {', '.join(makers)}")
    return makers[wrapper_name](function, inputs)


def _examples(function: Any, inputs: Sequence[TensorSpec]) -> Servable:
    """Parse each input from the feature of its name, with the length of one row."""
    tf = tensorflow()
    features = {spec.name: tf.io.FixedLenFeature(_row(spec), _feature_dtype(spec)) for spec in inputs}

    def call(feed: Mapping[str, Any]) -> Any:
        parsed = tf.io.parse_example(feed["examples"], features)
        return function({spec.name: tf.cast(parsed[spec.name], spec.dtype) for spec in inputs})

    return Servable((TensorSpec("examples", "string", (None,)),), call)


def _row(spec: TensorSpec) -> list[int]:
    """Return the shape of one row, which must be known: a `tf.Example` has a flat list of values and no shape."""
    if not spec.shape or spec.shape[0] is not None or None in spec.shape[1:]:
        raise ExportFailed(
            f"--serve-as examples cannot fill the input {spec.name}: {spec}: "
            "its first dimension must be open, and all others known",
            hint=f"say them: --input '{spec.name}:{spec.dtype}[?,...]'",
        )
    return [size for size in spec.shape[1:] if size is not None]


def _feature_dtype(spec: TensorSpec) -> str:
    if spec.dtype in FEATURE_DTYPES:
        return spec.dtype
    return "float32" if "float" in spec.dtype else "int64"


def _jpeg(function: Any, inputs: Sequence[TensorSpec]) -> Servable:
    """Decode JPEG, PNG, GIF or BMP and resize to the input's height and width; values are 0 to 255."""
    tf = tensorflow()
    spec = _image_input(inputs)

    def call(feed: Mapping[str, Any]) -> Any:
        images = tf.map_fn(lambda data: _decoded(data, spec), feed["image_bytes"], fn_output_signature=spec.dtype)
        return function({spec.name: tf.ensure_shape(images, spec.shape)})

    return Servable((TensorSpec("image_bytes", "string", (None,)),), call)


def _image_input(inputs: Sequence[TensorSpec]) -> TensorSpec:
    shapes = ", ".join(f"{spec.name}: {spec}" for spec in inputs)
    shape = inputs[0].shape or ()
    if len(inputs) != 1 or len(shape) != 4 or shape[0] is not None or shape[3] not in CHANNELS:
        raise ExportFailed(
            "--serve-as jpeg needs one input [?,height,width,channels] with 1, 3 or 4 channels; "
            f"the model takes {shapes}",
            hint="say so with --input 'image:float32[?,224,224,3]', or write the signature: --signature NAME=file.py:f",
        )
    return inputs[0]


def _decoded(data: Any, spec: TensorSpec) -> Any:
    tf = tensorflow()
    _, height, width, channels = spec.shape or ()
    image = tf.io.decode_image(data, channels=channels, expand_animations=False)
    image = tf.ensure_shape(image, [None, None, channels])
    if height is not None and width is not None:
        image = tf.image.resize(image, [height, width])
    if tf.as_dtype(spec.dtype).is_integer and image.dtype.is_floating:
        image = tf.round(image)
    return tf.cast(image, spec.dtype)
