"""Rendering and parsing back a model config of 10 to 10,000 models: it grows in step with them."""

from __future__ import annotations

import statistics

from measure import milliseconds, timed

from deployer.deployment import ServedModel
from deployer.render import render

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 5


def main() -> None:
    """The median of each size, and what it comes to for one model."""
    render((ServedModel("warm_up", (1,)),), "/models")
    print("\n### Rendering\n\n| models | median | for each model | ratio |\n| ---: | ---: | ---: | ---: |")
    first = 0.0
    for size in SIZES:
        models = tuple(ServedModel(f"model_{number}", (1,)) for number in range(size))
        seconds = statistics.median(timed(lambda models=models: render(models, "/models")) for _ in range(ROUNDS))
        first = first or seconds / size
        each = f"{seconds / size * 1e6:.0f} µs"
        print(f"| {size:,} | {milliseconds(seconds)} | {each} | {seconds / size / first:.2f} |", flush=True)
