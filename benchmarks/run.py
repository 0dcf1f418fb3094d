"""Runs the benchmarks named, or all: `python benchmarks/run.py cli render`. What counts are the ratios in one run."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module

NAMES = (
    "cli",
    "idle_up",
    "render",
    "export",
    "importing",
    "warmup",
    "containers",
    "images",
    "remote",
    "gateway",
    "swarm",
    "serving",
    "serving_ways",
    "load",
    "serving_start",
    "redeploy",
    "noticed",
    "scaling",
)


def main(names: list[str]) -> int:
    """Each prints a table; the exit code."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"no benchmark {unknown[0]}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}")
    for name in names or NAMES:
        import_module(name).main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
