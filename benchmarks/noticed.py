"""What clients notice of a reload: golden requests at a steady rate, as `--measure` asks them, while nothing changes
and before, during and after a switch to another version.

Before the switch a candidate is started and proven on the same processors. The containers take up a new config a second
after the call, as TensorFlow Serving does: so there is time to ask.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Iterable

from redeploy import IMAGE, LATER, NAME, Site, build_later

import deployer
from deployer.results.traffic import PhaseFigures, TrafficFigures
from deployer.store.store import Store
from deployer.verification.golden import Tolerance
from deployer.verification.traffic import Traffic, golden_requests

RATE = 200.0
ROUNDS = 5
QUIET_SECONDS = 3.0


def main() -> None:
    """The embedded engine, and containers that switch later."""
    with Site.made("embedded") as site:
        _noticed(site, "the embedded engine")
    if not IMAGE:
        print("\n### In containers\n\nleft out: DEPLOYER_TEST_IMAGE names no image")
        return
    build_later()
    with Site.made("docker", LATER, "file_system_poll_wait_seconds = 3600") as site:
        _noticed(site, "Docker, a server that switches a second after the call")


def _noticed(site: Site, where: str) -> None:
    deployer.up(f"{NAME}:1", settings=site.settings)
    quiet, changed = [], []
    for _ in range(ROUNDS):
        for version, other in ((1, 2), (2, 1)):
            quiet.append(_quiet(site, version).before)
            changed.append(_redeployed(site, other))
    print(f"\n### What clients notice of a reload: {where}\n")
    print("| | requests | failed | p50 | p99 | ratio of p99 |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    base = _median(phase.p99_ms for phase in quiet)
    _row("nothing changes", quiet, base)
    _row("a candidate is started and proven", [found.before for found in changed], base)
    _row("the server takes up another version", [found.during for found in changed], base)
    _row("after that", [found.after for found in changed], base)
    print(f"\nThe longest gap in {len(changed)} reloads: {max(found.longest_gap_ms for found in changed):.1f} ms.")


def _quiet(site: Site, version: int) -> TrafficFigures:
    model = Store(site.directory / "models").get(NAME, version)
    traffic = Traffic(site.client, golden_requests([model]), RATE, Tolerance(), {NAME: frozenset({version})})
    traffic.start()
    time.sleep(QUIET_SECONDS)
    traffic.stop()
    return traffic.figures()


def _redeployed(site: Site, version: int) -> TrafficFigures:
    settings = dataclasses.replace(site.settings, measure=RATE)
    measured = deployer.redeploy(NAME, version=version, settings=settings).traffic
    assert measured is not None
    return measured


def _row(name: str, phases: list[PhaseFigures], base: float) -> None:
    """The medians of all rounds."""
    p50, p99 = (_median(getattr(phase, field) for phase in phases) for field in ("p50_ms", "p99_ms"))
    requests, failures = (sum(getattr(phase, field) for phase in phases) for field in ("requests", "failures"))
    print(f"| {name} | {requests:,} | {failures} | {p50:.1f} ms | {p99:.1f} ms | {p99 / base:.2f} |", flush=True)


def _median(found: Iterable[float | None]) -> float:
    return statistics.median(each for each in found if each is not None)
