"""Makes the golden set: the saved model answers example inputs, and what it says is kept beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.client import tf_examples
from deployer.errors import GoldenError, MalformedTensor
from deployer.export.base import Progress
from deployer.export.golden import examples, fidelity, synthetic_inputs
from deployer.export.golden.records import write_records
from deployer.export.golden.session import Refused, Running, loaded
from deployer.export.golden.source_answers import SourceAnswers
from deployer.results.model import DTYPES, GoldenSummary, Signature
from deployer.savedmodel import reader
from deployer.savedmodel.layout import GOLDEN_FILE
from deployer.verification.golden import GoldenCase, Tolerance, compare, is_binary_output, to_record

MAX_BYTES = 16 << 20
BY_EXAMPLES = "give real inputs with --examples FILE"
BY_DENSE = {
    "ragged": "take a padded tensor with lengths, or tf.Example messages",
    "sparse": "take a dense tensor, or tf.Example messages",
}


@dataclass(frozen=True)
class Answers:
    """The cases of the signatures that answered, and why the others did not. `compared` go with what the source model
    answered to the same question; `notes` say what a signature takes less of than it declares."""

    cases: tuple[GoldenCase, ...]
    skipped: tuple[str, ...]
    compared: tuple[tuple[GoldenCase, GoldenCase], ...] = ()
    notes: tuple[str, ...] = ()


def make(target: Path, examples_file: Path | None, source: SourceAnswers, progress: Progress) -> GoldenSummary:
    """Ask the saved model, ask it again, write `assets.extra/golden.tfrecord`.

    Raises GoldenError, BrokenModel, and SourceDiffers where it does not answer as its source did.
    """
    signatures = reader.read(target).signatures
    progress("recording reference answers from TensorFlow (golden set)")
    with loaded(target) as model:
        given = _given(model, signatures, examples_file)
        answers = _answers(model, signatures, given, source)
        random = _changing(answers.cases, model, signatures)
        ask_again = model.may_change_between_loads()
        halves = model.computes_in_halves()
    if ask_again:
        with loaded(target) as model:
            random |= _changing(answers.cases, model, signatures)
    _compare(answers, signatures, random, halves=halves)
    write_records(target / GOLDEN_FILE, map(to_record, answers.cases))
    origin = f"examples in {examples_file.name}" if examples_file else "made from the signature"
    compared = tuple(dict.fromkeys(asked.signature for asked, _ in answers.compared))
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
    """A note for each output that REST cannot carry, because its name does not say that it holds bytes."""
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


def _compare(answers: Answers, signatures: Sequence[Signature], random: Collection[str], *, halves: bool) -> None:
    by_name = {signature.name: signature for signature in signatures}
    for asked, saved in answers.compared:
        fidelity.check(by_name[saved.signature], asked, saved, random, halves=halves)


def _not_compared(answers: Answers, compared: Collection[str], source: SourceAnswers) -> tuple[str, ...]:
    """Each signature with golden answers of which some or all were not the source model's own, and why."""
    asked = dict.fromkeys(case.signature for case in answers.cases)
    named = [name for name in asked if name not in compared or name in source.not_asked]
    if len(named) > 1 and not compared and not source.not_asked:
        return (source.otherwise,)
    return tuple(f"{name}: {source.why_not(name)}" if len(asked) > 1 else source.why_not(name) for name in named)


def _given(model: Running, signatures: Sequence[Signature], file: Path | None) -> examples.Given | None:
    if file is None:
        return None
    return examples.read(file, signatures, lambda signature: model.wanted(signature.name).features)


def _answers(
    model: Running,
    signatures: Sequence[Signature],
    given: examples.Given | None,
    source: SourceAnswers,
) -> Answers:
    cases: list[GoldenCase] = []
    skipped: list[str] = []
    compared: list[tuple[GoldenCase, GoldenCase]] = []
    notes: list[str] = []
    if given and given.kept < given.found:
        notes.append(f"{given.kept} of {given.found} examples are kept")
    for signature in signatures:
        try:
            found = _cases(model, signature, given, source)
            kept = _within_limit(found.cases)
        except Refused as error:
            skipped.append(f"{signature.name}: {error}")
            continue
        if len(kept) < len(found.cases):
            notes.append(f"{signature.name}: {len(kept)} of {len(found.cases)} cases fit into {MAX_BYTES >> 20} MB")
        cases.extend(kept)
        compared.extend(found.compared)
        notes.extend(found.notes)
    return Answers(tuple(cases), tuple(skipped), tuple(compared), tuple(notes))


def _cases(model: Running, signature: Signature, given: examples.Given | None, source: SourceAnswers) -> Answers:
    """The questions that the source model was asked, or the user's, or made up."""
    asked = source.of(signature.name)
    is_given = given is not None and given.signature == signature.name
    if asked:
        answered = [(case.inputs, _same_answer(model, signature, case, is_given=is_given)) for case in asked]
        notes = [note for note in source.notes if note.startswith(f"{signature.name}: ")]
    elif given is not None and is_given:
        answered, notes = [(feed, _given_answer(model, signature, feed)) for feed in given.feeds], []
    else:
        made_up = _made_up(model, signature)
        answered, notes = [*made_up.answered], made_up.notes
    cases = [GoldenCase(signature.name, feed, outputs, model.method(signature)) for feed, outputs in answered]
    compared = [(case, saved) for case, saved in zip(asked, cases, strict=False) if case.outputs]
    return Answers(tuple(cases), (), tuple(compared), tuple(notes))


def _same_answer(model: Running, signature: Signature, case: GoldenCase, *, is_given: bool) -> dict[str, Any]:
    """The saved model's answer to what the source model was asked. Raises SourceDiffers where only that answered."""
    if is_given and not case.outputs:
        return _given_answer(model, signature, dict(case.inputs))
    if problem := _uncarried(model, signature):
        raise Refused(problem)
    try:
        return answer(model, signature, case.inputs)
    except Refused as error:
        raise fidelity.differs(signature, case, f"it refuses what the source model answers: {error}") from error


def _given_answer(model: Running, signature: Signature, feed: examples.Feed) -> dict[str, Any]:
    try:
        if problem := _uncarried(model, signature):
            raise GoldenError(f"no examples can be kept for {signature.name}: {problem}")
        return answer(model, signature, feed)
    except Refused as error:
        raise GoldenError(f"TensorFlow refused an example for {signature.name}: {error}") from error


def _made_up(model: Running, signature: Signature) -> synthetic_inputs.Made:
    if problem := _uncarried(model, signature):
        raise Refused(problem)
    wanted = model.wanted(signature.name)
    try:
        return synthetic_inputs.answered(signature, lambda feed: answer(model, signature, feed), wanted)
    except Refused as error:
        raise Refused(f"TensorFlow refused every input that was made up ({error}); {BY_EXAMPLES}") from error


def answer(model: Running, signature: Signature, feed: Mapping[str, Any]) -> dict[str, Any]:
    """What the signature's method answers: tensors, or what classify and regress make of them. Raises Refused."""
    outputs = model.run(signature, feed)
    method = model.method(signature)
    try:
        return outputs if method == tf_examples.PREDICT else tf_examples.method_outputs(method, outputs)
    except MalformedTensor as error:
        raise Refused(error.message) from error


def _uncarried(model: Running, signature: Signature) -> str | None:
    for spec in (*signature.inputs, *signature.outputs):
        if spec.dtype not in DTYPES:
            return f"{spec.name!r} is {spec.dtype}, which no request carries"
    method = model.method(signature)
    if method != tf_examples.PREDICT and not _takes_examples(signature):
        return f"{method} wants one input 'inputs' of serialized tf.Example messages"
    if parts := _in_parts(model.signatures[signature.name]):
        return f"{parts!r} is a sparse tensor of TensorFlow 1, and requests carry dense ones; {BY_DENSE['sparse']}"
    kind = model.wanted(signature.name).composite
    return f"its function takes a {kind} tensor, and requests carry dense ones; {BY_DENSE[kind]}" if kind else None


def _in_parts(definition: Any) -> str | None:
    """The first input or output that is declared by its values, indices and shape: it has no tensor of its own."""
    infos = {**definition.inputs, **definition.outputs}
    return next((name for name in sorted(infos) if infos[name].WhichOneof("encoding") == "coo_sparse"), None)


def _takes_examples(signature: Signature) -> bool:
    return [(spec.name, spec.dtype) for spec in signature.inputs] == [(tf_examples.INPUT, "string")]


def _within_limit(cases: Iterable[GoldenCase]) -> list[GoldenCase]:
    kept: list[GoldenCase] = []
    room = MAX_BYTES
    for case in cases:
        room -= sum(examples.size_of(array) for array in (*case.inputs.values(), *case.outputs.values()))
        if room >= 0:
            kept.append(case)
    if not kept:
        raise Refused(f"one example with its answer takes more than {MAX_BYTES >> 20} MB")
    return kept


def _changing(cases: Sequence[GoldenCase], model: Running, signatures: Sequence[Signature]) -> set[str]:
    """`signature/output` of every output that is another one when the same is asked again.

    It is asked in the opposite order: what remembers the question before shows. Where the answers of a signature
    change, those of all others that change what the model remembers are exempt, too: many clients disturb each other.
    """
    by_name = {signature.name: signature for signature in signatures}
    found = {
        f"{case.signature}/{output}"
        for case in reversed(cases)
        for output in _changed_outputs(case, model, by_name[case.signature])
    }
    changing = {place.partition("/")[0] for place in found}
    disturbed = [case for case in cases if changing - {case.signature} and model.writes(case.signature)]
    return found | {f"{case.signature}/{output}" for case in disturbed for output in case.outputs}


def _changed_outputs(case: GoldenCase, model: Running, signature: Signature) -> list[str]:
    """All of them when a model that has answered refuses the same inputs now."""
    try:
        again = answer(model, signature, case.inputs)
    except Refused:
        return list(case.outputs)
    return [name for name, value in again.items() if compare(case.outputs[name], value, Tolerance()).fault]
