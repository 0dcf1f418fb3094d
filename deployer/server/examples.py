"""Classify, regress and multi-inference over tf.Example, shared by REST and gRPC.

Sources: `servables/tensorflow/classifier.cc`, `regressor.cc`, `multi_inference.cc`, `util.cc`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from google.protobuf.message import Message

from deployer.server.dtypes import BY_NUMPY, STRING, Array
from deployer.server.predict import DEFAULT_SIGNATURE, RunOptions, run, tensors_of
from deployer.server.servable import Model, Signature
from deployer.server.status import Code, ServingError, invalid

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
Classes = list[list[tuple[str | bytes, float]]]


@dataclasses.dataclass(frozen=True)
class Call:
    """A classify or regress call on serialized examples."""

    model: Model
    signature_name: str
    examples: Sequence[bytes]
    check_method: bool = False
    timeout_ms: int = 0

    def signature(self) -> Signature:
        """Return the signature; an empty name selects the default one. Raises ServingError."""
        name = self.signature_name or DEFAULT_SIGNATURE
        if name not in self.model.signatures:
            raise invalid(f"No signature was found with the name: {name}")
        return self.model.signatures[name]


def serialized(input_proto: Message) -> list[bytes]:
    """Return the serialized examples of an Input message, each with the context before it."""
    kind = input_proto.WhichOneof("kind")
    if kind == "example_list_with_context":
        list_with_context = input_proto.example_list_with_context
        context = list_with_context.context.SerializeToString()
        return [context + example.SerializeToString() for example in list_with_context.examples]
    return [example.SerializeToString() for example in input_proto.example_list.examples] if kind else []


def classify(call: Call) -> Classes:
    """Return the (label, score) pairs of every example."""
    signature = call.signature()
    answers = _run(call, signature, _classify_outputs(signature, call.check_method))
    return _classes(answers, len(call.examples))


def regress(call: Call) -> list[float]:
    """Return the value of every example."""
    signature = call.signature()
    answers = _run(call, signature, _regress_outputs(signature, call.check_method))
    return _values(answers, len(call.examples))


def infer(
    model: Model, tasks: Sequence[Message], examples: Sequence[bytes], options: RunOptions, check_method: bool = False
) -> list[Classes | list[float]]:
    """Return the result of every task of a MultiInference, computed in a single run."""
    signatures, aliases = check_tasks(model, tasks, check_method)
    answers = _run_together(model, signatures, aliases, _batch(examples), options)
    return [
        _classes(answer, len(examples)) if task.method_name == CLASSIFY else _values(answer, len(examples))
        for task, answer in zip(tasks, answers, strict=True)
    ]


def _run_together(
    model: Model, signatures: Sequence[Signature], aliases: Sequence[Sequence[str]], batch: Array, options: RunOptions
) -> list[dict[str, Array]]:
    feeds: dict[str, Array] = {}
    for signature in signatures:
        feeds |= tensors_of(signature, {"inputs": batch})
    tensor_names = [
        [signature.outputs[alias].tensor for alias in each] for signature, each in zip(signatures, aliases, strict=True)
    ]
    fetches = sorted({tensor for each in tensor_names for tensor in each})
    outputs_by_tensor = dict(
        zip(fetches, model.run(feeds, fetches, options.timeout_ms, options.on_caller_thread), strict=True)
    )
    return [
        {alias: outputs_by_tensor[tensor] for alias, tensor in zip(*pair, strict=True)}
        for pair in zip(aliases, tensor_names, strict=True)
    ]


def _run(call: Call, signature: Signature, outputs: Sequence[str]) -> Mapping[str, Array]:
    return run(call.model, signature, {"inputs": _batch(call.examples)}, outputs, RunOptions(call.timeout_ms))


def _batch(examples: Sequence[bytes]) -> Array:
    if not examples:
        raise invalid("Input is empty.")
    batch = np.empty(len(examples), object)
    batch[:] = examples
    return batch


def _classify_outputs(signature: Signature, check_method: bool) -> list[str]:
    _check_classify(signature, check_method)
    return [key for key in ("classes", "scores") if key in signature.outputs]


def _regress_outputs(signature: Signature, check_method: bool) -> list[str]:
    _check_regress(signature, check_method)
    return ["outputs"]


def _classes(answers: Mapping[str, Array], batch: int) -> Classes:
    for key, array in answers.items():
        _check_classes(key, array, batch)
    return _paired(answers.get("classes"), answers.get("scores"))


def _values(answers: Mapping[str, Array], batch: int) -> list[float]:
    _check_regressions(answers["outputs"], batch)
    flat: list[float] = answers["outputs"].ravel().tolist()
    return flat


def _check_classify(signature: Signature, check_method: bool) -> None:
    _check_method(signature, CLASSIFY, "classification", check_method)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {signature.proto}")
    if not signature.outputs.keys() & {"classes", "scores"}:
        raise invalid(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {signature.proto}"
        )


def _check_regress(signature: Signature, check_method: bool) -> None:
    _check_method(signature, REGRESS, "regression", check_method)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {signature.proto}")
    if "outputs" not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {signature.proto}")


def _check_method(signature: Signature, method: str, noun: str, check: bool) -> None:
    if check and signature.method != method:
        raise invalid(f"Expected {noun} signature method_name to be {method}. Was: {signature.method}")


def _check_classes(key: str, array: Array, batch: int) -> None:
    tensor_names, label = (STRING.numpy, "DT_STRING") if key == "classes" else (np.dtype(np.float32), "DT_FLOAT")
    if array.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
    if array.dtype != tensor_names:
        raise invalid(f"Expected {key} Tensor of {label}. Got: {_enum(array)}")
    if array.shape[0] != batch:
        raise invalid(f"Expected {key} output batch size of {batch}. Got: {array.shape[0]}")


def _paired(classes: Array | None, scores: Array | None) -> Classes:
    if classes is None and scores is None:
        return []
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    shape = classes.shape if classes is not None else scores.shape if scores is not None else (0, 0)
    labels = classes.tolist() if classes is not None else [[""] * shape[1]] * shape[0]
    values = scores.tolist() if scores is not None else [[0.0] * shape[1]] * shape[0]
    return [list(zip(*pair, strict=True)) for pair in zip(labels, values, strict=True)]


def _check_regressions(values: Array, batch: int) -> None:
    if values.ndim != 1 and (values.ndim != 2 or values.shape[1] != 1):
        raise invalid(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(values)}"
        )
    if values.shape[0] != batch:
        raise invalid(f"Input batch size did not match output batch size: {batch} vs. {values.shape[0]}")
    if values.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_enum(values)}")


def _shape(array: Array) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _enum(array: Array) -> str:
    return f"DT_{BY_NUMPY[array.dtype].name.upper()}"


def check_tasks(
    model: Model, tasks: Sequence[Message], check_method: bool = False
) -> tuple[list[Signature], list[list[str]]]:
    """Return signature and outputs of every task of a MultiInference. Raises ServingError for an invalid task."""
    signatures: dict[str, Signature] = {}
    outputs: list[list[str]] = []
    for task in tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        _check_spec(task.model_spec.name, tasks[0].model_spec.name)
        if name in signatures:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        if name not in model.signatures:
            raise invalid(f"Requested signature not found in model graph: {name}")
        signatures[name] = model.signatures[name]
        if task.method_name not in _OUTPUTS:
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        outputs.append(_OUTPUTS[task.method_name](signatures[name], check_method))
    return list(signatures.values()), outputs


def _check_spec(name: str, first: str) -> None:
    if not name:
        raise invalid("Found ModelSpec with an empty model name.")
    if name != first:
        raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")


_OUTPUTS = {CLASSIFY: _classify_outputs, REGRESS: _regress_outputs}
