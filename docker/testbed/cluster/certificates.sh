# shellcheck shell=bash
# A certificate authority, one certificate for all servers and one for clients; keys for SSH. Sourced by cluster.sh.

CERTIFICATE_DAYS=3650
FILES=$STATE/certificates
CLIENT_FILES=$STATE/client # as DOCKER_CERT_PATH needs them: ca.pem, cert.pem, key.pem
SSH_FILES=$STATE/ssh

# New certificates take effect when the servers start again.
ensure_certificates() {
    certificates_are_valid || { stop_machines && make_certificates; }
    [ -x "$SSH_FILES/bin/ssh" ] || { stop_machines && make_ssh_files; }
}

certificates_are_valid() {
    local file
    [ -r "$CLIENT_FILES/key.pem" ] || return
    for file in "$FILES/server.pem" "$CLIENT_FILES/cert.pem"; do
        openssl verify -CAfile "$CLIENT_FILES/ca.pem" "$file" >/dev/null 2>&1 || return
        openssl x509 -checkend 86400 -noout -in "$file" >/dev/null || return
    done
    openssl x509 -checkip "$(address hub)" -noout -in "$FILES/server.pem" | grep -q 'does match'
}

make_certificates() {
    rm -rf "$FILES" "$CLIENT_FILES" && mkdir -p "$FILES" "$CLIENT_FILES"
    (
        umask 077
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$CERTIFICATE_DAYS" \
            -subj "/CN=testbed $NAME" -keyout "$FILES/ca.key" -out "$CLIENT_FILES/ca.pem" 2>/dev/null
        sign server serverAuth "$FILES/server" "$(addresses)"
        sign client clientAuth "$CLIENT_FILES/cert" DNS:client
        mv "$CLIENT_FILES/cert.key" "$CLIENT_FILES/key.pem"
    )
}

addresses() {
    local machine
    for machine in "${MACHINES[@]}"; do
        printf 'DNS:%s,IP:%s,' "$machine" "$(address "$machine")"
    done
    echo DNS:localhost,IP:127.0.0.1
}

# sign NAME USE FILE NAMES: makes FILE.key and FILE.pem.
sign() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$3.key" -out "$3.csr" 2>/dev/null
    openssl x509 -req -in "$3.csr" -days "$CERTIFICATE_DAYS" -CA "$CLIENT_FILES/ca.pem" -CAkey "$FILES/ca.key" \
        -CAcreateserial -CAserial "$FILES/serial" -out "$3.pem" 2>/dev/null \
        -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$4" "$2")
    rm "$3.csr"
}

# The directory bin has an `ssh` that uses this configuration, for programs that run the `ssh` of PATH.
make_ssh_files() {
    rm -rf "$SSH_FILES" && mkdir -p "$SSH_FILES/bin"
    ssh-keygen -q -t ed25519 -N '' -C host -f "$SSH_FILES/host_key"
    ssh-keygen -q -t ed25519 -N '' -C client -f "$SSH_FILES/key"
    cp "$SSH_FILES/key.pub" "$SSH_FILES/authorized_keys"
    echo "$(address node2) $(cut -d ' ' -f 1,2 "$SSH_FILES/host_key.pub")" >"$SSH_FILES/known_hosts"
    cat >"$SSH_FILES/config" <<-END
		Host *
		    IdentityFile $SSH_FILES/key
		    IdentitiesOnly yes
		    UserKnownHostsFile $SSH_FILES/known_hosts
		    GlobalKnownHostsFile /dev/null
		    StrictHostKeyChecking yes
		    BatchMode yes
	END
    printf '#!/bin/sh\nexec %s -F %s/config "$@"\n' "$(type -P ssh)" "$SSH_FILES" >"$SSH_FILES/bin/ssh"
    chmod 755 "$SSH_FILES/bin/ssh"
}
