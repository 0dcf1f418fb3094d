#!/usr/bin/env bash
# Runs `make demo`. A second run trains nothing, and `up` changes nothing.
set -euo pipefail
cd "$(dirname "$0")"
bin=$(cd ../../.venv/bin && pwd)
export PATH="$bin:$PATH" TF_CPP_MIN_LOG_LEVEL=3
export DEPLOYER_ENGINE="${DEPLOYER_ENGINE:-embedded}" # needs only Python, even if Docker is available

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

if [ ! -e digits.keras ] || [ train.py -nt digits.keras ]; then
    run python train.py
fi
run deployer up digits.keras --name digits
rest=$(deployer status digits --json |
    python -c 'import json, sys; print(json.load(sys.stdin)["deployments"][0]["deployment"]["endpoints"]["rest"])')
run python ask.py "$rest"
printf '\nThe endpoint is %s/v1/models/digits; it keeps running. To stop it:\n\n' "$rest"
printf '(cd examples/digits && ../../.venv/bin/deployer down digits)\n'
