# shellcheck shell=bash
# The local images: a Debian base from debootstrap, and the server image on it. Sourced by testbed.sh.
# A digest of its inputs is part of each image, so no image is built twice. The server's digest is its tag, so two
# checkouts that test on one engine keep their own images.

SUITE=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
BASE=deployer-testbed/base:$SUITE
SERVER=deployer-testbed/server
GATEWAY=deployer-testbed/gateway
GATEWAY_FILE=$PROJECT/docker/gateway/Dockerfile
BASE_LABEL=testbed.base
SERVER_LABEL=testbed.server
BASE_PACKAGES=ca-certificates,python3,python3-venv
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
CONTEXT=(docker/server deployer/__init__.py deployer/_version.py deployer/server)

# Prints DEPLOYER_TEST_IMAGE, else an image of TensorFlow Serving for CPUs on the engine, else ours.
test_image() {
    local found=${DEPLOYER_TEST_IMAGE:-}
    [ "$found" ] || found=$(images_named tensorflow/serving | grep -vE ':.*(<none>|gpu|devel)' | head -n 1) || true
    [ "$found" ] || found=$(images_named "$(server_image)")
    [ "$found" ] && echo "$found"
}

ours_is_tested() {
    local image
    image=$(test_image) || return 0
    [ "$image" = "$(server_image)" ]
}

# Prints the name of this checkout's server image, whether it exists or not.
server_image() {
    echo "$SERVER:$(server_inputs | digest | cut -c 1-12)"
}

images_named() {
    within 10 docker images --format '{{.Repository}}:{{.Tag}}' "$1"
}

# up_to_date IMAGE LABEL DIGEST
up_to_date() {
    [ "$(within 10 docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null)" = "$3" ]
}

digest() {
    sha256sum | cut -d ' ' -f 1
}

ensure_base() {
    local inputs
    inputs=$(base_inputs | digest)
    up_to_date "$BASE" "$BASE_LABEL" "$inputs" && return
    ensure_commands debootstrap
    say "making the base image (one or two minutes)"
    make_root "$STATE/root"
    logged import import_root "$STATE/root" "$inputs"
    remove_root "$STATE/root"
}

base_inputs() {
    echo "$SUITE" "$BASE_PACKAGES" "$(uname -m)"
    declare -f make_root import_root
    apt_settings
    cat "$(certificates)"
}

make_root() {
    remove_root "$1"
    mkdir -p "$STATE/debs"
    logged debootstrap within 480 debootstrap --variant=minbase --include="$BASE_PACKAGES" \
        --cache-dir="$STATE/debs" "$SUITE" "$1" "$(mirror)"
    rm -rf "$1"/var/{cache/apt,lib/apt/lists,log}/* "$1"/usr/share/{man,locale,doc-base,info}/*
    apt_settings >"$1/etc/apt/apt.conf.d/99testbed"
    cat "$(certificates)" >"$1$CERTIFICATES"
}

# An interrupted debootstrap leaves its mounts behind.
remove_root() {
    local directory
    for directory in "$1/proc" "$1/sys"; do
        if mountpoint --quiet "$directory" 2>/dev/null; then umount --lazy "$directory"; fi
    done
    rm -rf --one-file-system "$1"
}

# Prints the mirror of this machine's apt.
mirror() {
    # shellcheck disable=SC2016 # the placeholders are apt's
    apt-get indextargets --format '$(REPO_URI)' "Codename: $SUITE" 'Component: main' 'Created-By: Packages' | head -n 1
}

# Prints the settings of this machine's apt: proxies, and disabled checks.
apt_settings() {
    apt-config dump | grep -E '^Acquire::((http|https)::(Proxy|Verify)|Check-)' || true
}

# Prints the file of certificate authorities that this machine trusts, including those of a proxy.
certificates() {
    local file
    for file in "${SSL_CERT_FILE:-}" "$CERTIFICATES" /dev/null; do
        if [ -r "$file" ]; then echo "$file" && return; fi
    done
}

import_root() {
    tar --numeric-owner --exclude='./dev/*' --directory="$1" --create . |
        within 120 docker import --change "LABEL $BASE_LABEL=$2" --change 'CMD ["bash"]' - "$BASE"
}

# Builds docker/server/Dockerfile on the local base.
ensure_server() {
    local image
    ensure_base
    image=$(server_image)
    [ -z "$(images_named "$image")" ] || return 0
    say "building the server image (two minutes the first time, seconds after a change of the server's code)"
    logged build build_server "$image"
    docker image prune --all --force --filter "label=$SERVER_LABEL" --filter until=24h >/dev/null # of earlier days
}

server_inputs() {
    within 10 docker image inspect --format '{{.Id}}' "$BASE" 2>/dev/null || true # none yet: a name that no image has
    context | digest
}

# Prints the build context as a tar file without dates and owners.
context() {
    tar --create --directory="$PROJECT" --exclude=__pycache__ --exclude='*.md' --sort=name --mtime=@0 --owner=0 --group=0 \
        --numeric-owner --mode=a+rX,go-w "${CONTEXT[@]}"
}

# Builds the gateway image, HAProxy on the local base.
ensure_gateway() {
    ensure_base
    [ -z "$(images_named "$(gateway_image)")" ] || return 0
    say "building the gateway image"
    logged build-gateway build_gateway "$(gateway_image)"
}

gateway_image() {
    echo "$GATEWAY:$({ within 10 docker image inspect --format '{{.Id}}' "$BASE"; cat "$GATEWAY_FILE"; } | digest | cut -c 1-12)"
}

build_gateway() {
    within 240 docker build --network host --tag "$1" --label "$SERVER_LABEL" --build-arg BASE="$BASE" - <"$GATEWAY_FILE"
}

# Arguments without a value come from the environment.
build_server() {
    export PIP_CERT=$CERTIFICATES PIP_INDEX_URL=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null)}
    [ "$PIP_INDEX_URL" ] || unset PIP_INDEX_URL
    context | within 560 docker build --network host --file docker/server/Dockerfile \
        --tag "$1" --label "$SERVER_LABEL" --build-arg BASE="$BASE" \
        --build-arg PIP_CERT --build-arg PIP_INDEX_URL --build-arg PIP_EXTRA_INDEX_URL \
        --build-arg HTTP_PROXY --build-arg HTTPS_PROXY --build-arg NO_PROXY \
        --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy -
}
