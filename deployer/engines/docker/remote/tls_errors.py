"""Why a TLS connection to an engine failed, and what to do about it."""

from __future__ import annotations

import re

from deployer.errors import EngineUnavailable

CAUSES = (
    (
        r"not yet valid",
        "its certificate is not valid yet: a clock may be wrong",
        "compare `date -u` here and on that machine",
    ),
    (r"certificate has expired", "its certificate has expired", "renew it; compare `date -u` on both machines"),
    (
        r"Hostname mismatch|IP address mismatch|doesn't match",
        "its certificate is for another name",
        "use a name of the certificate in the address",
    ),
    (
        r"self.signed certificate|unable to get local issuer|unable to get issuer|CERTIFICATE_VERIFY_FAILED",
        "its certificate is not signed by this authority",
        "DOCKER_CERT_PATH/ca.pem must be the authority that signed it",
    ),
    (
        r"(?i)alert|certificate.required|bad.certificate|unknown.ca|certificate.expired",
        "it does not accept this user's certificate",
        "DOCKER_CERT_PATH/cert.pem and key.pem must be signed by its authority, and not have expired",
    ),
    (r"WRONG_VERSION_NUMBER|record layer failure", "it does not speak TLS", "check the port: TLS is on 2376"),
)


def refusal(action: str, text: str) -> EngineUnavailable | None:
    """Return the error for a connection that TLS refused; None if it failed for another reason."""
    for pattern, cause, hint in CAUSES:
        if re.search(pattern, text):
            return EngineUnavailable(f"{action} cannot be used: {cause}", hint=hint)
    return None
