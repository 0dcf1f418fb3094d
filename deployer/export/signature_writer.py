"""Trace calls and save them as the signatures of a SavedModel."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from deployer.errors import ExportFailed
from deployer.export import phase, rewriting, untracked_resources
from deployer.export.runtime import foreign_work, tensorflow
from deployer.export.tensor_names import named_outputs, traceable_names
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel import reader

DEFAULT_SIGNATURE = rewriting.DEFAULT_SIGNATURE
WIDENED = ("float16", "bfloat16")


@dataclass(frozen=True)
class Servable:
    """A call to serve: its inputs, a function from tensors by name to outputs, and the user's output names.

    `original` is the same call of the source model, if another one is traced. Calls append to `notes` what was renamed
    or left out.
    """

    inputs: tuple[TensorSpec, ...]
    call: Callable[[Mapping[str, Any]], Any]
    output_names: tuple[str | None, ...] = ()
    original: Callable[[Mapping[str, Any]], Any] | None = None
    notes: list[str] = field(default_factory=list, compare=False)

    def outputs(self, feed: Mapping[str, Any], *, original: bool = False) -> dict[str, Any]:
        """Run the call, or the source model's own, and return dense tensors by output name."""
        call = self.original if original and self.original else self.call
        outputs = named_outputs(call(feed), self.output_names)
        self.notes.extend(note for note in outputs.notes if note not in self.notes)
        return {name: _dense_output(name, value) for name, value in outputs.tensors.items()}

    def traced_names(self) -> dict[str, str]:
        """Return the input names for tracing, by the user's names, which the signature gets afterwards."""
        return traceable_names([spec.name for spec in self.inputs])


class Traced(NamedTuple):
    """A ConcreteFunction and the call that it was traced from."""

    function: Any
    servable: Servable

    def __call__(self, feed: Mapping[str, Any]) -> Any:
        """Run the traced function with tensors by the user's names."""
        return self.function({name: feed[own] for own, name in self.servable.traced_names().items()})


def trace(servable: Servable) -> Any:
    """Return the ConcreteFunction that serves the call; its outputs are a dict of tensors that REST can carry."""
    phase.enter(phase.TRACING)
    tf = tensorflow()

    names = servable.traced_names()
    named = [(names[spec.name], spec) for spec in servable.inputs]
    specs = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in named}

    def serve(feed: Mapping[str, Any]) -> dict[str, Any]:
        return servable.outputs({own: feed[name] for own, name in names.items()})

    return tf.function(serve, autograph=False).get_concrete_function(specs)


def _dense_output(name: str, value: Any) -> Any:
    """Return the output as a dense tensor; half precision is widened because TensorFlow Serving's JSON lacks it."""
    tf = tensorflow()
    if isinstance(value, (tf.RaggedTensor, tf.SparseTensor)):
        raise ExportFailed(
            f"output {name!r} is a {type(value).__name__}: TensorFlow Serving answers dense tensors only",
            hint="convert it in the model: .to_tensor() or tf.sparse.to_dense()",
        )
    tensor = tf.convert_to_tensor(value)
    return tf.cast(tensor, tf.float32) if tensor.dtype.name in WIDENED else tf.identity(tensor)


def write(functions: Mapping[str, Any], target: Path) -> None:
    """Save concrete functions as signatures, with only the variables, tables and assets that they use."""
    phase.enter(phase.SAVING)
    tf = tensorflow()
    root = tf.Module()
    captured = _capture_order(functions.values())
    variables = _deduplicate(variable for function in functions.values() for variable in function.variables)
    root.serving_variables = sorted(variables, key=lambda variable: captured.get(id(variable.handle), len(captured)))
    root.serving_resources = _captured_resources(captured)
    untracked_resources.check(functions, _handles(root.serving_variables, root.serving_resources))
    with foreign_work("the model could not be saved", hint=_TRACKING):
        tf.saved_model.save(root, str(target), signatures=dict(functions))


_TRACKING = "keep every variable and table that it uses as an attribute of the model, a layer or a tf.Module"


def _handles(variables: Iterable[Any], resources: Iterable[Any]) -> dict[int, Any]:
    handles = (*(variable.handle for variable in variables), *(resource.resource_handle for resource in resources))
    return {id(handle): handle for handle in handles}


def _deduplicate(items: Any) -> list[Any]:
    return list({id(item): item for item in items}.values())


def _capture_order(functions: Any) -> dict[int, int]:
    """Return the position of each captured tensor by its id.

    TensorFlow orders variables by their addresses, so saving the same model twice would give different files.
    """
    handles = [handle for function in functions for handle in function.captured_inputs]
    return {id(handle): position for position, handle in reversed(list(enumerate(handles)))}


def _captured_resources(captured: Mapping[int, int]) -> list[Any]:
    """Return the lookup tables and other resources that the functions capture, wherever the user's code keeps them.

    The graph knows only their handles; the objects that own these are found among all live objects.
    """
    resource = tensorflow().saved_model.experimental.TrackableResource
    live = [item for item in gc.get_objects() if issubclass(type(item), resource)]
    resources = {captured[_handle_id(item)]: item for item in live if _handle_id(item) in captured}
    return [resources[position] for position in sorted(resources)]


def _handle_id(resource: Any) -> int:
    return id(getattr(resource, "resource_handle", None))


def write_signatures(functions: Mapping[str, Traced], target: Path) -> tuple[str, ...]:
    """Write traced calls by signature name, check the result, and return their notes."""
    write({name: traced.function for name, traced in functions.items()}, target)
    rewriting.rename_inputs(target, {name: traced.servable.traced_names() for name, traced in functions.items()})
    check_written(target, {name: traced.servable.inputs for name, traced in functions.items()})
    return tuple(dict.fromkeys(note for traced in functions.values() for note in traced.servable.notes))


def check_written(target: Path, expected: Mapping[str, Sequence[TensorSpec]]) -> None:
    """Read the SavedModel without TensorFlow and raise ExportFailed if a signature or an input is not as requested."""
    found = {signature.name: signature for signature in reader.read(target).signatures}
    for name, inputs in expected.items():
        if name not in found:
            raise ExportFailed(f"TensorFlow did not write the signature {name!r}; it wrote {', '.join(found)}")
        _check_inputs(found[name], inputs)


def _check_inputs(written: Signature, expected: Sequence[TensorSpec]) -> None:
    """Reject a renamed or narrowed input; TensorFlow drops inputs that the model never uses."""
    by_name = {spec.name: spec for spec in expected}
    for spec in written.inputs:
        if by_name.get(spec.name) != spec:
            raise ExportFailed(
                f"signature {written.name!r} came out with the input {spec.name}: {spec}, "
                f"not {', '.join(f'{other.name}: {other}' for other in expected)}"
            )
