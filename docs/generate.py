"""Generates the reference, the errors, the kinds of source, the capabilities and the JSON schemas from the code.

`python docs/generate.py` writes them; with `--check` it writes nothing, and exits with 1 if they are out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

DIRECTORY = Path(__file__).parent
sys.path.insert(0, str(DIRECTORY))

from chapters import (  # noqa: E402
    capabilities,
    commands,
    configuration,
    errors,
    failures,
    results,
    results_schema,
    schema,
    server_flags,
    sources,
    templates,
    variables,
)

HEAD = """# Reference

Generated from the code by `make docs`; do not edit.

- [Commands](#commands)
- [Exit codes and errors](#exit-codes-and-errors)
- [deployer.toml](#deployertoml)
- [Variables and secrets](#variables-and-secrets)
- [Templates](#templates)
- [Results as JSON](#results-as-json)
- [Server flags](#server-flags)
"""


def documents() -> dict[Path, str]:
    """Every generated file with its text."""
    parts = (commands, failures, configuration, variables, templates, results, server_flags)
    reference = "\n".join((HEAD, *(part.text() for part in parts)))
    return {
        DIRECTORY / "reference.md": reference,
        DIRECTORY / "errors.md": errors.text(),
        DIRECTORY / "sources.md": sources.text(),
        DIRECTORY / "capabilities.md": capabilities.text(),
        DIRECTORY / "deployer.schema.json": json.dumps(schema.document(), indent=2) + "\n",
        DIRECTORY / "results.schema.json": json.dumps(results_schema.document(), indent=2) + "\n",
    }


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    stale = [path for path, text in documents().items() if not path.is_file() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            print(f"docs/{path.name} is out of date: make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(documents()[path])
        print(f"docs/{path.name} is written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
