# shellcheck shell=bash
# What the scripts of the testbed share: messages, deadlines, a lock. Sourced; $STATE is the directory for logs.

ALL_SECONDS=900

say() { echo "$(basename "$0" .sh): $*" >&2; }

fail() {
    say "error: $1"
    [ -z "${2:-}" ] || say "hint: $2"
    exit 1
}

# logged NAME COMMAND...: runs the command with its output in a file, and prints the end of the file if it fails.
logged() {
    local name=$1 log="$STATE/$1.log" code=0
    shift
    "$@" >"$log" 2>&1 </dev/null || code=$?
    [ "$code" -ne 0 ] || return 0
    tail -n 20 "$log" >&2
    [ "$code" -ne 124 ] || fail "$name took too long" "the whole output is in $log"
    fail "$name failed with exit code $code" "the whole output is in $log"
}

# within SECONDS COMMAND...: runs the command with a deadline; exits with 124 after it.
within() {
    timeout --kill-after=10 "$@"
}

# one_at_a_time FILE: waits for the lock; it is held until this process ends.
one_at_a_time() {
    local file=$1
    mkdir -p "${file%/*}"
    exec 9>"$file"
    flock --timeout "$ALL_SECONDS" 9 || fail "another run has held $file for $ALL_SECONDS s"
}
