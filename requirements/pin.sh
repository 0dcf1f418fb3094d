#!/usr/bin/env bash
# Resolves constraints.txt from pyproject.toml, for all Pythons and platforms at once, to the newest versions.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --all-extras \
    --no-emit-index-url --no-header --no-annotate --output-file requirements/constraints.txt pyproject.toml
