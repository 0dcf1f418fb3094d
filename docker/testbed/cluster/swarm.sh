# shellcheck shell=bash
# Joins the three engines to a Swarm, each as a manager: it keeps its quorum when one node is lost. Sourced by cluster.sh.

SWARM_SECONDS=60 # a manager that was cut off may take half a minute to be reached again

ensure_swarm() {
    local deadline=$((SECONDS + SWARM_SECONDS))
    if all_joined; then
        until swarm_answers; do # after a start, the managers elect a leader first
            [ "$SECONDS" -lt "$deadline" ] || break
            sleep 0.2
        done
    fi
    swarm_answers || make_swarm
}

all_joined() {
    local node
    for node in "${NODES[@]}"; do
        [ "$(swarm_state "$node")" = active ] || return
    done
}

swarm_state() {
    on "$1" info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null
}

# The three nodes, each once, are ready, and each is a manager that the leader reaches.
swarm_answers() {
    [ "$(swarm_nodes)" = "$(printf '%s Ready\n' "${NODES[@]}")" ]
}

swarm_nodes() {
    on node1 node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}' 2>/dev/null |
        sed -nE 's/ (Leader|Reachable)$//p' | sort
}

swarm_summary() {
    echo "three managers; $(on node1 node ls --format '{{.Hostname}} {{.ManagerStatus}}' | sed -n 's/ Leader//p') leads"
}

make_swarm() {
    local node token deadline=$((SECONDS + SWARM_SECONDS))
    say "joining the nodes to a Swarm"
    for node in "${NODES[@]}"; do
        if [ "$(swarm_state "$node")" != inactive ]; then logged leave on "$node" swarm leave --force; fi
    done
    logged init on node1 swarm init --advertise-addr "$(address node1)" --listen-addr "$(address node1):2377"
    token=$(on node1 swarm join-token --quiet manager)
    for node in "${NODES[@]:1}"; do
        logged "join-$node" on "$node" swarm join --token "$token" --advertise-addr "$(address "$node")" \
            --listen-addr "$(address "$node"):2377" "$(address node1):2377"
    done
    until swarm_answers; do
        [ "$SECONDS" -lt "$deadline" ] || fail "the Swarm is not complete: $(swarm_nodes)" "run $0 down, then $0 up"
        sleep 0.2
    done
}
