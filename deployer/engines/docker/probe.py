"""A container that lives for a moment and tells what a server would see: the store's versions, its own TensorFlow."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.config.spec import Docker
from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.names import LABEL, MODELS_MOUNT
from deployer.results.checks import Finding
from deployer.results.model import Model
from deployer.savedmodel.op_sets import Target, named
from deployer.system.files import chmod_command, first_unreadable

SECONDS = 30
MARK = f"{LABEL}doctor"
READABLE = '[ -r "$1" ] && { [ ! -d "$1" ] || [ -x "$1" ]; }'
SCRIPT = f"""
tensorflow_model_server --version
for version in "$@"; do
    model="{MODELS_MOUNT}/$version/saved_model"
    if [ -r "$model.pb" ] || [ -r "$model.pbtxt" ]; then echo "sees $version"; fi
done
"""


@dataclass(frozen=True)
class Seen:
    """From inside: the numbers of the image's TensorFlow, where it tells them, and the versions that can be read."""

    tensorflow: tuple[int, ...]
    versions: frozenset[str]


def findings(client: Any, settings: Docker, models_dir: Path, models: Sequence[Model]) -> Iterator[Finding]:
    """What a server of this engine would see of these models, and whether it is of an age with them."""
    from deployer.engines import compatibility

    seen = look(client, settings, models_dir, [f"{model.name}/{model.version}" for model in models])
    yield from _visible(seen, settings, models_dir, models)
    yield from _ages(seen, settings.image, models)
    yield from compatibility.findings(_target(settings.image, seen), models)


def _visible(seen: Seen, settings: Docker, models_dir: Path, models: Sequence[Model]) -> Iterator[Finding]:
    hidden = [model for model in models if f"{model.name}/{model.version}" not in seen.versions]
    for model in hidden:
        level = first_unreadable(model.path, model.path.parents[1], ids(settings.user))
        text = f"a container does not see {model.name}:{model.version} below {models_dir}, or may not read it"
        remedy = chmod_command(level, model.path) if level else f"share {models_dir} with the engine's machine"
        yield Finding("models folder", "error", text, remedy)
    if not hidden:
        yield Finding("models folder", "ok", f"containers see {models_dir}")


def _ages(seen: Seen, image: str, models: Sequence[Model]) -> Iterator[Finding]:
    if not seen.tensorflow:
        yield Finding("image", "warning", f"{image} does not tell its TensorFlow's version", "check docker.image")
        return
    has = ".".join(map(str, seen.tensorflow))
    newer = [model for model in models if numbers(model.info.tensorflow) > seen.tensorflow]
    for model in newer:
        text = f"{model.name}:{model.version} was written by TensorFlow {model.info.tensorflow}, and {image} has {has}"
        yield Finding("image", "warning", text, "take a newer docker.image, or leave out ops that it does not know")
    if not newer:
        yield Finding("image", "ok", f"its TensorFlow {has} is as new as every model's")


def _target(image: str, seen: Seen) -> Target | None:
    return named(image, ".".join(map(str, seen.tensorflow))) if seen.tensorflow else None


def ids(user: str) -> tuple[int, int]:
    """User and group of docker.user."""
    uid, _, gid = user.partition(":")
    return int(uid), int(gid or uid)


def numbers(version: str) -> tuple[int, ...]:
    """Major and minor of a version, or nothing."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else ()


def look(client: Any, settings: Docker, models_dir: Path, versions: Sequence[str]) -> Seen:
    """Run it, as a server would be run, and take it away. Raises EngineError."""
    _, said = _run(client, settings, models_dir, SCRIPT, versions)
    library = re.search(r"TensorFlow Library: (\S+)", said)
    return Seen(numbers(library[1]) if library else (), frozenset(re.findall(r"^sees (.+)$", said, re.MULTILINE)))


def may_read(client: Any, settings: Docker, models_dir: Path, path: Path) -> bool:
    """Whether the server's user may: access lists and mapped users can allow what modes deny. Raises EngineError."""
    inside = Path(MODELS_MOUNT, path.relative_to(models_dir))
    code, _ = _run(client, settings, models_dir, READABLE, [str(inside)])
    return code == 0


def _run(client: Any, settings: Docker, models_dir: Path, script: str, words: Sequence[str]) -> tuple[int, str]:
    """A script in a container like a server's: its exit code and what it says. Raises EngineError."""
    with docker_errors(f"looking into {settings.image}"):
        _clear(client)
        container = client.containers.create(**_creation(settings, models_dir, script, words))
        try:
            container.start()
            code = int(container.wait(timeout=SECONDS)["StatusCode"])
            return code, container.logs(stdout=True, stderr=True).decode("utf-8", "replace")
        finally:
            container.remove(force=True)


def _creation(settings: Docker, models_dir: Path, script: str, words: Sequence[str]) -> dict[str, Any]:
    from docker.types import Mount

    return {
        "image": settings.image,
        "entrypoint": ["bash", "-c", script, "bash"],
        "command": list(words),
        "labels": {MARK: str(int(time.time()))},
        "mounts": [Mount(target=MODELS_MOUNT, source=str(models_dir.resolve()), type="bind", read_only=True)],
        "network_mode": "none",
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "user": settings.user,
        "platform": settings.platform,
    }


def _clear(client: Any) -> None:
    """What a doctor left that was killed; one that is at work has begun a moment ago."""
    for container in client.containers.list(all=True, filters={"label": MARK}):
        began = container.labels[MARK]
        if began.isdecimal() and time.time() - int(began) > 2 * SECONDS:
            container.remove(force=True)
