"""The address that ports are bound to: what was typed becomes an IP address, or an error.

Docker publishes a port on every interface when it does not understand the address, and so do some C libraries. So a
name travels no further than this module.
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
NUMERIC = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)(\.(0[xX][0-9A-Fa-f]*|[0-9]+))*\.?")
"""What C reads as an address, though parts of it are missing: 0, 127.1, 0x7f000001."""
QUAD, OCTET = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){3}"), 255
WITH_PORT = re.compile(r"(?P<host>[^:]+|\[.*\]):\d{1,5}")
HINT = "127.0.0.1 for this machine alone, 0.0.0.0 for every network that it is in"


def resolve_host(host: str) -> str:
    """The IP address that `host` means. Raises InvalidValue for what is no address, and for a name that does not
    resolve to loopback."""
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
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(host).is_loopback


def check_family(host: str) -> None:
    """Refuse an IPv6 address on a machine that has none. Raises ConfigError."""
    if ":" not in host:
        return
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise ConfigError(f"server.host: this machine has no IPv6, and {host} needs it", hint=HINT) from error


def _check_ip(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id:
            raise InvalidValue(f"host {found} names an interface: an address with a scope cannot be bound", hint=HINT)
        found = found.ipv4_mapped or found
    if found.is_multicast or found == ipaddress.IPv4Address("255.255.255.255"):
        raise InvalidValue(f"host {found} is an address of several machines: no server listens there", hint=HINT)
    return str(found)


def _resolve_loopback(name: str) -> str:
    """IPv4 first, as clients of `localhost` try it."""
    found = [ipaddress.ip_address(text) for text in _resolve(name)]
    foreign = [each for each in found if not each.is_loopback]
    if foreign:
        raise InvalidValue(
            f"host {name!r} is the name of {foreign[0]}: only names of this machine's loopback are taken",
            hint=f"to listen there, write the address: {foreign[0]}",
        )
    return str(min(found, key=lambda each: each.version))


def _resolve(name: str) -> list[str]:
    """Its addresses. The resolver has no deadline of its own, and the thread does not keep the process from ending."""
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
