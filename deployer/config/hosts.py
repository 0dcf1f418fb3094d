"""The host that ports are bound to: a name or an address becomes an IP address, or is refused.

Docker and some C libraries bind to every interface when they cannot parse an address. So no other module sees a name.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import re
import socket
import threading

from deployer.errors import ConfigError, InvalidValue

EVERY_INTERFACE = ("0.0.0.0", "::")  # noqa: S104 - read, never bound unasked
RESOLVE_SECONDS = 3.0
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*\.?")
# C parses these as addresses although parts are missing: 0, 127.1, 0x7f000001.
NUMERIC = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)(\.(0[xX][0-9A-Fa-f]*|[0-9]+))*\.?")
QUAD, OCTET = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){3}"), 255
WITH_PORT = re.compile(r"(?P<host>[^:]+|\[.*\]):\d{1,5}")
HINT = "127.0.0.1 for this machine alone, 0.0.0.0 for every network that it is in"


def resolve_host(host: str) -> str:
    """Return the IP address of `host`. Raises InvalidValue for a malformed one, and for a name outside of loopback."""
    try:
        return _check_ip(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not host.strip():
        raise InvalidValue("an empty host would open the ports to every network", hint=HINT)
    if host.startswith("["):
        raise InvalidValue(f"host {host[:80]!r} has brackets: an IPv6 address is written without them", hint="::1")
    if WITH_PORT.fullmatch(host):
        raise InvalidValue(f"host {host[:80]!r} has a port: write it as --rest-port and --grpc-port", hint=HINT)
    if QUAD.fullmatch(host):
        wrong = next((part for part in host.split(".") if int(part) > OCTET), None)
        why = f"{wrong} is more than {OCTET}" if wrong else "a number of it begins with 0"
        raise InvalidValue(f"host {host!r} is no IP address: {why}", hint=HINT)
    if NUMERIC.fullmatch(host):
        raise InvalidValue(f"host {host[:80]!r} is no complete IP address: write all four numbers", hint=HINT)
    if not HOST_NAME.fullmatch(host):
        raise InvalidValue(f"host {host[:80]!r} is neither an IP address nor a host name", hint=HINT)
    return _resolve_loopback(host)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    return ipaddress.ip_address(host).is_loopback


def check_family(host: str) -> None:
    """Raise ConfigError for an IPv6 address on a machine without IPv6."""
    if ":" not in host:
        return
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise ConfigError(f"server.host: this machine has no IPv6, and {host} needs it", hint=HINT) from error


def _check_ip(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise InvalidValue(f"host {address} names an interface: an address with a scope cannot be bound", hint=HINT)
        address = address.ipv4_mapped or address
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        raise InvalidValue(f"host {address} is an address of several machines: no server listens there", hint=HINT)
    return str(address)


def _resolve_loopback(name: str) -> str:
    addresses = [ipaddress.ip_address(text) for text in _resolve(name)]
    other = [address for address in addresses if not address.is_loopback]
    if other:
        raise InvalidValue(
            f"host {name!r} is the name of {other[0]}: only names of this machine's loopback are taken",
            hint=f"to listen there, write the address: {other[0]}",
        )
    return str(min(addresses, key=lambda address: address.version))  # IPv4 first, as clients of `localhost` try it


def _resolve(name: str) -> list[str]:
    # The resolver has no deadline of its own. A daemon thread does not keep the process from ending.
    found: list[str] = []

    def resolve() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            found.extend(str(info[4][0]).partition("%")[0] for info in infos)

    resolver = threading.Thread(target=resolve, daemon=True)
    resolver.start()
    resolver.join(RESOLVE_SECONDS)
    if resolver.is_alive():
        raise InvalidValue(f"host {name!r} was not resolved within {RESOLVE_SECONDS:g} s", hint=HINT)
    if not found:
        raise InvalidValue(f"host {name!r} cannot be resolved to an address", hint=HINT)
    return found
