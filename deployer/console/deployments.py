"""Prints deployments: their changes, states, history, locks and tokens."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from deployer.console import terminal
from deployer.console.lines import fits, out, paragraphs, show_notices, table
from deployer.console.reports import show_report
from deployer.console.terminal import BOLD, GREEN, RED, colored
from deployer.engines import run_dir
from deployer.results.deployment import LOST, cli_name
from deployer.results.served import format_models
from deployer.system import times

if TYPE_CHECKING:
    from deployer.results.changes import DownResult, TokenResult, UnlockResult, UpResult
    from deployer.results.checks import DoctorResult
    from deployer.results.deployment import Deployment
    from deployer.results.history import HistoryResult, Release
    from deployer.results.running import DeploymentStatus
    from deployer.results.traffic import TrafficFigures

STATUS_HEADS = ("PROJECT", "NAME", "ENV", "ENGINE", "MODELS", "STATE", "CREATED")


def show_up(result: UpResult, seconds: float, *, verbose: bool = False, next_steps: str = "") -> None:
    """Print the plan of a dry run; of a deploy the plan, its verification, notes, and last what serves where.

    `seconds` is the time that the command took, and `verbose` lists every check.
    """
    paragraphs(str(result.plan) if result.plan.is_change else f"{result.name} is up to date: {_served_text(result)}")
    if result.report is None:
        out(f"digest {result.plan.digest}")
    else:
        show_report(result.report, verbose=verbose)
    if result.traffic is not None:
        show_traffic(result.traffic)
    show_notices(result.notices)
    if next_steps:
        terminal.write(f"\n{next_steps}", sys.stderr)
    if result.endpoints is not None:
        out("")
        if result.plan.is_change:
            paragraphs(_summary(result, seconds), BOLD)
        _show_endpoint(result)


def _summary(result: UpResult, seconds: float) -> str:
    """Return what serves now, what served before, how long the change took and how many requests failed."""
    text = f"serving {format_models(result.models)} on {result.engine} after {seconds:.1f} s"
    before = f"before: {format_models(result.served_before)}" if result.served_before else ""
    failed = f"{result.traffic.failures} of {result.traffic.requests} requests failed" if result.traffic else ""
    return "; ".join(filter(None, (text, before, failed)))


def _served_text(result: UpResult) -> str:
    """Return `version 1` for one version of one model without labels, and all models otherwise."""
    first = result.models[0]
    single = len(result.models) == 1 and first.name == result.name and len(first.versions) == 1 and not first.labels
    return f"version {first.versions[0]}" if single else format_models(result.models)


def show_up_quietly(result: UpResult) -> None:
    """Print the endpoint alone, with measurements as notes; for a dry run, which has no endpoint, the plan."""
    if result.endpoints is None:
        show_up(result, 0)
        return
    _show_endpoint(result)
    if result.traffic is not None:
        show_notices(_traffic_lines(result.traffic))
    show_notices(result.notices)


def _show_endpoint(result: UpResult) -> None:
    if result.endpoints is not None:
        for model in result.models:
            out(f"REST  {result.endpoints.rest}/v1/models/{model.name}")
        out(f"gRPC  {result.endpoints.grpc}")


def next_steps(result: UpResult, location: str = "", store: str = "") -> str:
    """Return the commands that use and stop the deployment, with the options of its location and its store."""
    if result.endpoints is None:
        return ""
    name = f"{cli_name(result.name, result.env)}{location}"
    model = f" --model {result.models[0].name}" if len(result.models) > 1 else ""
    return f"ask it:   deployer predict {name}{store}{model}\nstop it:  deployer down {name}"


def show_traffic(figures: TrafficFigures) -> None:
    """Print the errors, the longest gap and the latency of the requests during a change."""
    summary, *failures = _traffic_lines(figures)
    out(f"\n{summary}")
    for name, phase in (("before", figures.before), ("during", figures.during), ("after", figures.after)):
        latency = "" if phase.p50_ms is None else f"  p50 {phase.p50_ms:.1f} ms  p99 {phase.p99_ms:.1f} ms"
        out(f"  {name:<6} {phase.requests:>6} requests, {phase.failures} failed{latency}")
    for failure in failures:
        out(f"  {failure}")


def _traffic_lines(figures: TrafficFigures) -> tuple[str, ...]:
    failures = (f"the first failure: {figures.first_failure}",) if figures.first_failure else ()
    return (f"{figures}, at {figures.rate:g} requests a second", *failures)


def show_down(results: Sequence[DownResult]) -> None:
    """Print the deployments that were removed."""
    several_projects = len({result.project for result in results}) > 1
    for result in results:
        project = f" of {_project_text(result.project)}" if several_projects else ""
        directory = f" from {shlex.quote(str(result.state_dir))}" if result.state_dir else ""
        out(f"{result.name} [{result.env}]{project}{directory} on {result.engine}{result.plan.machine_note} is down")
        show_notices(result.notices)


def _project_text(name: str) -> str:
    return f"project {name}" if name else "no project"


def show_unlock(result: UnlockResult) -> None:
    """Print the owner of a lock, or the one that it was taken from."""
    deployment = f"{result.name} [{result.env}]"
    if result.owner is None:
        out(f"{deployment} is not locked")
    elif result.taken:
        out(f"the lock on {deployment} was taken from {result.owner}")
    else:
        out(f"{deployment} is being worked on by {result.owner}")


def show_history(result: HistoryResult) -> None:
    """Print a table of releases, and below it why some failed. Without releases the notices say so."""
    show_notices(result.notices)
    if result.releases:
        show_releases(result.releases)


def show_releases(releases: Sequence[Release]) -> None:
    """Print a table of releases, and below it why some failed."""
    table(
        [
            ("RELEASE", "DEPLOYMENT", "ENGINE", "CHANGE", "MODELS", "OUTCOME", "SECONDS", "BEGAN", "BY"),
            *map(_history_row, releases),
        ]
    )
    several = len({release.number for release in releases}) < len(releases)
    for release in releases:
        which = f"{release.number} of {release.name} [{release.env}]" if several else str(release.number)
        for text in (release.detail, str(release.traffic or "")):
            if text:
                terminal.write(f"{which}: {text}", sys.stderr)


def _history_row(release: Release) -> tuple[str, ...]:
    return (
        str(release.number),
        f"{release.name} [{release.env}]",
        release.engine,
        release.change,
        format_models(release.models),
        release.outcome.value,
        "-" if release.seconds is None else f"{release.seconds:.1f}",
        _age(release.began),
        release.who,
    )


def show_status(statuses: Sequence[DeploymentStatus]) -> None:
    """Print a table of deployments, and below it what is wrong with some. Without deployments print nothing."""
    if not statuses:
        return
    rows = [STATUS_HEADS, *map(_status_row, statuses)]
    if any(status.deployment.nodes for status in statuses):
        rows = [(*row, text) for row, text in zip(rows, ("SERVERS", *map(_servers, statuses)), strict=True)]
    if len({row[:4] for row in rows}) < len(rows):  # one deployment from several state directories
        rows = [(*row, text) for row, text in zip(rows, ("STATE DIRECTORY", *map(_state_dir, statuses)), strict=True)]
    _show_with_endpoints(rows, [status.deployment for status in statuses])
    _show_nodes(statuses)
    several_projects = len({status.deployment.project for status in statuses}) > 1
    for status in statuses:
        deployment = status.deployment
        project = f" of {_project_text(deployment.project)}" if several_projects else ""
        for text in ("" if status.healthy else status.detail, status.warning):
            if text:
                terminal.write(f"{deployment.name} [{deployment.env}]{project}: {text}", sys.stderr)


def _show_with_endpoints(rows: Sequence[tuple[str, ...]], deployments: Sequence[Deployment]) -> None:
    """Print a table with the addresses of deployments; below it on a terminal that is too narrow for them."""
    addresses = [(each.endpoints.rest, each.endpoints.grpc) for each in deployments]
    wide = [
        (*row[: len(STATUS_HEADS)], *more, *row[len(STATUS_HEADS) :])
        for row, more in zip(rows, (("REST", "GRPC"), *addresses), strict=True)
    ]
    if fits(wide):
        table(wide)
        return
    table(rows)
    for deployment, (rest, grpc) in zip(deployments, addresses, strict=True):
        out(f"{deployment.name} [{deployment.env}]  {rest}  {grpc}")


def _age(written: str) -> str:
    return times.age(written, datetime.now(timezone.utc)) or "-"


def _servers(status: DeploymentStatus) -> str:
    return f"{status.deployment.running_replicas}/{status.deployment.replicas}"


def _show_nodes(statuses: Sequence[DeploymentStatus]) -> None:
    """Print a table of the nodes that run servers or gateways of deployments, if any do."""
    rows = [
        (
            f"{status.deployment.name} [{status.deployment.env}]",
            node.name,
            str(node.replicas),
            node.endpoints.rest if node.endpoints else "-",
            node.endpoints.grpc if node.endpoints else "-",
        )
        for status in statuses
        for node in status.deployment.nodes
    ]
    if rows:
        out("")
        table([("DEPLOYMENT", "NODE", "SERVERS", "REST", "GRPC"), *rows])


def _state_dir(status: DeploymentStatus) -> str:
    return str(run_dir.state_dir(status.deployment.directory))


def _status_row(status: DeploymentStatus) -> tuple[str, ...]:
    deployment = status.deployment
    state = "serving" if status.healthy else ("not healthy" if deployment.running else "not running")
    if deployment.paused_component:
        state = "paused"
    if deployment.role == LOST:
        state = LOST
    return (
        deployment.project or "-",
        deployment.name,
        deployment.env,
        deployment.engine if deployment.gateway is None else f"{deployment.engine}, gateway",
        format_models(deployment.models),
        state,
        _age(deployment.created),
    )


def show_token(result: TokenResult) -> None:
    """Print the token alone to stdout, for scripts."""
    if result.token is not None:
        out(result.token)
    show_notices(result.notices)


def show_doctor(result: DoctorResult) -> None:
    """Print each finding, with its remedy."""
    marks = {"ok": colored("ok  ", GREEN), "warning": colored("warn", BOLD), "error": colored("FAIL", RED)}
    for finding in result.findings:
        out(f"  {marks[finding.severity]}  {finding.check:<16} {finding.message}")
        if finding.remedy:
            out(f"        {'':<16} -> {finding.remedy}")
