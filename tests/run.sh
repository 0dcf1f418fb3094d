#!/usr/bin/env bash
# Runs the tests in the project's environment.
#
#   run.sh                 every test; those that need a Docker Engine too
#   run.sh unit [ARGS]     the unit tests, on all processors
#   run.sh coverage [ARGS] which lines of the tool they run: all tests, or what pytest is told
#   run.sh docker [ARGS]   those that need a Docker Engine: all of them, or what pytest is told
#   run.sh ARGS            what pytest is told; those that need an engine only with DEPLOYER_TEST_IMAGE
#
# DEPLOYER_TEST_IMAGE names an image that an engine has. Without it the testbed finds or makes both; where it cannot
# (neither an engine with a fit image nor root on Debian) those tests are left out, which in CI is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE  # with it, each of a thousand processes would compile what it imports

testbed=docker/testbed/testbed.sh
started=no
beside=

# What runs beside is ended; of engines, only the one that this run started is stopped again.
leave() {
    [ -z "$beside" ] || kill "$beside" || true
    [ "$started" = no ] || "$testbed" down
}
trap leave EXIT
trap 'exit 130' INT TERM

can_make_one() {
    "$testbed" image >/dev/null 2>&1 || { [ "$(id -u)" -eq 0 ] && type -P apt-get >/dev/null; }
}

ensure_image() {
    [ -z "${DEPLOYER_TEST_IMAGE:-}" ] || return 0
    "$testbed" status >/dev/null 2>&1 || started=yes
    "$testbed" up
    DEPLOYER_TEST_IMAGE=$("$testbed" image)
    export DEPLOYER_TEST_IMAGE
}

# Tests wait more than they compute, so two halves run side by side. All that share a Docker Engine are in the first;
# of the contract of the server as much as makes the halves equally long. The other half need not wait for the image.
first_half=(
    tests/docker tests/contract/engines tests/contract/server/test_server_[de]*.py
    tests/integration/test_{source_kinds,estimator,jax,real_models}.py
)

all_of_them() {
    local told code=0
    told=$(mktemp)
    .venv/bin/pytest "${first_half[@]/#/--ignore=}" >"$told" 2>&1 &
    beside=$!
    if [ "${CI:-}" ] || can_make_one; then ensure_image; fi
    .venv/bin/pytest "${first_half[@]}" || code=$?
    wait "$beside" || code=$?
    beside=
    cat "$told"
    rm "$told"
    return "$code"
}

# The folders of the tests lie in memory where that is possible, and go with each test that passes.
unit_tests() {
    [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
    .venv/bin/pytest tests/unit -q --numprocesses logical --dist loadfile -o tmp_path_retention_policy=failed "$@"
}

# Child processes are measured, too: pyproject.toml says how. Fewer than 90 % of the lines fail a run of all tests.
measure_coverage() {
    local code=0 least=0
    rm -rf .coverage
    mkdir .coverage
    if [ $# -eq 0 ]; then
        least=90
        if [ "${CI:-}" ] || can_make_one; then ensure_image; fi
    fi
    .venv/bin/coverage run -m pytest -q "$@" || code=$?
    .venv/bin/coverage combine --quiet || return
    .venv/bin/coverage json --quiet -o .coverage/lines.json
    .venv/bin/python tests/covered.py .coverage/lines.json "$least" || code=$?
    return "$code"
}

case "${1:-}" in
unit)
    shift
    unit_tests "$@"
    exit
    ;;
coverage)
    shift
    measure_coverage "$@"
    exit
    ;;
docker)
    shift
    ensure_image
    case "$*" in *tests/*) ;; *) set -- tests/docker tests/contract/engines "$@" ;; esac
    ;;
'')
    all_of_them
    exit
    ;;
esac
.venv/bin/pytest "$@"
