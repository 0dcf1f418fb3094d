"""Run the source model on the golden inputs, so that the saved model is not only compared with itself.

What Python computes while a model is traced, a shape or a counter, is constant in the graph. Running the same calls
eagerly computes it again. The answers are kept until the saved model is run in this process.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import DeployerError
from deployer.export.base import ExportRequest
from deployer.export.golden import examples, synthetic_inputs
from deployer.export.golden.examples import Feed
from deployer.export.golden.session import DeclaredModel, InputRefused, as_array, declared
from deployer.export.runtime import disk_full, foreign_work, tensorflow, tf_module
from deployer.export.signature_writer import DEFAULT_SIGNATURE, Servable, Traced
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel import reader
from deployer.verification.golden import GoldenCase

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

SourceCall = Callable[[Feed], Feed]
"""A call from arrays by input name to arrays by output name; it may raise anything."""
CANNOT_RUN = "this kind of source cannot be asked"


@dataclass(frozen=True)
class SourceAnswers:
    """The source model's answers in request order.

    `refusals` are user examples that it refused. `unavailable` maps signatures that could not be run to the reason, and
    `default_reason` applies to all others. `notes` say which signatures accept less than they declare.
    """

    cases: tuple[GoldenCase, ...] = ()
    refusals: tuple[tuple[GoldenCase, str], ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)
    default_reason: str = CANNOT_RUN
    notes: tuple[str, ...] = ()

    def of(self, signature: str) -> list[GoldenCase]:
        """Return the cases of one signature; outputs are empty where the source model refused."""
        refusals = [case for case, _ in self.refusals if case.signature == signature]
        return [case for case in self.cases if case.signature == signature] + refusals

    def reason_for(self, signature: str) -> str:
        """Return why a signature has no answers."""
        return self.unavailable.get(signature, self.default_reason)

    def with_alias(self, name: str) -> SourceAnswers:
        """Return the answers with those of `name` repeated as `serving_default`."""
        again = [dataclasses.replace(case, signature=DEFAULT_SIGNATURE) for case in self.of(name) if case.outputs]
        others = (case for case in self.cases if case.signature != DEFAULT_SIGNATURE)
        return dataclasses.replace(self, cases=(*again, *others))


_answers: dict[Path, SourceAnswers] = {}


def run_source(target: Path, calls: Mapping[str, SourceCall], request: ExportRequest) -> None:
    """Run the source of the SavedModel in `target`, by signature name, and keep the answers for `pop_answers`."""
    model = declared(target)
    signatures = reader.read(target).signatures
    user_examples = _read_examples(model, signatures, request.examples)
    answers = [
        _run_signature(model, signature, calls[signature.name], user_examples)
        for signature in signatures
        if signature.name in calls
    ]
    _answers[target] = SourceAnswers(
        tuple(case for each in answers for case in each.cases),
        tuple(case for each in answers for case in each.refusals),
        {name: why for each in answers for name, why in each.unavailable.items()},
        notes=tuple(note for each in answers for note in each.notes),
    )


def pop_answers(target: Path) -> SourceAnswers | None:
    """Return and remove the answers kept for a SavedModel; None if its source was not run."""
    return _answers.pop(target, None)


def _read_examples(
    model: DeclaredModel, signatures: Sequence[Signature], file: Path | None
) -> examples.ExampleSet | None:
    if file is None:
        return None
    return examples.read(file, signatures, lambda signature: model.string_format(signature.name).features)


def _run_signature(
    model: DeclaredModel, signature: Signature, call: SourceCall, user_examples: examples.ExampleSet | None
) -> SourceAnswers:
    name = signature.name
    if user_examples and user_examples.signature == name:
        return _run_examples(name, user_examples.feeds, call)
    try:
        answers = synthetic_inputs.accepted(signature, lambda feed: _answer(call, feed), model.string_format(name))
    except InputRefused as error:
        return SourceAnswers(unavailable={name: f"the source model did not answer: {error}"})
    cases = tuple(GoldenCase(name, feed, outputs) for feed, outputs in answers.answers)
    return SourceAnswers(cases, notes=tuple(answers.notes))


def _run_examples(name: str, feeds: Sequence[Feed], call: SourceCall) -> SourceAnswers:
    cases: list[GoldenCase] = []
    refusals: list[tuple[GoldenCase, str]] = []
    for feed in feeds:
        try:
            cases.append(GoldenCase(name, feed, _answer(call, feed)))
        except InputRefused as error:  # noqa: PERF203 - a refusal is an expected answer
            refusals.append((GoldenCase(name, feed, {}), str(error)))
    reasons = {name: f"the source model did not answer the examples: {refusals[0][1]}"} if refusals else {}
    return SourceAnswers(tuple(cases), tuple(refusals), reasons)


def _answer(call: SourceCall, feed: Feed) -> Feed:
    try:
        with foreign_work("asked"):
            return call(feed)
    except DeployerError as error:
        raise InputRefused(error.message.removeprefix("asked: ")) from error


def eagerly(functions: Mapping[str, Traced]) -> dict[str, SourceCall]:
    """Return eager calls for traced functions; functions decorated with `tf.function` run eagerly, too."""
    return {name: _EagerCall(traced.servable).run_source for name, traced in functions.items()}


@dataclass
class _EagerCall:
    """A call that falls back to graph mode for what cannot run eagerly, such as gradients."""

    servable: Servable
    python: bool | None = None

    def run_source(self, feed: Feed) -> Feed:
        if self.python is not None:
            return self._ask(feed, python=self.python)
        try:
            answer = self._ask(feed, python=True)
        except Exception as error:
            if disk_full(error):
                raise
            answer = self._ask(feed, python=False)
            self.python = False
        else:
            self.python = True
        return answer

    def _ask(self, feed: Feed, *, python: bool) -> Feed:
        tf = tensorflow()
        with tf_module("tensorflow.python.eager.context").eager_mode(), _functions_run_eagerly(on=python):
            tensors = {spec.name: tf.constant(_input_value(spec, feed), spec.dtype) for spec in self.servable.inputs}
            outputs = self.servable.outputs(tensors, original=True)
            return {name: as_array(tensor.numpy()) for name, tensor in outputs.items()}


@contextmanager
def _functions_run_eagerly(*, on: bool) -> Iterator[None]:
    config = tensorflow().config
    before = config.functions_run_eagerly()
    config.run_functions_eagerly(on)
    try:
        yield
    finally:
        config.run_functions_eagerly(before)


def _input_value(spec: TensorSpec, feed: Feed) -> Array:
    """Return the value of an input; an unused input is not in the signature and gets any value."""
    import numpy as np

    if spec.name in feed:
        return feed[spec.name]
    rows = next((array.shape[0] for array in feed.values() if array.ndim), 1)
    shape = tuple((1 if position else rows) if size is None else size for position, size in enumerate(spec.shape or ()))
    return np.full(shape, b"", object) if spec.dtype == "string" else np.zeros(shape)
