# shellcheck shell=bash
# The processes of the cluster: one Docker Engine for each node, an SSH server on node2, the registry on the hub. All
# processes of a machine end with its first one (cluster/machine.sh). Sourced by cluster.sh.

ANSWER_SECONDS=10
START_SECONDS=60
STOP_SECONDS=20
REGISTRY_MEGABYTES=4096
declare -A STARTED=() # the process that starts each machine

socket() {
    echo "unix://$STATE/$1/docker.sock"
}

# on NODE ARGUMENTS...: runs docker with the node's engine.
on() {
    local node=$1
    shift
    within 60 docker --host "$(socket "$node")" "$@"
}

ensure_machines() {
    local machine down=()
    for machine in "${MACHINES[@]}"; do
        machine_answers "$machine" || down+=("$machine")
    done
    [ ${#down[@]} -gt 0 ] || return 0
    say "starting ${down[*]}"
    for machine in "${down[@]}"; do
        stop_machine "$machine"
        start_machine "$machine"
    done
    for machine in "${down[@]}"; do
        wait_for_machine "$machine"
    done
}

machine_answers() {
    case $1 in
    hub) registry_answers ;;
    node2) node_answers node2 && ssh_answers ;;
    *) node_answers "$1" ;;
    esac
}

# Asks over TCP: the answer needs the links, the certificates and the engine.
node_answers() {
    [ -r "$CLIENT_FILES/ca.pem" ] || return
    within "$ANSWER_SECONDS" docker --host "tcp://$(address "$1"):2376" --tlsverify --tlscacert "$CLIENT_FILES/ca.pem" \
        --tlscert "$CLIENT_FILES/cert.pem" --tlskey "$CLIENT_FILES/key.pem" version >/dev/null 2>&1
}

node_summary() {
    echo "Docker Engine $(on "$1" version --format '{{.Server.Version}}') at $(socket "$1") and tcp://$(address "$1"):2376"
}

ssh_answers() {
    within "$ANSWER_SECONDS" bash -c 'read -r said <"/dev/tcp/$1/22" && [[ $said = SSH-* ]]' - "$(address node2)" 2>/dev/null
}

ssh_summary() {
    echo "ssh://root@$(address node2)"
}

registry_answers() {
    printf 'GET /v2/ HTTP/1.0\r\n\r\n' | within "$ANSWER_SECONDS" openssl s_client -quiet -verify_return_error \
        -CAfile "$CLIENT_FILES/ca.pem" -connect "$(address hub):5000" 2>/dev/null | grep -q '^HTTP/1.. 200'
}

registry_summary() {
    echo "$(address hub):5000"
}

start_machine() {
    mkdir -p "$STATE/$1"
    if [ -e "$STATE/$1/log" ]; then mv "$STATE/$1/log" "$STATE/$1/log.old"; fi
    "write_files_of_${1%[0-9]}" "$1"
    setsid nsenter --net="$(namespace "$1")" unshare --mount --propagation private --uts --pid --fork --kill-child \
        --mount-proc env --ignore-environment PATH="$PATH" SSL_CERT_FILE="$CLIENT_FILES/ca.pem" \
        LD_LIBRARY_PATH="${SSH_LIBRARIES:-}" \
        bash "$HERE/cluster/machine.sh" "$CACHES" "$1" "$STATE/$1" >>"$STATE/$1/log" 2>&1 </dev/null 9>&- &
    STARTED[$1]=$!
}

write_files_of_node() {
    cat >"$STATE/$1/daemon.json" <<-END
		{
		    "hosts": ["$(socket "$1")", "tcp://$(address "$1"):2376"],
		    "data-root": "$STATE/$1/data",
		    "exec-root": "$STATE/$1/exec",
		    "pidfile": "$STATE/$1/dockerd.pid",
		    "tlsverify": true,
		    "tlscacert": "$CLIENT_FILES/ca.pem",
		    "tlscert": "$FILES/server.pem",
		    "tlskey": "$FILES/server.key",
		    "shutdown-timeout": 5
		}
	END
    [ "$1" != node2 ] || write_files_of_ssh
}

# root may use the engine, and `member` as a member of its group; `guest` may not.
write_files_of_ssh() {
    local program root
    program=$("$HERE/testbed.sh" sshd)
    root=${program%/usr/sbin/sshd}
    SSH_LIBRARIES=$(printf '%s:' "$root"/{lib,usr/lib}/*-linux-gnu)
    printf '%s\n' "$program" >"$STATE/node2/sshd"
    cat >"$STATE/node2/sshd_config" <<-END
		Port 22
		ListenAddress $(address node2)
		HostKey $SSH_FILES/host_key
		AuthorizedKeysFile $SSH_FILES/authorized_keys
		PidFile none
		StrictModes no
		PermitRootLogin prohibit-password
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		UseDNS no
		MaxStartups 100
		MaxSessions 100
	END
    cat >"$STATE/node2/passwd" <<-END
		root:x:0:0:root:/root:/bin/bash
		sshd:x:990:65534:sshd:/run/sshd:/usr/sbin/nologin
		member:x:2001:2001:member:/tmp:/bin/bash
		guest:x:2002:2002:guest:/tmp:/bin/bash
	END
    printf '%s:*:19000::::::\n' root sshd member guest >"$STATE/node2/shadow"
    printf '%s\n' root:x:0: docker:x:990:member member:x:2001: guest:x:2002: nogroup:x:65534: >"$STATE/node2/group"
}

# The registry keeps what was pushed: layers of the server's image take long to compress.
write_files_of_hub() {
    local data=$STATE/hub/data
    mkdir -p "$data"
    if [ "$(du --summarize --block-size=1M "$data" | cut -f 1)" -gt "$REGISTRY_MEGABYTES" ]; then rm -rf "$data"; fi
    "$HERE/testbed.sh" registry >"$STATE/hub/registry"
    cat >"$STATE/hub/config.yml" <<-END
		version: 0.1
		log: {level: warn}
		storage:
		    filesystem: {rootdirectory: $data}
		    delete: {enabled: true}
		http:
		    addr: $(address hub):5000
		    tls: {certificate: $FILES/server.pem, key: $FILES/server.key}
	END
}

wait_for_machine() {
    local deadline=$((SECONDS + START_SECONDS))
    until machine_answers "$1"; do
        [ "$SECONDS" -lt "$deadline" ] || machine_failed "$1" "did not answer within $START_SECONDS s"
        kill -0 "${STARTED[$1]}" 2>/dev/null || machine_failed "$1" "ended at once"
        sleep 0.1
    done
}

machine_failed() {
    tail -n 20 "$STATE/$1/log" >&2
    fail "$1 $2" "its whole log is $STATE/$1/log"
}

stop_machines() {
    local machine
    for machine in "${MACHINES[@]}"; do
        signal TERM first_process "$machine"
    done
    for machine in "${MACHINES[@]}"; do
        stop_machine "$machine"
    done
}

# The first process of a machine stops the others. The kernel kills what it leaves.
stop_machine() {
    local deadline=$((SECONDS + STOP_SECONDS))
    while [ "$(processes "$1")" ]; do
        if [ "$SECONDS" -lt "$deadline" ]; then
            signal TERM first_process "$1"
        else
            signal KILL processes "$1"
        fi
        [ "$SECONDS" -lt $((deadline + STOP_SECONDS)) ] || fail "processes of $1 did not end: $(processes "$1")"
        sleep 0.1
    done
}

# signal NAME LIST MACHINE: LIST is one of the two functions below.
signal() {
    "$2" "$3" | xargs --no-run-if-empty kill -s "$1" 2>/dev/null || true
}

# Prints the first process of a machine, and the one that started it.
processes() {
    local pid
    first_process "$1"
    for pid in $(processes_inside "$1"); do
        if grep -qsx unshare "/proc/$pid/comm"; then echo "$pid"; fi
    done
}

# The first process has number 1 in its own namespace of processes.
first_process() {
    local pid
    for pid in $(processes_inside "$1"); do
        if grep -qsE $'^NSpid:\t[0-9]+\t1$' "/proc/$pid/status"; then echo "$pid"; fi
    done
}

# Processes are found by their network namespace: a file could name a process of somebody else.
processes_inside() {
    [ ! -e "$(namespace "$1")" ] || ip netns pids "$(basename "$(namespace "$1")")" 2>/dev/null || true
}

# Removes what tests left on the engines. Images stay.
empty_engines() {
    local node
    for node in "${NODES[@]}"; do
        if [ -S "$STATE/$node/docker.sock" ]; then empty_engine "$node" >/dev/null 2>&1 & fi
    done
    wait
}

empty_engine() {
    on "$1" swarm leave --force
    on "$1" ps --all --quiet | xargs --no-run-if-empty docker --host "$(socket "$1")" rm --force --volumes
}

# Removes what belongs to containers and services.
remove_leftovers() {
    local node
    for node in "${NODES[@]}"; do
        rm -rf "$STATE/$node"/data/{swarm,volumes,network} "$STATE/$node/exec"
    done
}
