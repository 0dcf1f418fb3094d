#!/usr/bin/env bash
# Makes .venv with deployer (editable) and all that its tests need, at the versions of constraints.txt.
# PYTHON=... chooses the interpreter; otherwise the first fit one of python3, python3.13 ... python3.10.
set -euo pipefail
cd "$(dirname "$0")/.."

fit='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'

find_python() {
    local name
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if "$name" -c "$fit" 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "error: no Python 3.10 to 3.13 was found${PYTHON:+ as $PYTHON}" >&2
    echo "hint: install one (Debian, Ubuntu: apt install python3 python3-venv), or say make PYTHON=/path/to/python3.12" >&2
    return 1
}

make_environment() {
    local python
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "error: $python cannot make virtual environments: its venv or ensurepip module is missing" >&2
        echo "hint: install it (Debian, Ubuntu: apt install python3-venv)" >&2
        return 1
    fi
    echo "making .venv with $("$python" --version)" >&2
    "$python" -m venv .venv
}

install_uv() {
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
}

.venv/bin/python -c "$fit" 2>/dev/null || make_environment
[ -x .venv/bin/uv ] || install_uv
echo "installing deployer and TensorFlow into .venv (some minutes the first time)" >&2
.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python --constraints requirements/constraints.txt --editable '.[dev]'
