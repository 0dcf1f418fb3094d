"""A Keras model (Keras 3 or tf_keras; sequential, functional, subclassed) as a traced call with named tensors."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from deployer.export.keras import call_specs
from deployer.export.keras.call_specs import INPUT_HINT, CallSpec, specs
from deployer.export.runtime import foreign_work, tensorflow
from deployer.export.signature_writer import Servable, Traced, trace
from deployer.export.tensor_names import explicit_layer_name
from deployer.results.model import TensorSpec

FAMILIES = ("keras", "tf_keras")


def is_keras_model(thing: object) -> bool:
    """Return whether the object is a Keras model; checks its classes, imports nothing."""
    return _family(thing) is not None


def keras_version(thing: object) -> str | None:
    """Return the version of the Keras that the model belongs to, or None."""
    family = _family(thing)
    return str(sys.modules[family].__version__) if family else None


def _family(thing: object) -> str | None:
    roots = (kind.__module__.partition(".")[0] for kind in type(thing).__mro__ if kind.__name__ == "Model")
    return next((root for root in roots if root in FAMILIES), None)


def function_of(model: Any, inputs: tuple[TensorSpec, ...]) -> Traced:
    """Return the traced call of a model, with the requested inputs or else those that it was built with."""
    candidates = call_specs.requested(model, inputs) if inputs else [_with_notes(model, call_specs.declared(model)[0])]
    subject = f"the model {model.name!r} could not be traced"
    hint = (
        "--input must fit what its layers take"
        if inputs
        else f"if it takes else than {_listed(candidates[0])}, {INPUT_HINT}"
    )
    with foreign_work(subject, hint=hint):
        return _first_that_traces(model, candidates)


def build(model: Any, inputs: tuple[TensorSpec, ...]) -> None:
    """Create the variables of a model that was never called, by a call on zeros. Raises ExportFailed."""
    tf = tensorflow()
    form = call_specs.requested(model, inputs)[0]
    zeros = {spec.name: tf.zeros([size or 1 for size in spec.shape or ()], spec.dtype) for spec in specs(form)}
    with foreign_work(f"the model {model.name!r} cannot be called", hint="--input must fit what its layers take"):
        servable(model, form).call(zeros)


def _with_notes(model: Any, form: CallSpec) -> CallSpec:
    """Add notes on sizes that are fixed only because the model was called with them: others can be traced, too."""
    if call_specs.is_functional(model) or call_specs.is_sequential(model):
        return form
    sizes = {size for spec in specs(form) for size in (spec.shape or ())[1:] if size is not None}
    variable_sizes = {size for size in sizes if _accepts_size(model, form, size)}
    notes = []
    for spec in specs(form):
        if variable_sizes & {*(spec.shape or ())[1:]}:
            opened_spec = replace(
                spec, shape=(None, *(None if size in variable_sizes else size for size in (spec.shape or ())[1:]))
            )
            notes.append(
                f"input {spec.name!r} is {spec}, the size that the model was called with; other sizes are refused "
                f"unless --input '{spec.name}:{opened_spec}' opens it"
            )
    return replace(form, notes=(*form.notes, *notes))


def _accepts_size(model: Any, form: CallSpec, size: int) -> bool:
    """Return whether the call can be traced with a larger size; computes nothing."""
    tf = tensorflow()
    tensor_specs = {
        spec.name: tf.TensorSpec(
            [None, *(size + 2 if dimension == size else dimension for dimension in spec.shape[1:])], spec.dtype
        )
        for spec in specs(form)
        if spec.shape
    }
    try:
        tf.function(servable(model, form).call).get_concrete_function(tensor_specs)
    except Exception:  # noqa: BLE001 - whatever a model raises at a size that it does not take
        return False
    return len(tensor_specs) == len(specs(form))


def _first_that_traces(model: Any, candidates: Sequence[CallSpec]) -> Traced:
    for form in candidates[:-1]:
        try:
            return _traced(servable(model, form))
        except Exception:  # noqa: BLE001, S112, PERF203 - the failure of the last candidate is reported
            continue
    return _traced(servable(model, candidates[-1]))


def _traced(call: Servable) -> Traced:
    return Traced(trace(call), call)


def servable(model: Any, form: CallSpec) -> Servable:
    """Return the model called in that form, in inference mode as `predict` does.

    Without `training=False`, a model or a layer that augments images may train by default. A mode that the user fixed
    inside the model (a Dropout called with training=True) is kept.
    """
    tf = tensorflow()
    mode = {} if call_specs.would_lose_training(model) else {"training": False}

    def call(feed: Mapping[str, Any]) -> Any:
        args, kwargs = tf.nest.map_structure(lambda spec: feed[spec.name], (list(form.args), dict(form.kwargs)))
        return model(*args, **kwargs, **mode)

    return Servable(specs(form), call, _own_output_names(model), notes=[*form.notes])


def _listed(form: CallSpec) -> str:
    return ", ".join(f"{spec.name}:{spec}" for spec in specs(form))


def _own_output_names(model: Any) -> tuple[str | None, ...]:
    if not call_specs.has_symbolic_outputs(model):
        return ()
    return tuple(_own_output_name(tensor) for tensor in model.outputs)


def _own_output_name(tensor: Any) -> str | None:
    history = tensor._keras_history
    layer = getattr(history, "operation", None) or history.layer
    return explicit_layer_name(layer.name, type(layer).__name__)
