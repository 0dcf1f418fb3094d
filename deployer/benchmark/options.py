"""The options of a benchmark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from deployer.benchmark.job import GRPC, REST, Stage
from deployer.config.fields import Group, doc
from deployer.errors import InvalidValue

LOAD = Group("load", "Load", always=True)
REPORT = Group("report", "Report", always=True)

DEFAULT_RATE = 100.0
MAX_RATE = 1_000_000.0
MAX_CLIENTS = 10_000
MAX_SECONDS = 86_400.0
MAX_PROCESSES = 64
APIS = {"rest": (REST,), "grpc": (GRPC,), "both": (REST, GRPC)}


def _numbers(texts: list[str], option: str) -> tuple[float, ...]:
    try:
        return tuple(float(text) for text in texts)
    except ValueError as error:
        raise InvalidValue(f"{option} takes a number, and not {texts[-1][:40]!r}", hint=f"{option} 100") from error


def _rates(texts: list[str]) -> tuple[float, ...]:
    return _numbers(texts, "--rate")


def _clients(texts: list[str]) -> tuple[int, ...]:
    if any(not number.is_integer() for number in _numbers(texts, "--clients")):
        raise InvalidValue("--clients takes whole numbers", hint="--clients 8")
    return tuple(int(float(text)) for text in texts)


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What is measured, and what is written about it."""

    api: str = doc("the API to ask: rest, grpc or both", LOAD, metavar="rest|grpc|both", default="both")
    rate: tuple[float, ...] = doc(
        f"send N requests/s, whatever the server does (open loop); without --clients {DEFAULT_RATE:g} by default",
        LOAD,
        metavar="N",
        repeated=True,
        parse=_rates,
        default=(),
    )
    clients: tuple[int, ...] = doc(
        "N clients that each wait for their answer (closed loop)",
        LOAD,
        metavar="N",
        repeated=True,
        parse=_clients,
        default=(),
    )
    duration: float = doc("seconds of each measurement", LOAD, metavar="SECONDS", default=10.0)
    warmup: float = doc("seconds before each measurement that do not count", LOAD, metavar="SECONDS", default=1.0)
    requests: Path | None = doc(
        "file of predict requests in JSON, one or one on each line; unset: the golden questions",
        LOAD,
        metavar="FILE",
        default=None,
    )
    connections: int = doc("requests that may be under way at once with --rate", LOAD, metavar="N", default=100)
    processes: int = doc("processes that send requests", LOAD, metavar="N", default=1)
    deadline: float | None = doc(
        "seconds that a request may take; unset: gate.request_seconds", LOAD, metavar="SECONDS", default=None
    )
    report: Path | None = doc("write a report as an HTML page", REPORT, metavar="FILE", default=None)
    against: Path | None = doc(
        "compare with an earlier benchmark: a file that --json printed", REPORT, metavar="FILE", default=None
    )

    def __post_init__(self) -> None:
        if self.api not in APIS:
            raise InvalidValue(f"--api {self.api[:40]}: no such API", hint="--api rest, grpc or both")
        for rate in self.rate:
            _check("--rate", rate, MAX_RATE, "requests/s")
        for clients in (*self.clients, self.connections):
            if not 1 <= clients <= MAX_CLIENTS:
                option = "--clients" if clients in self.clients else "--connections"
                raise InvalidValue(f"{option} {clients} is not between 1 and {MAX_CLIENTS}", hint=f"{option} 8")
        if not 1 <= self.processes <= MAX_PROCESSES:
            raise InvalidValue(f"--processes {self.processes} is not between 1 and {MAX_PROCESSES}")
        _check("--duration", self.duration, MAX_SECONDS, "seconds")
        if self.warmup:
            _check("--warmup", self.warmup, MAX_SECONDS, "seconds")
        if self.deadline is not None:
            _check("--deadline", self.deadline, MAX_SECONDS, "seconds")

    @property
    def apis(self) -> tuple[str, ...]:
        """The APIs to ask, in order."""
        return APIS[self.api]

    def stages(self) -> tuple[Stage, ...]:
        """Return the measurements in order: for each API, the rates and then the clients."""
        rates = self.rate or (() if self.clients else (DEFAULT_RATE,))
        loads = [*((rate, self.connections) for rate in rates), *((None, clients) for clients in self.clients)]
        return tuple(
            Stage(api, rate, clients, self.warmup, self.duration) for api in self.apis for rate, clients in loads
        )


def _check(option: str, value: float, largest: float, unit: str) -> None:
    if not 0 < value < math.inf or value > largest:
        raise InvalidValue(f"{option} {value:g} is not between 0 and {largest:,.0f} {unit}", hint=f"{option} 10")
