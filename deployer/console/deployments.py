"""What is deployed, what was proven of it and what became of it, as text."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployer.console.lines import BOLD, GREEN, RED, colored, out, show_notices, table
from deployer.console.reports import show_report
from deployer.results.deployment import LOST, cli_name, format_models

if TYPE_CHECKING:
    from deployer.results.changes import DownResult, TokenResult, UnlockResult, UpResult
    from deployer.results.checks import DoctorResult
    from deployer.results.history import HistoryResult, Release
    from deployer.results.running import DeploymentStatus
    from deployer.results.traffic import TrafficFigures


def show_up(result: UpResult, *, verbose: bool = False) -> None:
    """The plan after a dry run; after a deploy what was verified, and the endpoint. `verbose` lists every check."""
    out(str(result.plan) if result.plan.is_change else f"{result.name} is up to date: {_served(result)}")
    if result.report is None:
        out(f"digest {result.plan.digest}")
    else:
        show_report(result.report, verbose=verbose)
    if result.traffic is not None:
        show_traffic(result.traffic)
    if result.endpoints is not None:
        out("")
        _show_endpoint(result)
    show_notices(result.notices)


def _served(result: UpResult) -> str:
    """`version 1` where that says all."""
    one = result.models[0]
    alone = len(result.models) == 1 and one.name == result.name and len(one.versions) == 1 and not one.labels
    return f"version {one.versions[0]}" if alone else format_models(result.models)


def show_up_quietly(result: UpResult) -> None:
    """The endpoint alone, and what was measured as notes; after a dry run, which has no endpoint, the plan."""
    if result.endpoints is None:
        show_up(result)
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


def show_next_steps(result: UpResult) -> None:
    """What to do with an endpoint."""
    if result.endpoints is not None:
        name = cli_name(result.name, result.env)
        which = f" --model {result.models[0].name}" if len(result.models) > 1 else ""
        print(f"\nask it:   deployer predict {name}{which}\nstop it:  deployer down {name}", file=sys.stderr)


def show_traffic(seen: TrafficFigures) -> None:
    """What clients would have noticed of a change."""
    summary, *failures = _traffic_lines(seen)
    out(f"\n{summary}")
    for name, phase in (("before", seen.before), ("during", seen.during), ("after", seen.after)):
        took = "" if phase.p50_ms is None else f"  p50 {phase.p50_ms:.1f} ms  p99 {phase.p99_ms:.1f} ms"
        out(f"  {name:<6} {phase.requests:>6} requests, {phase.failures} failed{took}")
    for failure in failures:
        out(f"  {failure}")


def _traffic_lines(seen: TrafficFigures) -> tuple[str, ...]:
    failures = (f"the first failure: {seen.first_failure}",) if seen.first_failure else ()
    return (f"{_traffic(seen)}, at {seen.rate:g} requests a second", *failures)


def _traffic(seen: TrafficFigures) -> str:
    return f"{seen.failures} of {seen.requests} requests failed, longest gap {seen.longest_gap_ms:.0f} ms"


def show_down(results: Sequence[DownResult]) -> None:
    """What is gone."""
    several = len({result.project for result in results}) > 1
    for result in results:
        of = f" of {_project(result.project)}" if several else ""
        place = f" from {shlex.quote(str(result.state_dir))}" if result.state_dir else ""
        out(f"{result.name} [{result.env}]{of}{place} on {result.engine} is down")
        show_notices(result.notices)


def _project(name: str) -> str:
    return f"project {name}" if name else "no project"


def show_unlock(result: UnlockResult) -> None:
    """Whose lock it is, or was."""
    what = f"{result.name} [{result.env}]"
    if result.owner is None:
        out(f"nobody works on {what}: there is no lock")
    elif result.taken:
        out(f"the lock on {what} was taken from {result.owner}")
    else:
        out(f"{what} is being worked on by {result.owner}")


def show_history(result: HistoryResult) -> None:
    """A table, a line for each release; why one failed stands below. Where there is none, a note has said so."""
    show_notices(result.notices)
    if not result.releases:
        return
    table(
        [
            ("RELEASE", "DEPLOYMENT", "ENGINE", "CHANGE", "MODELS", "OUTCOME", "SECONDS", "BEGAN", "BY"),
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
        release.engine,
        release.change,
        format_models(release.models),
        outcome,
        seconds,
        release.began,
        release.who,
    )


def show_status(statuses: Sequence[DeploymentStatus]) -> None:
    """A table, a line for each deployment; where there is none, a note has said so."""
    if not statuses:
        return
    table([("PROJECT", "NAME", "ENV", "ENGINE", "MODELS", "STATE", "REST", "GRPC"), *map(_status_row, statuses)])
    for status in statuses:
        for text in ("" if status.healthy else status.detail, status.warning):
            if text:
                print(f"{status.deployment.name} [{status.deployment.env}]: {text}", file=sys.stderr)


def _status_row(status: DeploymentStatus) -> tuple[str, ...]:
    found = status.deployment
    state = "serving" if status.healthy else ("not healthy" if found.running else "not running")
    if found.role == LOST:
        state = LOST
    return (
        found.project or "-",
        found.name,
        found.env,
        found.engine if found.gateway is None else f"{found.engine}, gateway",
        format_models(found.models),
        state,
        found.endpoints.rest,
        found.endpoints.grpc,
    )


def show_token(result: TokenResult) -> None:
    """The token alone, so that it can be caught."""
    if result.token is not None:
        out(result.token)
    show_notices(result.notices)
    print(f"{result.file} has changed: deployer up brings it to the gateway", file=sys.stderr)


def show_doctor(result: DoctorResult) -> None:
    """A line for each finding, with its remedy."""
    marks = {"ok": colored("ok  ", GREEN), "warning": colored("warn", BOLD), "error": colored("FAIL", RED)}
    for finding in result.findings:
        out(f"  {marks[finding.severity]}  {finding.check:<16} {finding.message}")
        if finding.remedy:
            out(f"        {'':<16} -> {finding.remedy}")
