"""A short-lived container that reports what a server would see: the store's versions and the TensorFlow version."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.types import Mount

from deployer.config.spec import Docker
from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.leftovers import remove_old
from deployer.engines.docker.names import LABEL, MODELS_MOUNT
from deployer.results.checks import Finding
from deployer.results.model import Model
from deployer.savedmodel.op_sets import Target, image_target
from deployer.system.files import chmod_command, first_unreadable

SECONDS = 30
STALE_SECONDS = 2 * SECONDS
PROBE_LABEL = f"{LABEL}doctor"
READABLE_SCRIPT = '[ -r "$1" ] && { [ ! -d "$1" ] || [ -x "$1" ]; }'
PROBE_SCRIPT = f"""
tensorflow_model_server --version
for version in "$@"; do
    model="{MODELS_MOUNT}/$version/saved_model"
    if [ -r "$model.pb" ] || [ -r "$model.pbtxt" ]; then echo "sees $version"; fi
done
"""


@dataclass(frozen=True)
class ProbeResult:
    """The image's TensorFlow version, empty if unknown, and the versions that are readable in the container."""

    tensorflow: tuple[int, ...]
    versions: frozenset[str]


def findings(
    client: DockerClient, settings: Docker, models_dir: Path | None, models: Sequence[Model]
) -> Iterator[Finding]:
    """Check whether a server of this engine can read these models and its TensorFlow is new enough for them.

    Without a `models_dir`, what a server reads is copied later, and only its TensorFlow is checked.
    """
    from deployer.engines import compatibility

    result = run_probe(client, settings, models_dir, [f"{model.name}/{model.version}" for model in models])
    if models_dir is not None:
        yield from _visibility_findings(result, settings, models_dir, models)
    yield from _version_findings(result, settings.image, models)
    yield from compatibility.findings(_target(settings.image, result), models)


def _visibility_findings(
    result: ProbeResult, settings: Docker, models_dir: Path, models: Sequence[Model]
) -> Iterator[Finding]:
    hidden = [model for model in models if f"{model.name}/{model.version}" not in result.versions]
    for model in hidden:
        closed = first_unreadable(model.path, model.path.parents[1], parse_user(settings.user))
        text = f"a container does not see {model.name}:{model.version} below {models_dir}, or may not read it"
        remedy = chmod_command(closed, model.path) if closed else f"share {models_dir} with the engine's machine"
        yield Finding("models directory", "error", text, remedy)
    if not hidden:
        yield Finding("models directory", "ok", f"containers see {models_dir}")


def _version_findings(result: ProbeResult, image: str, models: Sequence[Model]) -> Iterator[Finding]:
    if not result.tensorflow:
        yield Finding("image", "warning", f"{image} does not report its TensorFlow version", "check docker.image")
        return
    installed = ".".join(map(str, result.tensorflow))
    newer = [model for model in models if major_minor(model.info.tensorflow) > result.tensorflow]
    for model in newer:
        text = (
            f"{model.name}:{model.version} was written by TensorFlow {model.info.tensorflow}, "
            f"and {image} has {installed}"
        )
        yield Finding("image", "warning", text, "take a newer docker.image, or leave out ops that it does not know")
    if not newer:
        yield Finding("image", "ok", f"its TensorFlow {installed} is as new as every model's")


def _target(image: str, result: ProbeResult) -> Target | None:
    return image_target(image, ".".join(map(str, result.tensorflow))) if result.tensorflow else None


def parse_user(user: str) -> tuple[int, int]:
    """Return user and group id of `docker.user`."""
    uid, _, gid = user.partition(":")
    return int(uid), int(gid or uid)


def major_minor(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, or an empty tuple."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else ()


def run_probe(client: DockerClient, settings: Docker, models_dir: Path | None, versions: Sequence[str]) -> ProbeResult:
    """Run the probe as a server would run, and remove it. Raise EngineError."""
    _, output = _run(client, settings, models_dir, PROBE_SCRIPT, versions)
    match = re.search(r"TensorFlow Library: (\S+)", output)
    return ProbeResult(
        major_minor(match[1]) if match else (), frozenset(re.findall(r"^sees (.+)$", output, re.MULTILINE))
    )


def may_read(client: DockerClient, settings: Docker, models_dir: Path, path: Path) -> bool:
    """Return whether the server's user may read a path, access lists and mapped users included. Raise EngineError."""
    container_path = Path(MODELS_MOUNT, path.relative_to(models_dir))
    code, _ = _run(client, settings, models_dir, READABLE_SCRIPT, [str(container_path)])
    return code == 0


def _run(
    client: DockerClient, settings: Docker, models_dir: Path | None, script: str, arguments: Sequence[str]
) -> tuple[int, str]:
    """Return exit code and output of a script in a container like a server's. Raise EngineError."""
    with docker_errors(f"looking into {settings.image}"):
        remove_old(client, STALE_SECONDS, {"label": PROBE_LABEL})  # of killed commands
        container = client.containers.create(**_creation(settings, models_dir, script, arguments))
        try:
            container.start()
            code = int(container.wait(timeout=SECONDS)["StatusCode"])
            return code, container.logs(stdout=True, stderr=True).decode("utf-8", "replace")
        finally:
            container.remove(force=True)


def _creation(settings: Docker, models_dir: Path | None, script: str, arguments: Sequence[str]) -> dict[str, object]:
    return {
        "image": settings.image,
        "entrypoint": ["bash", "-c", script, "bash"],
        "command": list(arguments),
        "labels": {PROBE_LABEL: "true"},
        "mounts": [_mount(models_dir)] if models_dir else [],
        "network_mode": "none",
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "user": settings.user,
        "platform": settings.platform,
    }


def _mount(models_dir: Path) -> Mount:
    return Mount(target=MODELS_MOUNT, source=str(models_dir.resolve()), type="bind", read_only=True)
