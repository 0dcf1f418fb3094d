# shellcheck shell=bash
# Debian packages, installed where a command is missing. Sourced by testbed.sh.

# ensure_commands COMMAND...: installs the packages of those that are not there.
ensure_commands() {
    local command missing=()
    for command in "$@"; do
        PATH="$PATH:/usr/sbin:/sbin" type -P "$command" >/dev/null || missing+=("$(package_of "$command")")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# Debian 13 has docker's command line in a package of its own.
package_of() {
    case $1 in
    dockerd) echo docker.io ;;
    docker) apt-cache pkgnames docker-cli | grep -x docker-cli || echo docker.io ;;
    *) echo "$1" ;;
    esac
}

install_packages() {
    [ "$(id -u)" -eq 0 ] || fail "installing $* takes root" "run $0 as root, or install them yourself"
    type -P apt-get >/dev/null || fail "this machine has no apt-get: the testbed is for Debian" "install a Docker Engine"
    say "installing $*"
    logged apt-update within 300 apt-get -qq update
    logged apt-install within 300 apt-get -qq install --yes --no-install-recommends "$@"
}
