#!/usr/bin/env bash
# Runs the tests in the project's environment.
#
#   run.sh                 run every test, including those that need a Docker Engine
#   run.sh unit [ARGS]     run the unit tests on all processors
#   run.sh coverage [ARGS] measure coverage of all tests, or of those that ARGS select
#   run.sh docker [ARGS]   run the tests that need a Docker Engine, or those that ARGS select
#   run.sh ARGS            run pytest with ARGS; tests that need an engine run only with DEPLOYER_TEST_IMAGE
#
# DEPLOYER_TEST_IMAGE names an image of the engine. Without it, the testbed provides engine and image. If it cannot (no
# engine with a usable image, and not root on Debian), these tests are skipped, which is a failure in CI.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE  # with it, each of a thousand processes would compile its imports

testbed=docker/testbed/testbed.sh
started=no

# Stops the engine only if this run started it.
leave() {
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

# Tests wait more than they compute: one process more than processors, at most four; with more, tests that compute run into
# their deadlines. The tests of a file stay in one process, for they share what is expensive to make;
# tests/support/scheduling.py says in which order files start.
processes=$(($(nproc) < 4 ? $(nproc) + 1 : 4))
in_parallel=(--numprocesses "$processes" --dist loadfile --no-loadscope-reorder)

all_of_them() {
    if [ "${CI:-}" ] || can_make_one; then ensure_image; fi
    .venv/bin/pytest "${in_parallel[@]}"
}

# Test directories are in memory if possible, and removed after each test that passes.
unit_tests() {
    [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
    .venv/bin/pytest tests/unit -q --numprocesses logical --dist loadfile -o tmp_path_retention_policy=failed "$@"
}

# Includes child processes (see pyproject.toml). A run of all tests fails below 90 % of the lines.
measure_coverage() {
    local code=0 least=0
    rm -rf .coverage
    mkdir .coverage
    if [ $# -eq 0 ]; then
        least=90
        if [ "${CI:-}" ] || can_make_one; then ensure_image; fi
    fi
    .venv/bin/coverage run -m pytest -q "${in_parallel[@]}" "$@" || code=$?
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
