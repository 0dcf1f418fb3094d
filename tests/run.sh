#!/usr/bin/env bash
# Runs pytest with its arguments. For the Docker tests, root on Debian gets a real engine and an image first; elsewhere
# DEPLOYER_TEST_IMAGE names an image that an engine has. Without either they are left out, which is said at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

testbed=docker/testbed/testbed.sh
started=no

can_make_a_testbed() {
    [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ]
}

# Only what this run started is stopped again.
stop_testbed() {
    [ "$started" = no ] || "$testbed" down
}

if [ -z "${DEPLOYER_TEST_IMAGE:-}" ] && [ $# -eq 0 ] && can_make_a_testbed; then
    "$testbed" status >/dev/null 2>&1 || started=yes
    trap stop_testbed EXIT
    "$testbed" up
    DEPLOYER_TEST_IMAGE=$("$testbed" image)
    export DEPLOYER_TEST_IMAGE
fi
.venv/bin/pytest "$@"
