# shellcheck shell=bash
# Installs Debian packages for missing commands. Sourced by testbed.sh.

# ensure_commands COMMAND...: installs the packages of missing commands.
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

# Prints a command that runs Compose files: the plugin if it is installed, else Debian's package.
compose() {
    if within 10 docker compose version >/dev/null 2>&1; then echo docker compose && return; fi
    type -P docker-compose >/dev/null || one_at_a_time "$STATE/lock"
    ensure_commands docker-compose
    echo docker-compose
}

# Prints the path of a registry's program. It is extracted from Debian's package, because installing the package starts a
# registry for the whole network.
registry() {
    type -P docker-registry || unpacked usr/bin/docker-registry docker-registry
}

# Prints the path of an SSH server's program, which is extracted for the same reason. It needs the directory of its
# libraries in LD_LIBRARY_PATH: lib below the directory that has usr.
sshd() {
    PATH="$PATH:/usr/sbin:/sbin" type -P sshd || unpacked usr/sbin/sshd openssh-server libwrap0
}

# unpacked PROGRAM PACKAGE...: prints the path of a program in the packages' files, which it extracts if necessary.
unpacked() {
    local program=$1 directory=$STATE/unpacked/$2
    shift
    one_at_a_time "$STATE/lock"
    [ -x "$directory/$program" ] || unpack "$directory" "$@"
    echo "$directory/$program"
}

unpack() {
    local directory=$1 file
    shift
    type -P apt-get >/dev/null || fail "this machine has no apt-get: the testbed is for Debian" "install $*"
    say "fetching $*"
    rm -rf "$directory" "$directory.new" && mkdir -p "$directory.new"
    [ "$(id -u)" -ne 0 ] || logged apt-update within 300 apt-get -qq update
    (cd "$directory.new" && logged apt-download within 300 apt-get -qq -o APT::Sandbox::User=root download "$@")
    for file in "$directory.new"/*.deb; do
        logged unpack dpkg-deb --extract "$file" "$directory.new"
    done
    mv "$directory.new" "$directory"
}
