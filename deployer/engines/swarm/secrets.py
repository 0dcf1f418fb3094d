"""Secret values of `docker.environment` as Docker secrets: tasks mount them, and the command exports them.

They stand in no description of a service or container. To compare a value with that of the settings, the labels of its
secret have a slow hash with a salt of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deployer.config.interpolation import Secret, reveal
from deployer.engines.docker.names import LABEL
from deployer.engines.docker.probe import parse_user
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.inspection import RELEASE, Answer, Service
from deployer.engines.swarm.names import identity, secret_name
from deployer.errors import EngineError

ROLE = "secret"
VARIABLE, HASH = f"{LABEL}variable", f"{LABEL}hash"
DIRECTORY = "/run/secrets"
COST, BLOCKS, PARALLEL, SALT_BYTES = 1 << 14, 8, 1, 16
"""The parameters of scrypt: about 50 ms and 16 MiB for each value that is tried."""

END = b"\0"
"""Ends a value in its secret: Docker takes no empty secret."""

EXPORT = f"""
variables=()
while [ "$1" != -- ]; do
    value=
    IFS= read -r -d '' value <"{DIRECTORY}/$1"
    variables+=("$1=$value")
    shift
done
shift
exec env "${{variables[@]}}" "$@"
"""
"""NAME... -- COMMAND...: runs the command with the secrets of these names as variables."""


@dataclass(frozen=True)
class SecretVariable:
    """A variable whose value is in a Docker secret."""

    variable: str
    id: str
    name: str
    """The name of the secret."""


def plain_values(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables whose values are no secrets."""
    return {name: value for name, value in environment.items() if not isinstance(value, Secret)}


def secret_values(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables whose values are secrets, with these values. Raises ConfigError."""
    return reveal({name: value for name, value in environment.items() if isinstance(value, Secret)})


def create(  # noqa: PLR0913, PLR0917
    api: SwarmApi, project: str, name: str, env: str, release: str, values: Mapping[str, str]
) -> tuple[SecretVariable, ...]:
    """Create the secrets of a release."""
    made = []
    for variable, value in sorted(values.items()):
        secret = secret_name(project, name, env, release, variable)
        labels = {**identity(project, name, env, ROLE), RELEASE: release, VARIABLE: variable, HASH: hashed(value)}
        secret_id = api.create_object("secrets", secret, labels, value.encode() + END)
        if secret_id is None:
            raise EngineError(f"the Swarm has a secret {secret} already", hint="run the command again")
        made.append(SecretVariable(variable, secret_id, secret))
    return tuple(made)


def mounts(variables: Collection[SecretVariable], user: str) -> list[dict[str, object]]:
    """Return the files of the secrets in a container; only the server's user may read them."""
    uid, gid = map(str, parse_user(user))
    return [
        {
            "SecretID": each.id,
            "SecretName": each.name,
            "File": {"Name": each.variable, "UID": uid, "GID": gid, "Mode": 0o400},
        }
        for each in variables
    ]


def exporting(variables: Collection[SecretVariable], command: Collection[str]) -> list[str]:
    """Return the command that runs an image's own command with the variables."""
    return ["bash", "-c", EXPORT, "bash", *(each.variable for each in variables), "--", *command]


def changed(api: SwarmApi, service: Service, desired: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables in secrets of a service that have another value than the desired one, or are none there."""
    mounted = {str(each["SecretID"]) for each in service.container.get("Secrets") or ()}
    found = api.objects("secrets", VARIABLE) if mounted else ()
    hashes = {_labels(each).get(VARIABLE, ""): _labels(each).get(HASH, "") for each in found if each["ID"] in mounted}
    return tuple(name for name, value in sorted(desired.items()) if not matches(value, hashes.get(name, "")))


def remove_unused(api: SwarmApi, labels: Collection[str], used: Collection[str]) -> int:
    """Remove the secrets with these labels that no service uses, and return how many there were."""
    unused = [str(each["ID"]) for each in api.objects("secrets", VARIABLE, *labels) if each["ID"] not in used]
    for identifier in unused:
        api.remove_object("secrets", identifier)
    return len(unused)


def hashed(value: str) -> str:
    """Return a salted, slow hash of a value."""
    salt = secrets.token_bytes(SALT_BYTES)
    return f"{salt.hex()}:{_scrypt(value, salt).hex()}"


def matches(value: str, text: str) -> bool:
    """Return whether a hash is of a value."""
    salt, colon, digest = text.partition(":")
    try:
        return bool(colon) and hmac.compare_digest(_scrypt(value, bytes.fromhex(salt)), bytes.fromhex(digest))
    except ValueError:
        return False


def _scrypt(value: str, salt: bytes) -> bytes:
    return hashlib.scrypt(value.encode(), salt=salt, n=COST, r=BLOCKS, p=PARALLEL)


def _labels(secret: Answer) -> Mapping[str, str]:
    return secret["Spec"].get("Labels") or {}
