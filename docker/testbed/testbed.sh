#!/usr/bin/env bash
# Prepares a Debian machine (as root) for tests/docker: a running Docker Engine and an image of the model server.
#
#   testbed.sh up       start an engine if none answers; build missing or outdated images
#   testbed.sh image    print the image to test with: DEPLOYER_TEST_IMAGE, else a tensorflow/serving of the engine, else ours
#   testbed.sh status   print the engine, its process and the images
#   testbed.sh compose  print a command that runs Compose files; install one if necessary
#   testbed.sh gateway  print an image of HAProxy; build it if necessary
#   testbed.sh registry print the path of an image registry's program; download it if necessary
#   testbed.sh sshd     print the path of an SSH server's program; download it if necessary
#   testbed.sh down     stop the engine that `up` started; keep images and caches
#
# DEPLOYER_TESTBED_DIR      directory for logs, process id and caches; default /var/lib/deployer-testbed
# DEPLOYER_TESTBED_DOCKERD  more flags for the engine that `up` starts
# DOCKER_HOST               engine to use, as for docker
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROJECT=$(cd "$HERE/../.." && pwd)
STATE=${DEPLOYER_TESTBED_DIR:-/var/lib/deployer-testbed}
export DEBIAN_FRONTEND=noninteractive DOCKER_BUILDKIT=0

# shellcheck source=common.sh
. "$HERE/common.sh"
# shellcheck source=packages.sh
. "$HERE/packages.sh"
# shellcheck source=engine.sh
. "$HERE/engine.sh"
# shellcheck source=images.sh
. "$HERE/images.sh"

up() {
    one_at_a_time "$STATE/lock"
    ensure_engine
    if ours_is_tested; then ensure_server; fi
    say "ready: $(test_image) on $(engine_summary)"
}

image() {
    [ "${DEPLOYER_TEST_IMAGE:-}" ] || require_engine
    test_image || fail "there is no image to test with" "run $0 up"
}

gateway() {
    require_engine
    one_at_a_time "$STATE/lock"
    ensure_gateway >&2
    gateway_image
}

require_engine() {
    engine_answers || fail "no Docker Engine answers at ${DOCKER_HOST:-the usual place}" "run $0 up"
}

status() {
    require_engine
    echo "engine: $(engine_summary)"
    echo "process: $(our_engine || echo "not started by $0")"
    docker images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E '^(deployer-testbed/|tensorflow/serving:)' || true
}

case "${1:-}" in
up | image | status | compose | gateway | registry | sshd) "$1" ;;
down) stop_engine ;;
*) fail "usage: $0 up|image|status|compose|gateway|registry|sshd|down" ;;
esac
