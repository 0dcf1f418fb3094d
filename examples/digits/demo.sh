#!/usr/bin/env bash
# What `make demo` runs. It may be run again: the network is trained once, and `up` changes nothing that is as wanted.
set -euo pipefail
cd "$(dirname "$0")"
bin=$(cd ../../.venv/bin && pwd)
export PATH="$bin:$PATH" TF_CPP_MIN_LOG_LEVEL=3
export DEPLOYER_ENGINE="${DEPLOYER_ENGINE:-embedded}" # needs nothing but Python, whatever else is on the machine

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
printf '\nThe endpoint is %s/v1/models/digits; it goes on when this ends. Stop it:\n\n' "$rest"
printf '(cd examples/digits && ../../.venv/bin/deployer down digits)\n'
