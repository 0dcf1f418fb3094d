"""Why a change is needed: the differences between the desired launch and the observed deployment. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

from deployer.config.threads import DEFAULT_THREADS, GRPC_MAX_THREADS
from deployer.results.deployment import Deployment, Gateway
from deployer.results.launch import (
    BATCHING_CONFIG,
    GATEWAY_PARTS,
    MONITORING_CONFIG,
    Launch,
    NamedImage,
    differing_parts,
)
from deployer.results.served import ServedModel
from deployer.rollout.served_models import version_digests

Models = tuple[ServedModel, ...]
ADDRESS = "the address"
FLAGS = "the flags"
MODELS = "the models directory"
SETTINGS = "the engine's settings or the store"
FILES = "batching or monitoring"
TABLES = {"batching": BATCHING_CONFIG, "monitoring": MONITORING_CONFIG}
ENVIRONMENT = "environment"
LONG_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
FILE_SETTING = re.compile(r"^ *(\w+)(?::| \{ value:) (.+?)(?: \})?$", re.MULTILINE)
"""A setting and its value, as the templates of the tool write it."""
PART_SETTINGS = {
    "image": {"image"},
    "tokens": {"tokens"},
    "certificate": {"tls", "certificate", "key"},
    "address": set[str](),
}
"""The settings that explain a difference of a part of the gateway; any setting explains one of the template."""
LOST_GATEWAY = "the gateway's directory is gone, without which it cannot be changed"
DEFAULT_FLAGS = ((GRPC_MAX_THREADS, str(DEFAULT_THREADS)),)


def replace_cause(launch: Launch, observed: Deployment, files: Mapping[str, str] | None = None) -> str | None:
    """Return why a running server must be replaced; None if it need not be.

    `files` are the configuration files that it was started with, None if they are not known.
    """
    gateway = ""
    if bool(launch.gateway_digest) is not (observed.gateway is not None):
        gateway = "a gateway is enabled" if launch.gateway_digest else "the gateway is disabled"
    changed = differing_parts(launch.server_digest, observed.server_digest)
    if launch.changed_variables and SETTINGS not in changed:
        changed = (*changed, SETTINGS)
    parts = [_describe_part(part, launch, observed, files) for part in changed]
    tables = _changed_tables(launch, observed, files)
    if tables is not None:
        parts = [*tables, *(text for part, text in zip(changed, parts, strict=True) if part != FILES)]
    causes = (
        gateway,
        f"its directory {observed.directory} is gone" if observed.config_lost else "",
        f"changed: {', '.join(parts)}" if parts else "",
        *_changed_ports(launch, observed),
        image_change(launch.image, observed),
        _overwritten(launch, observed),
    )
    found = [cause for cause in causes if cause]
    return "; ".join((*found, *filter(None, (gateway_cause(launch, observed),)))) if found else None


def moves(launch: Launch, observed: Deployment) -> bool:
    """Return whether a deployment gets another host or port."""
    return observed.host not in ("", launch.host) or any(_changed_ports(launch, observed))


def _changed_ports(launch: Launch, observed: Deployment) -> Iterator[str]:
    for protocol, desired, current in (
        ("REST", launch.rest_port, observed.rest_port),
        ("gRPC", launch.grpc_port, observed.grpc_port),
    ):
        if desired and desired != current:
            yield f"{protocol} port {desired} instead of {current}"


def _describe_part(part: str, launch: Launch, observed: Deployment, files: Mapping[str, str] | None) -> str:
    """Return a part of the server that differs, with the values of a setting where they are known."""
    if part == ADDRESS and observed.host:
        return f"{part} ({observed.host}, now {launch.host})"
    if part == MODELS and observed.store:
        return f"{part} ({observed.store}, now {launch.models_root})"
    if part == FLAGS:
        return _changed_flags(launch, observed) or part
    if part == FILES:
        return ", ".join(_changed_files(launch.rendered.files, files)) or part
    return (_changed_settings(launch, observed) if part == SETTINGS else "") or part


def _changed_tables(launch: Launch, observed: Deployment, files: Mapping[str, str] | None) -> list[str] | None:
    """Return which tables come or go, where an image has them inside; None where that is no question or not known."""
    if not (launch.in_image or observed.in_image):
        return None
    before = observed.image_tables if observed.in_image else _tables(files)
    if before is None:
        return None
    after = launch.image_tables if launch.in_image else _tables(launch.rendered.files) or ()
    changed = (table for table in TABLES if (table in before) != (table in after))
    return [f"[{table}] {'goes' if table in before else 'is new'}" for table in changed]


def _tables(files: Mapping[str, str] | None) -> tuple[str, ...] | None:
    return None if files is None else tuple(table for table, name in TABLES.items() if name in files)


def _changed_files(after: Mapping[str, str], before: Mapping[str, str] | None) -> Iterator[str]:
    """Yield the tables that come or go, and the settings of the others that differ, each with both values."""
    if before is None:
        return
    for table, name in TABLES.items():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None or new is None:
            yield f"[{table}] {'is new' if old is None else 'goes'}"
            continue
        was, now = _file_settings(old), _file_settings(new)
        changed = [key for key in {**was, **now} if was.get(key) != now.get(key)]
        values = (f"{table}.{key} ({_value(was.get(key))}, now {_value(now.get(key))})" for key in changed)
        yield ", ".join(values) or f"[{table}]"


def _file_settings(text: str) -> dict[str, str]:
    """Return the settings of a configuration file; a repeated one has all its values."""
    settings: dict[str, str] = {}
    for key, value in FILE_SETTING.findall(text):
        settings[key] = f"{settings[key]} {value}" if key in settings else value
    return settings


def _changed_flags(launch: Launch, observed: Deployment) -> str:
    """Return the flags that differ, each with both values; of an older release only a default flag is known."""
    if observed.flags is None:
        default = _default_flag(launch, observed)
        return f"the flags ({default})" if default else ""
    before, after = dict(observed.flags), dict(launch.flags)
    changed = sorted(name for name in before.keys() | after if before.get(name) != after.get(name))
    values = ((name, _value(before.get(name)), _value(after.get(name))) for name in changed)
    return ", ".join(f"server.flags.{name} ({old}, now {new})" for name, old, new in values)


def _changed_settings(launch: Launch, observed: Deployment) -> str:
    """Return the container settings that differ, each with both values; empty if the deployment records none."""
    desired, recorded = launch.traits, observed.settings
    if not isinstance(desired, Mapping) or not recorded:
        return ""
    named = {name: value for name, value in desired.items() if name != ENVIRONMENT}
    changed = [name for name, value in named.items() if recorded.get(name, value) != value]
    values = [text for name in changed for text in _changed_values(name, recorded[name], desired[name])]
    unrecorded = desired.keys() - recorded.keys()
    # A container of an older version records some settings, and later ones all but the environment.
    if ENVIRONMENT in desired and unrecorded <= {ENVIRONMENT}:
        values += _changed_variables(launch, desired[ENVIRONMENT], observed)
    return ", ".join(values) or (f"docker.{unrecorded.pop()}" if len(unrecorded) == 1 else "")


def _changed_values(name: str, before: object, after: object) -> Iterator[str]:
    """Yield what differs of a setting, or of each setting of a table, with both values."""
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        values = (LONG_DIGEST.sub(r"\1", str(_value(value))) for value in (before, after))
        yield f"{name} ({', now '.join(values)})"
        return
    for key in {**before, **after}:
        if before.get(key) != after.get(key):
            yield f"{name}.{key} ({_value(before.get(key))}, now {_value(after.get(key))})"


def _changed_variables(launch: Launch, desired: Iterable[str], observed: Deployment) -> list[str]:
    """Return the names of variables that come, go, or have another value; the values may be secret."""
    if observed.environment is None:
        return []
    before, after = set(observed.environment), set(desired)
    changes = [f"{name} is new" for name in sorted(after - before)]
    changes += [f"{name} goes" for name in sorted(before - after)]
    changes += [f"{name} has changed" for name in launch.changed_variables]
    return [f"docker.environment ({', '.join(changes)})"] if changes else []


def _value(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else value


def _default_flag(launch: Launch, observed: Deployment) -> str:
    """Return the flag that differs if it is one that deployer sets by default; empty otherwise."""
    flags = dict(launch.flags)
    for name, value in DEFAULT_FLAGS:
        others = tuple(flag for flag in launch.flags if flag[0] != name)
        for before in (others, tuple(sorted((*others, (name, value))))):
            digest = dataclasses.replace(launch, flags=before).server_digest
            if FLAGS not in differing_parts(digest, observed.server_digest):
                return f"{name}={flags[name]}" if name in flags else name
    return ""


def image_change(image: NamedImage | None, observed: Deployment) -> str | None:
    """Return that the image's name stands for another image than the one that runs; None if it does not."""
    if image is None or not image.id or observed.image_id in ("", image.id):
        return None
    if observed.image_name not in ("", image.name):  # a setting that differs says so
        return None
    return f"{image.name} is image {_short(image.id)} now, and {_short(observed.image_id)} runs"


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def _overwritten(launch: Launch, observed: Deployment) -> str | None:
    """Return which version has other files than were loaded: a server never reloads a version that it has."""
    digests = version_digests(observed.models)
    for (name, version), digest in version_digests(launch.models).items():
        if digests.get((name, version), digest) == digest:
            continue
        if observed.store and _store(launch) != str(observed.store):
            return f"{name}:{version} has other files in the new store"
        return f"the files of {name}:{version} are no longer those that were loaded"
    return None


def _store(launch: Launch) -> str:
    """Return the directory of the store, which a container has under another path."""
    store = launch.traits.get("store") if isinstance(launch.traits, Mapping) else None
    return launch.models_root if store is None else str(store)


def gateway_cause(launch: Launch, observed: Deployment) -> str | None:
    """Return why the gateway in front of a running server must be replaced; None if it need not be."""
    if not launch.gateway_digest or observed.gateway is None:
        return None
    gateway = observed.gateway
    is_changed = gateway.digest not in ("", launch.gateway_digest)
    causes = (
        "" if gateway.running else "the gateway is not running" if gateway.digest else "the gateway is gone",
        LOST_GATEWAY if gateway.lost and gateway.running else "",
        f"changed: {', '.join(_changed_gateway(launch, gateway))}" if is_changed else "",
    )
    return "; ".join(filter(None, causes)) or None


def _changed_gateway(launch: Launch, observed: Gateway) -> list[str]:
    """Return the settings of the gateway that differ, with both values, and the files that do."""
    desired, recorded = launch.gateway_settings, observed.settings
    settings = [name for name, value in desired.items() if recorded.get(name, value) != value]
    parts = differing_parts(launch.gateway_digest, observed.digest, GATEWAY_PARTS)
    unexplained = [part for part in parts if not PART_SETTINGS.get(part, set(desired)) & set(settings)]
    values = (f"gateway.{name} ({_value(recorded[name])}, now {_value(desired[name])})" for name in settings)
    return [*values, *(f"the gateway's {part}" for part in unexplained)]


def reload_cause(before: Models, after: Models) -> str:
    """Return why a server must reload: its most important differences."""
    was, will = ({model.name: model for model in models} for models in (before, after))
    added = [text for name, model in will.items() if (text := _added(was.get(name), model))]
    gone = [text for name, model in was.items() if (text := _gone(model, will.get(name)))]
    return ", ".join(added or gone) or "the labels differ"


def _added(before: ServedModel | None, after: ServedModel) -> str:
    if before is None:
        return f"new model {after.name}"
    new = max((version for version in after.versions if version not in before.versions), default=None)
    if new is None:
        return ""
    return f"{'newer' if new > max(before.versions) else 'older'} version {after.name}:{new}"


def _gone(before: ServedModel, after: ServedModel | None) -> str:
    if after is None:
        return f"model {before.name} is not served any more"
    gone = [version for version in before.versions if version not in after.versions]
    return f"version {before.name}:{gone[0]} is not served any more" if gone else ""
