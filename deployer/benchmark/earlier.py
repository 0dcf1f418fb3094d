"""An earlier benchmark, as `--json` printed it, and what has changed since. The file is untrusted input."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError
from deployer.results.bench import BenchChange, BenchResult, BenchStage, LatencyFigures
from deployer.system import documents

MAX_BYTES = 64 << 20
LARGEST = 2**63
HINT = "deployer bench NAME --json > FILE writes one"


@dataclass(frozen=True)
class Earlier:
    """The figures of an earlier benchmark."""

    model: str
    version: int
    engine: str
    created: str
    stages: tuple[BenchStage, ...]
    file: Path = Path()

    def __str__(self) -> str:
        return f"{self.file} of {self.created}"

    def stage(self, name: str) -> BenchStage | None:
        """Return the figures of the stage with that API and load."""
        return next((stage for stage in self.stages if stage.name == name), None)


def read(path: Path) -> Earlier:
    """Return the benchmark in a file. Raises UsageError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UsageError(f"{path} is larger than {MAX_BYTES >> 20} MiB", hint=HINT)
        earlier = documents.read(Earlier, json.loads(data))
        _check(dataclasses.asdict(earlier))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}", hint=HINT) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{path} is no benchmark: {str(error)[:200]}", hint=HINT) from error
    return dataclasses.replace(earlier, file=path)


def _check(value: object) -> None:
    """Raise ValueError for a number that no benchmark prints: plots divide by them, and take logarithms."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            _check(item)
    elif isinstance(value, (int, float)) and not 0 <= value <= LARGEST:
        raise ValueError(f"{value} is no figure")


def changes(stages: tuple[BenchStage, ...], earlier: Earlier) -> tuple[BenchChange, ...]:
    """Return the stages that the earlier benchmark has, too, compared with it."""
    pairs = ((stage, earlier.stage(stage.name)) for stage in stages)
    return tuple(_change(now, before) for now, before in pairs if before is not None)


def notices(result: BenchResult, earlier: Earlier) -> Iterator[str]:
    """Yield what makes the comparison one of different things."""
    if not any(earlier.stage(stage.name) for stage in result.stages):
        names = ", ".join(stage.name for stage in earlier.stages)
        yield f"nothing is compared: {earlier.file} has other measurements: {names or 'none'}"
        return
    now, before = ((each.model, each.version, each.engine) for each in (result, earlier))
    if now != before:
        model, version, engine = before
        yield f"{earlier.file} is of {model}:{version} on {engine}"


def _change(now: BenchStage, before: BenchStage) -> BenchChange:
    p50, p50_ratio = _compared(now.latency, before.latency, "p50_ms")
    p99, p99_ratio = _compared(now.latency, before.latency, "p99_ms")
    return BenchChange(
        stage=now.name,
        p50_before_ms=p50,
        p50_ratio=p50_ratio,
        p99_before_ms=p99,
        p99_ratio=p99_ratio,
        answered_before_per_second=before.answered_per_second,
        answered_ratio=_ratio(now.answered_per_second, before.answered_per_second),
        failed_before=before.failed,
    )


def _compared(
    now: LatencyFigures | None, before: LatencyFigures | None, field: str
) -> tuple[float | None, float | None]:
    """Return a latency from before, and the ratio of the new one to it."""
    old: float | None = getattr(before, field, None)
    return old, _ratio(getattr(now, field, None), old)


def _ratio(now: float | None, before: float | None) -> float | None:
    return round(now / before, 3) if now is not None and before else None
