"""`bench`: measure a deployment under load."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from pathlib import Path

from deployer.benchmark import earlier as comparison
from deployer.benchmark import figures, processes, questions, report, request_file
from deployer.benchmark.earlier import Earlier
from deployer.benchmark.job import GRPC, REST, Address, Job, Measured, Stage
from deployer.benchmark.options import BenchOptions
from deployer.benchmark.processes import Workers
from deployer.benchmark.questions import Questions
from deployer.client.client import Client
from deployer.client.encoding import ModelTarget
from deployer.config.options import Settings
from deployer.errors import RequestFailed, RequestRefused, UsageError
from deployer.results.bench import BenchResult, BenchStage
from deployer.results.deployment import Deployment
from deployer.results.progress import Note, Progress, no_progress
from deployer.rollout import asked, image_source, lookup
from deployer.rollout.asked import Asked
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.system.files import write_atomically
from deployer.verification import parity
from deployer.verification.golden import Tolerance

_FORWARDED = (
    "requests go through deployer's own connection to {machine}, which adds to each latency and limits the rate: "
    "a benchmark on that machine, or in its network, measures the server alone"
)


def bench(
    name: str | None = None,
    *,
    model: str | None = None,
    version: int | str | None = None,
    options: BenchOptions | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> BenchResult:
    """Send load to a deployment, and return what it answered; `version` is a number or a label.

    Ctrl-C ends it early: the result has what was measured until then. Raises DeploymentNotFound, NotRunning,
    RequestFailed, UsageError.
    """
    options = options or BenchOptions()
    earlier = comparison.read(options.against) if options.against else None
    if options.report is not None:
        _check_report(options.report)
    given = request_file.read(options.requests) if options.requests else ()
    workspace = open_workspace(settings or Settings(), asked.BENCH)
    deployment = lookup.find_running(workspace, name)
    workspace = workspace if given else image_source.serving(workspace, deployment)
    target = asked.find(workspace, deployment, model, version, progress)
    client = workspace.client(deployment)
    try:
        asking = _given(target, given, options, client) if given else _golden(target)
        _ask_once(client, asking, options)
    except RequestRefused as error:
        error.hint = target.refused_hint()
        raise
    except RequestFailed as error:
        raise _explained(workspace, deployment, error) from error
    jobs = tuple(_jobs(asking, deployment, options, workspace.spec.gate.request_seconds, progress))
    with processes.started(options.processes) as workers:
        stages, interrupted = _measure(workers, jobs, asking, workspace.tolerance, progress)
    result = BenchResult(
        name=deployment.name,
        env=deployment.env,
        engine=deployment.engine,
        model=target.served.name,
        version=target.answering,
        endpoints=deployment.endpoints,
        questions=len(asking.given or asking.cases),
        questions_from=str(options.requests) if given else f"golden set of {target.label}",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        warmup_seconds=options.warmup,
        stages=stages,
        interrupted=interrupted,
        notices=(_FORWARDED.format(machine=deployment.machine),) if deployment.forwarded else (),
    )
    if earlier is not None:
        result = _compared(result, earlier)
    return _reported(result, earlier, options.report, workspace) if options.report else result


def _measure(
    workers: Workers, jobs: tuple[Job, ...], asking: Questions, tolerance: Tolerance, progress: Progress
) -> tuple[tuple[BenchStage, ...], bool]:
    """Return the figures of each job, and whether an interrupt ended them early."""
    stages: list[BenchStage] = []
    for job in jobs:
        interrupted = False
        try:
            seen = workers.measure(job, progress)
        except BaseException as reason:
            if isinstance(reason, Exception):
                raise
            seen, interrupted = workers.stop(), True
        if seen.sent or not interrupted:
            stages.append(_figures(job.stage, seen, asking, tolerance))
        if interrupted:
            return tuple(stages), True
    return tuple(stages), False


def _compared(result: BenchResult, earlier: Earlier) -> BenchResult:
    changes, notices = comparison.changes(result.stages, earlier), tuple(comparison.notices(result, earlier))
    return dataclasses.replace(result, changes=changes, against=str(earlier), notices=(*result.notices, *notices))


def _check_report(path: Path) -> None:
    """Raise UsageError for a report that could not be written in the end."""
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a directory" if path.is_dir() else "is in a directory that does not exist"
        raise UsageError(f"--report {path} {reason}", hint="--report report.html")


def _reported(result: BenchResult, earlier: Earlier | None, path: Path, workspace: Workspace) -> BenchResult:
    """Write the report."""
    result = dataclasses.replace(result, report=path)
    write_atomically(path, report.render(result, earlier, workspace.spec.templates_dir))
    return result


def _figures(stage: Stage, seen: Measured, asking: Questions, tolerance: Tolerance) -> BenchStage:
    return figures.of_stage(stage, seen, asking.check(stage.api, seen.samples, tolerance))


def _golden(target: Asked) -> Questions:
    model, cases = target.golden_cases()
    return Questions(target.served.name, target.version, cases, golden_of=model)


def _given(
    target: Asked, given: tuple[request_file.GivenRequest, ...], options: BenchOptions, client: Client
) -> Questions:
    name = target.served.name
    signatures = client.signatures(name, target.answering) if GRPC in options.apis else ()
    return Questions(name, target.version, given=given, signatures=signatures)


def _ask_once(client: Client, asking: Questions, options: BenchOptions) -> None:
    """Send the first request over each API, for an error that says what is wrong. Raises RequestFailed."""
    for api in options.apis:
        for case in asking.cases_for(api)[:1]:
            ask = parity.ask_rest if api == REST else parity.ask_grpc
            if asking.golden_of is not None:
                ask(client, asking.golden_of, asking.version, case)
        for request in asking.given[:1]:
            if api == REST:
                client.post_predict(asking.model, asking.version, request.body)
            else:
                signature = request_file.signature_of(request, asking.signatures)
                question = ModelTarget(asking.model, asking.version, signature.name)
                client.predict_grpc(question, request.arrays(signature))


def _jobs(
    asking: Questions, deployment: Deployment, options: BenchOptions, seconds: float, progress: Progress
) -> list[Job]:
    """Return a job for each stage. An API that cannot carry the requests is left out, with a note."""
    addresses = questions.addresses(*deployment.client_route)
    payloads = {api: asking.payloads(api, _sendable(addresses[api])) for api in options.apis}
    for api in (api for api, found in payloads.items() if not found):
        if len(options.apis) == 1:
            raise UsageError(f"{api} cannot carry the golden requests", hint="--api grpc")
        progress(Note(f"{api} is not measured: it cannot carry the golden requests"))
    deadline = options.deadline or seconds
    return [
        Job(stage, _sendable(addresses[stage.api]), payloads[stage.api], deadline, stage.clients)
        for stage in options.stages()
        if payloads[stage.api]
    ]


def _sendable(address: Address) -> Address:
    """Return an address with what another process needs of the gateway."""
    gateway = address.gateway and dataclasses.replace(address.gateway, settings={})
    return dataclasses.replace(address, gateway=gateway)


def _explained(workspace: Workspace, deployment: Deployment, error: RequestFailed) -> Exception:
    """Return the error for a server that does not answer: whether it runs at all."""
    if workspace.for_deployment(deployment.name).engine.exit_reason(deployment):
        return lookup.not_running_error(workspace, dataclasses.replace(deployment, running=False))
    return error
