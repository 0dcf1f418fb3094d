#!/usr/bin/env bash
# Runs the tests that need a Docker Engine: tests/docker and the Docker row of tests/contract/engines, or what is named.
# DEPLOYER_TEST_IMAGE names an image that an engine has; without it the testbed makes both (root on Debian).
set -euo pipefail
cd "$(dirname "$0")/../.."

testbed=docker/testbed/testbed.sh
started=no

# Only what this run started is stopped again.
stop_testbed() {
    [ "$started" = no ] || "$testbed" down
}

if [ -z "${DEPLOYER_TEST_IMAGE:-}" ]; then
    "$testbed" status >/dev/null 2>&1 || started=yes
    trap stop_testbed EXIT
    "$testbed" up
    DEPLOYER_TEST_IMAGE=$("$testbed" image)
    export DEPLOYER_TEST_IMAGE
fi
[ $# -gt 0 ] || set -- tests/docker tests/contract/engines
.venv/bin/pytest "$@"
