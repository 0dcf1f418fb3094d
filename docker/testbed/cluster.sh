#!/usr/bin/env bash
# A cluster on one machine (Linux, as root) for tests: three Docker Engines that are joined to a Swarm, an image registry,
# and an SSH server on node2. Each node has its own network, processes, host name and directories.
#
#   cluster.sh up [IMAGE...]    start what does not run; copy images from the usual engine: those of the testbed, or IMAGE
#   cluster.sh load IMAGE...    copy images to the nodes that lack them
#   cluster.sh status           print the parts; exit with 1 if one is missing or does not answer
#   cluster.sh env              print addresses and files as shell variables
#   cluster.sh down             stop everything that `up` started; keep the nodes' images
#
# DEPLOYER_TESTBED_CLUSTER  name of the cluster, for a second one on this machine; default main
# DEPLOYER_TESTBED_DIR      directory for caches; default /var/lib/deployer-testbed
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NAME=${DEPLOYER_TESTBED_CLUSTER:-main}
CACHES=${DEPLOYER_TESTBED_DIR:-/var/lib/deployer-testbed}
STATE=$CACHES/cluster/$NAME
NODES=(node1 node2 node3)
MACHINES=(hub "${NODES[@]}")
export DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/sbin:/sbin"

# shellcheck source=common.sh
. "$HERE/common.sh"
# shellcheck source=packages.sh
. "$HERE/packages.sh"
# shellcheck source=cluster/network.sh
. "$HERE/cluster/network.sh"
# shellcheck source=cluster/certificates.sh
. "$HERE/cluster/certificates.sh"
# shellcheck source=cluster/machines.sh
. "$HERE/cluster/machines.sh"
# shellcheck source=cluster/swarm.sh
. "$HERE/cluster/swarm.sh"
# shellcheck source=cluster/images.sh
. "$HERE/cluster/images.sh"

up() {
    require_root
    one_at_a_time "$STATE/lock"
    ensure_commands docker dockerd iptables ip nsenter unshare openssl ssh ssh-keygen
    rm -f "$STATE/started-by-tests" # it is the caller's now (tests/support/cluster.py)
    ensure_network
    ensure_certificates
    ensure_machines
    ensure_swarm
    [ $# -gt 0 ] || mapfile -t images < <("$HERE/testbed.sh" image && "$HERE/testbed.sh" gateway)
    load_images "${@:-${images[@]}}"
    say "ready: three nodes at ${NETWORK}11 to ${NETWORK}13"
}

load() {
    [ $# -gt 0 ] || fail "load needs an image"
    one_at_a_time "$STATE/lock"
    load_images "$@"
}

down() {
    require_root
    one_at_a_time "$STATE/lock"
    empty_engines
    stop_machines
    remove_network
    remove_leftovers
    say "stopped"
}

status() {
    local part code=0
    for part in "${NODES[@]}" registry ssh swarm; do
        if "${part%[0-9]}_answers" "$part"; then
            echo "$part: $("${part%[0-9]}_summary" "$part")"
        else
            echo "$part: does not answer"
            code=1
        fi
    done
    return "$code"
}

env() {
    local node
    echo "CLUSTER_NODES='${NODES[*]}'"
    for node in "${NODES[@]}"; do
        echo "CLUSTER_${node^^}_SOCKET=$(socket "$node")"
        echo "CLUSTER_${node^^}_TCP=tcp://$(address "$node"):2376"
        echo "CLUSTER_${node^^}_ADDRESS=$(address "$node")"
        echo "CLUSTER_${node^^}_NETNS=$(namespace "$node")"
        echo "CLUSTER_${node^^}_LINK=$node"
    done
    echo "CLUSTER_HUB_NETNS=$(namespace hub)"
    echo "CLUSTER_HUB_ADDRESS=$(address hub)"
    echo "CLUSTER_HOST_ADDRESS=$(address host)"
    echo "CLUSTER_REGISTRY=$(address hub):5000"
    echo "CLUSTER_CERTIFICATES=$CLIENT_FILES"
    echo "CLUSTER_SSH=ssh://root@$(address node2)"
    echo "CLUSTER_SSH_CONFIG=$SSH_FILES/config"
    echo "CLUSTER_SSH_PATH=$SSH_FILES/bin"
}

require_root() {
    [ "$(id -u)" -eq 0 ] || fail "a cluster takes root: it makes network namespaces" "run $0 as root"
    [[ $NAME =~ ^[a-z][a-z0-9]{0,19}$ ]] || fail "DEPLOYER_TESTBED_CLUSTER: '$NAME' is not a word of a-z and 0-9"
}

case "${1:-}" in
up | load) "$@" ;;
status | env | down) "$1" ;;
*) fail "usage: $0 up [IMAGE...]|load IMAGE...|status|env|down" ;;
esac
