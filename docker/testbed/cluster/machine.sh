#!/usr/bin/env bash
# The first process of a machine: starts its servers, and ends when one of them ends; all processes of the machine end
# then, as they do when a machine loses power.
#
# machine.sh CACHES NAME DIRECTORY
set -euo pipefail
caches=$1 name=$2 directory=$3

# Hides the files of this host that another machine would not have, so that no test passes because of them.
hide_files() {
    local hidden
    exec 8<"$caches"
    for hidden in /tmp /root /home /run; do
        mount -t tmpfs -o mode=755 tmpfs "$hidden"
    done
    chmod 1777 /tmp
    mkdir -p "$caches"
    mount --no-canonicalize --bind /proc/self/fd/8 "$caches" # else mount would look for the hidden path
    exec 8<&-
    mkdir -p /run/lock /run/sshd
    ln -s "$directory/docker.sock" /run/docker.sock
}

# A killed engine leaves files that name processes: the next one would wait for them.
start_engine() {
    rm -rf "$directory/exec" "$directory/dockerd.pid"
    dockerd --config-file "$directory/daemon.json" &
}

# The users are in a copy of /etc: a file that is mounted on /etc/passwd goes when the host gets another user.
start_ssh() {
    cp -a /etc /run/etc
    cp "$directory"/{passwd,shadow,group} /run/etc
    mount --bind /run/etc /etc
    "$(cat "$directory/sshd")" -D -e -f "$directory/sshd_config" &
}

start_registry() {
    "$(cat "$directory/registry")" serve "$directory/config.yml" &
}

# Ends with the first server that ends. The engine stops its containers on SIGTERM.
stop() {
    # shellcheck disable=SC2046 # several processes
    kill $(jobs -p) 2>/dev/null || true
}

hostname "$name"
trap stop TERM
hide_files
if [ -e "$directory/sshd" ]; then start_ssh; fi
if [ -e "$directory/daemon.json" ]; then start_engine; fi
if [ -e "$directory/registry" ]; then start_registry; fi
wait -n || true
stop
wait
