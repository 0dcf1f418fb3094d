"""Prints which share of the lines coverage has seen run, by package; ends with 1 where it is less than asked for.

covered.py FILE PERCENT, where FILE was written by `coverage json`.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path, PurePath


def shares(report: dict) -> dict[str, tuple[int, int]]:
    """(lines that ran, lines) by package below `deployer`; the modules that lie in it itself are one."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file, found in report["files"].items():
        parts = PurePath(file).parts
        package = parts[1] if len(parts) > 2 else "(modules)"
        sums[package][0] += found["summary"]["covered_lines"]
        sums[package][1] += found["summary"]["num_statements"]
    return {package: (ran, lines) for package, (ran, lines) in sorted(sums.items())}


def main(file: str, least: str) -> int:
    found = shares(json.loads(Path(file).read_text()))
    ran, lines = (sum(column) for column in zip(*found.values(), strict=True))
    for package, (some, of) in {**found, "all": (ran, lines)}.items():
        print(f"{package:14}{some:7}/{of:<7}{100 * some / max(of, 1):5.1f} %")
    if 100 * ran < float(least) * lines:
        print(f"less than {least} % of the lines", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
