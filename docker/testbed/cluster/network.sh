# shellcheck shell=bash
# Network namespaces, one for each machine, and a bridge between them. The bridge is in the namespace of the hub, so no
# rule of this host's firewall concerns it. Sourced by cluster.sh.

NUMBER=$(($(printf %s "$NAME" | cksum | cut -d ' ' -f 1) % 250 + 1))
NETWORK=198.18.$NUMBER.   # a range for tests of networks: RFC 2544
HOST_LINK=testbed-$NUMBER # this host's interface to the cluster

# address MACHINE: prints its address; `host` is this host.
address() {
    case $1 in
    host) echo "${NETWORK}1" ;;
    hub) echo "${NETWORK}2" ;;
    node*) echo "${NETWORK}1${1#node}" ;;
    esac
}

# namespace MACHINE: prints the file of its network namespace.
namespace() {
    echo "/run/netns/testbed-$NAME-$1"
}

ensure_network() {
    local machine
    require_range
    for machine in "${MACHINES[@]}"; do
        ensure_namespace "$machine"
    done
    inside hub ip link show bridge >/dev/null 2>&1 || inside hub ip link add bridge type bridge
    inside hub ip addr replace "$(address hub)/24" dev bridge
    inside hub ip link set bridge up
    for machine in "${NODES[@]}"; do
        ensure_link "$machine"
    done
    ensure_host_link
}

# Two names may have one number.
require_range() {
    local found
    found=$(ip -o -4 addr show to "${NETWORK}0/24")
    [ -z "$found" ] || [ -e "$(namespace hub)" ] ||
        fail "${NETWORK}0/24 is in use: $found" "choose another name in DEPLOYER_TESTBED_CLUSTER"
}

# A killed `ip netns add` may leave a file that is no namespace.
ensure_namespace() {
    local file
    file=$(namespace "$1")
    if [ "$(stat --file-system --format %T "$file" 2>/dev/null)" != nsfs ]; then
        rm -f "$file"
        ip netns add "$(basename "$file")"
    fi
    inside "$1" ip link set lo up
}

# inside MACHINE COMMAND...: runs the command in its network namespace.
inside() {
    local machine=$1
    shift
    nsenter --net="$(namespace "$machine")" "$@"
}

ensure_link() {
    inside "$1" ip link show eth0 >/dev/null 2>&1 ||
        ip link add "$1" netns "testbed-$NAME-hub" type veth peer name eth0 netns "testbed-$NAME-$1"
    inside hub ip link set "$1" master bridge up
    inside "$1" ip addr replace "$(address "$1")/24" dev eth0
    inside "$1" ip link set eth0 up
}

ensure_host_link() {
    ip link show "$HOST_LINK" >/dev/null 2>&1 ||
        ip link add "$HOST_LINK" type veth peer name host netns "testbed-$NAME-hub"
    inside hub ip link set host master bridge up
    ip addr replace "$(address host)/24" dev "$HOST_LINK"
    ip link set "$HOST_LINK" up
}

# A link ends with one of its ends; a namespace ends with its last process and its file.
remove_network() {
    local machine
    if ip link show "$HOST_LINK" >/dev/null 2>&1; then ip link delete "$HOST_LINK"; fi
    for machine in "${MACHINES[@]}"; do
        if [ -e "$(namespace "$machine")" ]; then remove_namespace "$machine"; fi
    done
}

remove_namespace() {
    local file
    file=$(namespace "$1")
    if mountpoint --quiet "$file"; then ip netns delete "$(basename "$file")"; fi
    rm -f "$file"
}
