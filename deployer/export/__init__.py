"""Export trained models as verified SavedModels; besides the server, the only package that imports TensorFlow.

Importing this package imports neither TensorFlow nor NumPy; `identify` never does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from deployer.errors import ExportFailed
from deployer.export import fingerprints, op_checks, rewriting
from deployer.export.base import ExportRequest, Saved, SourceKind
from deployer.export.digest import options_digest, request_digest
from deployer.export.golden import source_answers
from deployer.export.golden.source_answers import SourceAnswers
from deployer.export.runtime import stdout_on_stderr, writing_to
from deployer.export.saved_models import directory
from deployer.export.source_kinds import check_options, is_saved_model_source, kind_of, writes_warmup
from deployer.results.model import GoldenSummary, Source
from deployer.results.progress import Phase, Progress
from deployer.savedmodel import lfs_pointers, reader
from deployer.savedmodel.layout import WARMUP_FILE

__all__ = ["ExportRequest", "Saved", "check", "identify", "record_golden", "save"]


def check(request: ExportRequest) -> tuple[SourceKind, str]:
    """Return kind and location of a source after checks that need no TensorFlow. Raises ModelError."""
    kind = kind_of(request.source)
    check_options(request)
    location = kind.location(request.source)
    lfs_pointers.check(_files_of(request))
    if Path(location).is_dir():
        directory.check(request)
    return kind, location


def identify(request: ExportRequest) -> Source:
    """Return kind, location and digest of a source.

    The digest is None if only running the source shows what it produces.
    """
    kind, location = check(request)
    request = request if writes_warmup(request) else dataclasses.replace(request, warmup_sizes=())
    digest = None if request.signatures or request.custom_objects else kind.digest(request)
    combined_digest = None if digest is None else request_digest(kind.KIND, digest, request)
    return Source(kind.KIND, location, combined_digest, options=options_digest(request), content=digest)


def save(request: ExportRequest, target: Path, progress: Progress) -> Saved:
    """Write the source as a SavedModel into the existing, empty directory `target`.

    Raises ModelError or ExtraMissing with cause and hint. The caller removes what was written until then.
    """
    check_options(request)
    _check_input_names(request)
    with stdout_on_stderr(), writing_to(target):
        saved = kind_of(request.source).save(request, target, progress)
        if request.default_signature is not None:
            rewriting.set_default(target, request.default_signature)
            saved = dataclasses.replace(saved, rewritten=True)
        if saved.rewritten or not is_saved_model_source(request):
            fingerprints.make_repeatable(target)
        _check_signature(request, target)
        op_checks.check(target)
    return saved


def _files_of(request: ExportRequest) -> Iterator[Path]:
    """Yield every file that a request names; directories of models are checked where they are read."""
    places = (Path(request.source), Path(request.source.rpartition(":")[0]))
    yield from (location for location in places if not location.is_dir())
    yield from (path for path in (request.examples, request.weights) if path is not None)
    for text in (request.custom_objects or "", *(text.partition("=")[2] for text in request.signatures)):
        location = Path(text.rpartition(":")[0])
        if not location.is_dir():
            yield location


def _check_input_names(request: ExportRequest) -> None:
    input_names = [spec.name for spec in request.specs]
    for location, name in enumerate(input_names):
        if name in input_names[:location]:
            raise ExportFailed(f"--input names {name!r} twice")


def _check_signature(request: ExportRequest, target: Path) -> None:
    input_names = [signature.name for signature in reader.read(target).signatures]
    if request.signature is not None and request.signature not in input_names:
        raise ExportFailed(
            f"the model has no signature {request.signature!r}; it has {', '.join(input_names) or 'none'}",
            hint=f"--signature {input_names[0]}" if input_names else None,
        )


def _source_answers(target: Path, request: ExportRequest) -> SourceAnswers:
    """Return what the source model answered during the save, or the reason why it was not run."""
    answers = source_answers.pop_answers(target)
    if answers is None:
        return SourceAnswers(default_reason="an Estimator writes its SavedModel itself")
    return answers if request.default_signature is None else answers.with_alias(request.default_signature)


def record_golden(target: Path, request: ExportRequest, progress: Progress) -> GoldenSummary:
    """Run the saved model on example inputs as TensorFlow Serving does, and store its answers and a warm-up.

    Raises SourceDiffers if the source model, saved in this process, answered otherwise, and other kinds of ModelError.
    """
    from deployer.export.golden import golden_set as golden
    from deployer.export.golden import warmup

    with stdout_on_stderr(), writing_to(target):
        summary = golden.make(target, request.examples, _source_answers(target, request), progress)
        if (target / WARMUP_FILE).exists():
            progress(Phase("asking what the source's own warm-up file asks"))
            records = warmup.check(target)
        else:
            records = warmup.make(target, request.warmup_sizes) if writes_warmup(request) else 0
    if is_saved_model_source(request):
        summary = dataclasses.replace(summary, not_compared=(), itself=True)
    return dataclasses.replace(summary, warmup=records)
