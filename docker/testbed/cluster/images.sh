# shellcheck shell=bash
# Copies images from the usual engine to the nodes. Sourced by cluster.sh.

IMAGE_SECONDS=300

# load_images IMAGE...: each image, with its name, is then on each node.
load_images() {
    local image
    for image in "$@"; do
        load_image "$image"
    done
    forget_old_images
}

load_image() {
    local image=$1 id node lacking=()
    id=$(image_id "$image") || fail "the usual Docker Engine has no image $image"
    for node in "${NODES[@]}"; do
        [ "$(on "$node" image inspect --format '{{.Id}}' "$image" 2>/dev/null)" = "$id" ] || lacking+=("$node")
    done
    [ ${#lacking[@]} -gt 0 ] || return 0
    say "copying $image to ${lacking[*]}"
    logged copy copy_image "$image" "${lacking[@]}"
}

image_id() {
    within "$ANSWER_SECONDS" docker image inspect --format '{{.Id}}' "$1" 2>/dev/null
}

# copy_image IMAGE NODE...: reads the image once.
copy_image() {
    local image=$1 node pid code=0 pipes=() loads=()
    shift
    for node in "$@"; do
        rm -f "$STATE/$node/pipe" && mkfifo "$STATE/$node/pipe"
        within "$IMAGE_SECONDS" docker --host "$(socket "$node")" load --input "$STATE/$node/pipe" &
        loads+=($!)
        pipes+=("$STATE/$node/pipe")
    done
    within "$IMAGE_SECONDS" docker save "$image" | within "$IMAGE_SECONDS" tee "${pipes[@]}" >/dev/null || code=$?
    for pid in "${loads[@]}"; do
        wait "$pid" || code=$?
    done
    return "$code"
}

# Removes images of the testbed that the usual engine has not any more: each change of the server's code makes one.
forget_old_images() {
    local node image known
    known=$(within "$ANSWER_SECONDS" docker images --format '{{.Repository}}:{{.Tag}}' 'deployer-testbed/*') || return 0
    for node in "${NODES[@]}"; do
        for image in $(on "$node" images --format '{{.Repository}}:{{.Tag}}' 'deployer-testbed/*'); do
            grep -qxF "$image" <<<"$known" || on "$node" rmi "$image" >/dev/null 2>&1 || true
        done
    done
}
