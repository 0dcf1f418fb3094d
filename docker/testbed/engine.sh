# shellcheck shell=bash
# Finds a Docker Engine, or starts one in its own session. Sourced by testbed.sh.

ENGINE_SECONDS=60
PID_FILE=$STATE/dockerd.pid
ENGINE_LOG=$STATE/dockerd.log

engine_answers() {
    within 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

engine_summary() {
    within 10 docker info --format 'Docker Engine {{.ServerVersion}}, {{.Driver}}, {{.Architecture}}'
}

# The process id of the engine that `up` started, if it runs.
our_engine() {
    local pid
    pid=$(cat "$PID_FILE" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && echo "$pid"
}

ensure_engine() {
    engine_answers && return
    case "${DOCKER_HOST:-unix://}" in
    unix://*) ;;
    *) fail "no Docker Engine answers at $DOCKER_HOST" "start it there, or unset DOCKER_HOST to start one here" ;;
    esac
    ensure_commands docker dockerd iptables
    engine_answers || start_engine # installing may have started it
}

# The engine chooses its storage driver: overlay2, or vfs if the file system of the directory does not support it.
start_engine() {
    local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
    say "starting a Docker Engine"
    forget_dead_containerd
    # shellcheck disable=SC2086 # several flags in one variable
    PATH="$PATH:/usr/sbin:/sbin" setsid dockerd --host "$host" --pidfile "$PID_FILE" \
        ${DEPLOYER_TESTBED_DOCKERD:-} >"$ENGINE_LOG" 2>&1 </dev/null 9>&- &
    wait_for_engine $!
}

# After a kill, the engine's containerd may be a zombie, or another process may have its id. The engine would count it
# as alive and wait for it.
forget_dead_containerd() {
    local file=/var/run/docker/containerd/containerd.pid pid
    pid=$(cat "$file" 2>/dev/null) || return 0
    case $(readlink "/proc/$pid/exe") in
    */containerd) ;;
    *) rm -f "$file" ;;
    esac
}

wait_for_engine() {
    local deadline=$((SECONDS + ENGINE_SECONDS))
    until engine_answers; do
        kill -0 "$1" 2>/dev/null || no_engine "ended at once"
        if [ "$SECONDS" -ge "$deadline" ]; then
            kill "$1"
            no_engine "did not answer within $ENGINE_SECONDS s"
        fi
        sleep 0.1
    done
}

no_engine() {
    tail -n 20 "$ENGINE_LOG" >&2
    fail "the Docker Engine $1" "its whole log is $ENGINE_LOG"
}

stop_engine() {
    local pid deadline=$((SECONDS + ENGINE_SECONDS))
    pid=$(our_engine) || { say "no engine runs that $0 started"; return; }
    kill "$pid"
    while our_engine >/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || fail "the Docker Engine (process $pid) did not stop in $ENGINE_SECONDS s"
        sleep 0.1
    done
    say "stopped the Docker Engine"
}
