"""Rendering and parsing back a model config of 10 to 10,000 models: it grows in step with them."""

from __future__ import annotations

import statistics

from measure import milliseconds, timed

from deployer.config.render import render
from deployer.results.served import ServedModel

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 7


def main() -> None:
    """The median and the best of each size, and what the median comes to for one model."""
    render([ServedModel(f"warm_up_{number}", (1,)) for number in range(100)], "/models")
    print(
        "\n### Rendering\n\n| models | median | best | for each model | ratio |\n| ---: | ---: | ---: | ---: | ---: |"
    )
    first = 0.0
    for size in SIZES:
        models = tuple(ServedModel(f"model_{number}", (1,)) for number in range(size))
        found = [timed(lambda models=models: render(models, "/models")) for _ in range(ROUNDS)]
        each = statistics.median(found) / size
        first = first or each
        cells = (
            f"{size:,}",
            milliseconds(each * size),
            milliseconds(min(found)),
            f"{each * 1e6:.0f} µs",
            f"{each / first:.2f}",
        )
        print(f"| {' | '.join(cells)} |", flush=True)
