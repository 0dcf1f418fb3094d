"""The only room that prints. Data goes to stdout, progress and hints to stderr; `--json` is one object on stdout."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from deployer.deployment import Plan, Rendered, listed
from deployer.errors import DeployerError
from deployer.model import Model, Signature
from deployer.report import (
    DeploymentStatus,
    DiffResult,
    DoctorResult,
    DownResult,
    ExportResult,
    HistoryResult,
    InspectResult,
    PruneResult,
    Release,
    Report,
    SmokeResult,
    TokenResult,
    TrafficFigures,
    UnlockResult,
    UpResult,
    VersionsResult,
)

GREEN, RED, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[1m", "\033[0m"


def progress(text: str) -> None:
    """A step that has begun."""
    print(f"… {text}", file=sys.stderr, flush=True)


def out(text: str) -> None:
    """A line of data."""
    print(text, flush=True)


def error(failure: DeployerError) -> None:
    """What failed, the server's last lines where they help, and the next thing to type."""
    print(f"{_paint('error:', RED)} {failure.message}", file=sys.stderr)
    for line in failure.log:
        print(f"  | {line}", file=sys.stderr)
    if failure.hint:
        print(f"{_paint('hint:', BOLD)} {failure.hint}", file=sys.stderr)


def error_json(failure: DeployerError) -> None:
    """The same as one object, beside what was found or done all the same."""
    document = {"code": failure.exit_code, "message": failure.message, "hint": failure.hint, "log": list(failure.log)}
    done = {"deployments": plain(failure.results)} if failure.results else {}
    out(_dumps({**done, "error": document}))


def bug(report: Path) -> None:
    """An error of ours: one line on the screen, the rest in a file."""
    print(f"{_paint('bug:', RED)} deployer failed unexpectedly; the traceback is in {report}", file=sys.stderr)


def show_json(result: Any) -> None:
    """Any result as one object; lists of results as an object with one key."""
    out(_dumps(plain(result)))


def _dumps(document: Any) -> str:
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return json.dumps(document, indent=2, ensure_ascii=not unicode)


def plain(value: Any) -> Any:
    """Values as JSON has them: dataclasses as objects with their properties, paths and enums as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {found.name: plain(getattr(value, found.name)) for found in dataclasses.fields(value)}
        return {**fields, **_derived(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _derived(value: Any) -> dict[str, Any]:
    if isinstance(value, Plan):
        return {"digest": value.digest}
    return {"ok": value.ok} if isinstance(value, (Report, DoctorResult)) else {}


def show_up(result: UpResult) -> None:
    """The plan after a dry run; after a deploy the proof and the endpoint."""
    out(str(result.plan))
    if result.report is None:
        out(f"digest {result.plan.digest}")
    if result.report is not None:
        show_report(result.report)
    if result.traffic is not None:
        show_traffic(result.traffic)
    if result.endpoints is None:
        return
    model = result.models[0]
    out(f"\nREST  {result.endpoints.rest}/v1/models/{model.name}\ngRPC  {result.endpoints.grpc}")


def show_next_steps(result: UpResult) -> None:
    """What to do with an endpoint."""
    if result.endpoints is not None:
        print(f"\nask it:   deployer predict {result.name}\nstop it:  deployer down {result.name}", file=sys.stderr)


def show_report(report: Report) -> None:
    """A line for each check."""
    for check in report.checks:
        mark = _paint("ok  ", GREEN) if check.ok else _paint("FAIL", RED)
        out(f"  {mark}  {check.model}  {check.name:<16} {check.milliseconds:>8.1f} ms  {check.detail}")


def show_traffic(seen: TrafficFigures) -> None:
    """What clients would have noticed of a change."""
    out(f"\n{_traffic(seen)}, at {seen.rate:g} requests a second")
    for name, phase in (("before", seen.before), ("during", seen.during), ("after", seen.after)):
        took = "" if phase.p50_ms is None else f"  p50 {phase.p50_ms:.1f} ms  p99 {phase.p99_ms:.1f} ms"
        out(f"  {name:<6} {phase.requests:>6} requests, {phase.failures} failed{took}")
    if seen.first_failure:
        out(f"  the first failure: {seen.first_failure}")


def _traffic(seen: TrafficFigures) -> str:
    return f"{seen.failures} of {seen.requests} requests failed, longest gap {seen.longest_gap_ms:.0f} ms"


def show_export(result: ExportResult) -> None:
    """The version, and whether it is new."""
    model = result.model
    out(f"{model.name}:{model.version}  {'exported' if result.created else 'unchanged'}  {model.path}")
    _show_golden(model)


def show_down(results: Sequence[DownResult]) -> None:
    """What is gone."""
    for result in results:
        out(f"{result.name} [{result.env}] is down")


def show_unlock(result: UnlockResult) -> None:
    """Whose lock it is, or was."""
    what = f"{result.name} [{result.env}]"
    if result.owner is None:
        out(f"nobody works on {what}: there is no lock")
    else:
        out(f"{what} {'was taken from' if result.taken else 'is being worked on by'} {result.owner}")


def show_history(result: HistoryResult) -> None:
    """A table, a line for each release; why one failed stands below."""
    if not result.releases:
        print("nothing was deployed yet", file=sys.stderr)
        return
    _show_table(
        [
            ("RELEASE", "DEPLOYMENT", "CHANGE", "MODELS", "OUTCOME", "SECONDS", "BEGAN", "BY"),
            *map(_history_row, result.releases),
        ]
    )
    for release in result.releases:
        for text in (release.detail, _traffic(release.traffic) if release.traffic else ""):
            if text:
                print(f"{release.number}: {text}", file=sys.stderr)


def _history_row(release: Release) -> tuple[str, ...]:
    seconds = "-" if release.seconds is None else f"{release.seconds:.1f}"
    where = f"{release.name} [{release.env}]"
    outcome = release.outcome.value
    return (
        str(release.number),
        where,
        release.change,
        listed(release.models),
        outcome,
        seconds,
        release.began,
        release.who,
    )


def _show_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_status(statuses: Sequence[DeploymentStatus]) -> None:
    """A table, a line for each deployment."""
    if not statuses:
        print("nothing is deployed", file=sys.stderr)
        return
    _show_table([("NAME", "ENV", "ENGINE", "MODELS", "STATE", "REST", "GRPC"), *map(_status_row, statuses)])
    for status in statuses:
        for text in ("" if status.healthy else status.detail, status.warning):
            if text:
                print(f"{status.deployment.name} [{status.deployment.env}]: {text}", file=sys.stderr)


def _status_row(status: DeploymentStatus) -> tuple[str, ...]:
    found = status.deployment
    state = "serving" if status.healthy else ("not healthy" if found.running else "not running")
    return (
        found.name,
        found.env,
        found.engine if found.front is None else f"{found.engine}, gateway",
        listed(found.models),
        state,
        found.endpoints.rest,
        found.endpoints.grpc,
    )


def show_smoke(result: SmokeResult) -> None:
    """The proof, and where it was made."""
    out(f"{result.name} [{result.env}] at {result.endpoints.rest}")
    show_report(result.report)


def show_token(result: TokenResult) -> None:
    """The token alone, so that it can be caught."""
    if result.token is not None:
        out(result.token)
    print(f"{result.file} has changed: deployer up brings it to the gateway", file=sys.stderr)


def show_doctor(result: DoctorResult) -> None:
    """A line for each finding, with its remedy."""
    marks = {"ok": _paint("ok  ", GREEN), "warning": _paint("warn", BOLD), "error": _paint("FAIL", RED)}
    for finding in result.findings:
        out(f"  {marks[finding.severity]}  {finding.check:<16} {finding.message}")
        if finding.remedy:
            out(f"        {'':<16} -> {finding.remedy}")


def show_versions(result: VersionsResult) -> None:
    """A line for each version."""
    for model in result.models:
        size = model.info.size_bytes / 2**20
        source = f"{model.source.kind}  {model.source.location}"
        out(f"{model.name}:{model.version}  {size:8.2f} MiB  {model.created}  {source}")


def show_prune(result: PruneResult) -> None:
    """A line for each version that goes, and what that frees."""
    for model in result.removed:
        out(f"{model.name}:{model.version}  {'removed' if result.done else 'would be removed'}")
    size = sum(model.info.size_bytes for model in result.removed) / 2**20
    gone = "are gone" if result.done else "would go"
    out(f"{len(result.kept)} versions stay; {len(result.removed)} with {size:.2f} MiB {gone}")


def show_diff(result: DiffResult) -> None:
    """Each change with its verdict, how far the answers are apart, and both versions' figures."""
    verdict = _paint("breaking", RED) if result.breaking else _paint("compatible", GREEN)
    out(f"{result.name}:{result.before.version} -> {result.name}:{result.after.version}  {verdict}")
    for change in result.changes:
        mark = _paint("breaking  ", RED) if change.breaking else _paint("compatible", GREEN)
        out(f"  {mark}  {change.signature}  {change.place or 'signature'}: {change.detail}")
    for apart in result.distances:
        far = "no distance" if apart.worst is None else f"worst {apart.worst:.3g}, mean {apart.mean:.3g}"
        detail = f"  ({apart.detail})" if apart.detail else ""
        out(f"  {apart.signature}/{apart.output}: {far}, {apart.differing} of {apart.values} differ{detail}")
    for reason in result.refused:
        out(f"  no answer: {reason}")
    for figures in (result.before, result.after):
        took = "" if figures.milliseconds is None else f"  {figures.milliseconds:.2f} ms"
        out(f"  {result.name}:{figures.version}  {figures.size_bytes / 2**20:.2f} MiB{took}")


def show_inspect(result: InspectResult) -> None:
    """Signatures with names, dtypes and shapes, and a request for each that works."""
    model = result.model
    out(f"{model.name}:{model.version or '-'}  {model.path}")
    size = model.info.size_bytes / 2**20
    out(f"  TensorFlow {model.info.tensorflow}, Keras {model.info.keras or '-'}, {size:.2f} MiB")
    for signature in model.info.signatures:
        _show_signature(signature)
    _show_golden(model)
    for note in result.notes:
        out(f"  {_paint('note:', BOLD)} {note}")
    for line in result.curl:
        out(f"  {line}")


def _show_signature(signature: Signature) -> None:
    out(f"  {signature.name}  ({signature.method or 'no method'})")
    for arrow, specs in (("in ", signature.inputs), ("out", signature.outputs)):
        for spec in specs:
            out(f"    {arrow} {spec.name}: {spec}")


def _show_golden(model: Model) -> None:
    golden = model.golden
    out(f"  golden set: {golden.cases} cases, {golden.origin}")
    if golden.warmup:
        out(f"  warm-up: {golden.warmup} requests")
    for name in golden.random_outputs:
        out(f"    random by nature, values not compared: {name}")
    for reason in golden.skipped:
        out(f"    not proven: {reason}")


def show_rendered(rendered: Rendered) -> None:
    """Every file, each under its name."""
    for name, text in rendered.files.items():
        out(f"# {name}\n{text}")


def show_written(paths: Sequence[Path]) -> None:
    """The files that were written."""
    for path in paths:
        out(f"wrote {path}")


def _paint(text: str, color: str) -> str:
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty() or not sys.stderr.isatty():
        return text
    return f"{color}{text}{PLAIN}"
