"""The settings of verification and of measurements during a change: `[gate]`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from deployer.config.fields import STRICT, check_positive, doc
from deployer.config.options import DEFAULT_RATE, GateOptions
from deployer.errors import InvalidValue

MAX_RATE = 1000.0


@dataclass(frozen=True)
class Gate(GateOptions):
    """What a candidate must pass before it takes traffic: `[gate]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    relative_tolerance: float | None = doc(
        "allowed relative difference from the golden answers; unset: per dtype", default=None
    )
    absolute_tolerance: float | None = doc(
        "allowed absolute difference from the golden answers; unset: per dtype", default=None
    )
    ready_seconds: float = doc("how long a server may take until its models are available", default=120.0)
    request_seconds: float = doc(
        "how long one request may take, and is repeated while it is refused for load", default=30.0
    )
    skip: bool = doc(
        "skip verification, and start no candidate for a change of models. Not recommended",
        default=False,
    )
    check_memory: bool = doc("refuse a change when the memory cannot hold old and new at once", default=True)

    @property
    def measure_rate(self) -> float | None:
        """The rate of requests during a change, per second; None when nothing is measured."""
        limited = self.max_failures is not None or self.max_gap_ms is not None
        return self.measure or (DEFAULT_RATE if limited else None)

    def __post_init__(self) -> None:
        for name in ("relative_tolerance", "absolute_tolerance"):
            if not 0 <= (getattr(self, name) or 0) < math.inf:
                raise InvalidValue(f"{name} must be a finite number and not negative", key_path=(name,))
        for name in ("ready_seconds", "request_seconds"):
            check_positive(name, getattr(self, name))
        for name in ("max_slowdown", "measure", "max_gap_ms"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        if self.measure is not None and self.measure > MAX_RATE:
            reason = f"measure {self.measure:g} is more requests a second than this tool sends: {MAX_RATE:g}"
            raise InvalidValue(reason, key_path=("measure",))
        if self.max_failures is not None and self.max_failures < 0:
            raise InvalidValue(f"max_failures {self.max_failures} must not be negative", key_path=("max_failures",))
