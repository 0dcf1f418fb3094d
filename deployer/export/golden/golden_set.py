"""Record the golden set: the saved model's answers to example inputs, stored with the version."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from deployer.client import tf_examples
from deployer.errors import GoldenError, MalformedTensor
from deployer.export.golden import examples, fidelity, synthetic_inputs
from deployer.export.golden.records import write_records
from deployer.export.golden.session import InputRefused, LoadedModel, loaded
from deployer.export.golden.source_answers import SourceAnswers
from deployer.results.model import DTYPES, GoldenSummary, Signature
from deployer.results.progress import Phase, Progress
from deployer.savedmodel import reader
from deployer.savedmodel.layout import GOLDEN_FILE
from deployer.verification.golden import GoldenCase, Tolerance, compare, is_binary_output, to_record

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

MAX_BYTES = 16 << 20
GIVE_EXAMPLES = "give real inputs with --examples FILE"
DENSE_HINTS = {
    "ragged": "take a padded tensor with lengths, or tf.Example messages",
    "sparse": "take a dense tensor, or tf.Example messages",
}


@dataclass(frozen=True)
class RecordedAnswers:
    """Golden cases of the signatures that answered, and why the others were skipped.

    `compared` pairs the source model's answers with the saved model's. `notes` say which signatures accept less than
    they declare.
    """

    cases: tuple[GoldenCase, ...]
    skipped: tuple[str, ...]
    compared: tuple[tuple[GoldenCase, GoldenCase], ...] = ()
    notes: tuple[str, ...] = ()


def make(target: Path, examples_file: Path | None, source: SourceAnswers, progress: Progress) -> GoldenSummary:
    """Run the saved model twice and write `assets.extra/golden.tfrecord`.

    Raises GoldenError, BrokenModel, and SourceDiffers if its answers differ from its source's.
    """
    signatures = reader.read(target).signatures
    progress(Phase("recording reference answers from TensorFlow (golden set)"))
    with loaded(target) as model:
        user_examples = _read_examples(model, signatures, examples_file)
        answers = _record_answers(model, signatures, user_examples, source)
        random = _unstable_outputs(answers.cases, model, signatures)
        may_differ = model.may_differ_between_loads()
        half_precision = model.uses_half_precision()
    if may_differ:
        with loaded(target) as model:
            random |= _unstable_outputs(answers.cases, model, signatures)
    _compare(answers, signatures, random, half_precision=half_precision)
    write_records(target / GOLDEN_FILE, map(to_record, answers.cases))
    origin = f"examples in {examples_file.name}" if examples_file else "made from the signature"
    compared = tuple(dict.fromkeys(case.signature for case, _ in answers.compared))
    return GoldenSummary(
        len(answers.cases),
        origin,
        tuple(sorted(random)),
        answers.skipped,
        compared=compared,
        not_compared=_not_compared(answers, compared, source),
        notes=(*answers.notes, *_bytes_as_text(answers.cases)),
    )


def _bytes_as_text(cases: Sequence[GoldenCase]) -> tuple[str, ...]:
    """Return a note for each output that REST cannot carry because its name does not mark it as bytes."""
    found = {
        (case.signature, name): None
        for case in cases
        if case.method == tf_examples.PREDICT
        for name, array in case.outputs.items()
        if is_binary_output(name, array)
    }
    return tuple(
        f"{signature}: output {name!r} holds bytes that are not UTF-8, which REST cannot carry: "
        f'named {name}_bytes, it is sent as {{"b64": ...}}'
        for signature, name in found
    )


def _compare(
    answers: RecordedAnswers, signatures: Sequence[Signature], random: Collection[str], *, half_precision: bool
) -> None:
    by_name = {signature.name: signature for signature in signatures}
    for source_case, saved in answers.compared:
        fidelity.check(by_name[saved.signature], source_case, saved, random, half_precision=half_precision)


def _not_compared(answers: RecordedAnswers, compared: Collection[str], source: SourceAnswers) -> tuple[str, ...]:
    """Return each signature whose golden answers are not all compared with the source model, and why."""
    names = dict.fromkeys(case.signature for case in answers.cases)
    partly_compared = [name for name in names if name not in compared or name in source.unavailable]
    if len(partly_compared) > 1 and not compared and not source.unavailable:
        return (source.default_reason,)
    return tuple(
        f"{name}: {source.reason_for(name)}" if len(names) > 1 else source.reason_for(name) for name in partly_compared
    )


def _read_examples(
    model: LoadedModel, signatures: Sequence[Signature], file: Path | None
) -> examples.ExampleSet | None:
    if file is None:
        return None
    return examples.read(file, signatures, lambda signature: model.string_format(signature.name).features)


def _record_answers(
    model: LoadedModel,
    signatures: Sequence[Signature],
    user_examples: examples.ExampleSet | None,
    source: SourceAnswers,
) -> RecordedAnswers:
    cases: list[GoldenCase] = []
    skipped: list[str] = []
    compared: list[tuple[GoldenCase, GoldenCase]] = []
    notes: list[str] = []
    if user_examples and user_examples.kept < user_examples.rows_found:
        notes.append(f"{user_examples.kept} of {user_examples.rows_found} examples are kept")
    for signature in signatures:
        try:
            found = _cases(model, signature, user_examples, source)
            kept = _within_limit(found.cases)
        except InputRefused as error:
            skipped.append(f"{signature.name}: {error}")
            continue
        if len(kept) < len(found.cases):
            notes.append(f"{signature.name}: {len(kept)} of {len(found.cases)} cases fit into {MAX_BYTES >> 20} MB")
        cases.extend(kept)
        compared.extend(found.compared)
        notes.extend(found.notes)
    return RecordedAnswers(tuple(cases), tuple(skipped), tuple(compared), tuple(notes))


def _cases(
    model: LoadedModel, signature: Signature, user_examples: examples.ExampleSet | None, source: SourceAnswers
) -> RecordedAnswers:
    """Answer the requests that the source model answered, or else the user's examples, or else synthetic inputs."""
    source_cases = source.of(signature.name)
    is_given = user_examples is not None and user_examples.signature == signature.name
    if source_cases:
        pairs = [(case.inputs, _same_answer(model, signature, case, is_given=is_given)) for case in source_cases]
        notes = [note for note in source.notes if note.startswith(f"{signature.name}: ")]
    elif user_examples is not None and is_given:
        pairs, notes = [(feed, _given_answer(model, signature, feed)) for feed in user_examples.feeds], []
    else:
        synthetic = _synthetic(model, signature)
        pairs, notes = [*synthetic.answers], synthetic.notes
    cases = [GoldenCase(signature.name, feed, outputs, model.method(signature)) for feed, outputs in pairs]
    compared = [(case, saved) for case, saved in zip(source_cases, cases, strict=False) if case.outputs]
    return RecordedAnswers(tuple(cases), (), tuple(compared), tuple(notes))


def _same_answer(model: LoadedModel, signature: Signature, case: GoldenCase, *, is_given: bool) -> dict[str, Array]:
    """Return the saved model's answer to a request that the source model answered.

    Raises SourceDiffers if only the source model answered.
    """
    if is_given and not case.outputs:
        return _given_answer(model, signature, dict(case.inputs))
    if problem := _unsupported(model, signature):
        raise InputRefused(problem)
    try:
        return answer(model, signature, case.inputs)
    except InputRefused as error:
        raise fidelity.differs_error(signature, case, f"it refuses what the source model answers: {error}") from error


def _given_answer(model: LoadedModel, signature: Signature, feed: examples.Feed) -> dict[str, Array]:
    try:
        if problem := _unsupported(model, signature):
            raise GoldenError(f"no examples can be kept for {signature.name}: {problem}")
        return answer(model, signature, feed)
    except InputRefused as error:
        raise GoldenError(f"TensorFlow refused an example for {signature.name}: {error}") from error


def _synthetic(model: LoadedModel, signature: Signature) -> synthetic_inputs.SyntheticSet:
    if problem := _unsupported(model, signature):
        raise InputRefused(problem)
    string_format = model.string_format(signature.name)
    try:
        return synthetic_inputs.accepted(signature, lambda feed: answer(model, signature, feed), string_format)
    except InputRefused as error:
        raise InputRefused(f"TensorFlow refused every input that was made up ({error}); {GIVE_EXAMPLES}") from error


def answer(model: LoadedModel, signature: Signature, feed: Mapping[str, Array]) -> dict[str, Array]:
    """Return the answer of the signature's method: tensors, or classifications or regressions. Raises InputRefused."""
    outputs = model.run(signature, feed)
    method = model.method(signature)
    try:
        return outputs if method == tf_examples.PREDICT else tf_examples.method_outputs(method, outputs)
    except MalformedTensor as error:
        raise InputRefused(error.message) from error


def _unsupported(model: LoadedModel, signature: Signature) -> str | None:
    for spec in (*signature.inputs, *signature.outputs):
        if spec.dtype not in DTYPES:
            return f"{spec.name!r} is {spec.dtype}, which no request carries"
    method = model.method(signature)
    if method != tf_examples.PREDICT and not _takes_examples(signature):
        return f"{method} wants one input 'inputs' of serialized tf.Example messages"
    if parts := _sparse_parts(model.signatures[signature.name]):
        return f"{parts!r} is a sparse tensor of TensorFlow 1, and requests carry dense ones; {DENSE_HINTS['sparse']}"
    kind = model.string_format(signature.name).composite
    return f"its function takes a {kind} tensor, and requests carry dense ones; {DENSE_HINTS[kind]}" if kind else None


def _sparse_parts(definition: Message) -> str | None:
    """Return the first input or output declared by values, indices and shape, which has no tensor of its own."""
    infos = {**definition.inputs, **definition.outputs}
    return next((name for name in sorted(infos) if infos[name].WhichOneof("encoding") == "coo_sparse"), None)


def _takes_examples(signature: Signature) -> bool:
    return [(spec.name, spec.dtype) for spec in signature.inputs] == [(tf_examples.INPUT, "string")]


def _within_limit(cases: Iterable[GoldenCase]) -> list[GoldenCase]:
    kept: list[GoldenCase] = []
    remaining_bytes = MAX_BYTES
    for case in cases:
        remaining_bytes -= sum(examples.size_of(array) for array in (*case.inputs.values(), *case.outputs.values()))
        if remaining_bytes >= 0:
            kept.append(case)
    if not kept:
        raise InputRefused(f"one example with its answer takes more than {MAX_BYTES >> 20} MB")
    return kept


def _unstable_outputs(cases: Sequence[GoldenCase], model: LoadedModel, signatures: Sequence[Signature]) -> set[str]:
    """Return `signature/output` of every output that differs when the same request is repeated.

    Requests run in reverse order, which exposes models that remember the previous request. If the outputs of a
    signature vary, all other signatures that change the model's state count too, because concurrent clients affect each
    other.
    """
    by_name = {signature.name: signature for signature in signatures}
    found = {
        f"{case.signature}/{output}"
        for case in reversed(cases)
        for output in _changed_outputs(case, model, by_name[case.signature])
    }
    unstable = {output_id.partition("/")[0] for output_id in found}
    affected = [case for case in cases if unstable - {case.signature} and model.mutates_state(case.signature)]
    return found | {f"{case.signature}/{output}" for case in affected for output in case.outputs}


def _changed_outputs(case: GoldenCase, model: LoadedModel, signature: Signature) -> list[str]:
    """Return the outputs that changed; all of them if the model now refuses the same inputs."""
    try:
        again = answer(model, signature, case.inputs)
    except InputRefused:
        return list(case.outputs)
    return [name for name, value in again.items() if compare(case.outputs[name], value, Tolerance()).fault]
