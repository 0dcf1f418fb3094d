"""Findings about a Docker Engine and its images: whether they can do what the settings ask for, and the remedy."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from docker import DockerClient

from deployer.config.spec import Docker, Gateway
from deployer.engines.docker import credentials
from deployer.engines.docker.api import parse_api_version
from deployer.engines.docker.images import architecture_mismatch, find_image
from deployer.engines.docker.inspection import EngineInfo, Image
from deployer.results.checks import Finding

ENGINE, IMAGE, GATEWAY, CONFIG = "docker engine", "image", "gateway", "docker config"
CONTAINER_LABELS = ("container_file_t", "container_ro_file_t", "svirt_sandbox_file_t")
"""The SELinux types of files that containers may read; the first is the one that Docker sets itself."""

API_OF_SETTINGS = {"gpus": "1.40", "platform": "1.41"}
"""The API version that a setting needs, where that is newer than the oldest supported one."""

SERVER_WORDS = ("tf_serving_entrypoint", "tensorflow_model_server")


def of_engine(info: EngineInfo, settings: Docker) -> Iterator[Finding]:
    """Check the engine's machine against the requested limits."""
    yield Finding(ENGINE, "ok", f"Docker Engine {info.version} answers")
    if settings.gpus is not None and "nvidia" not in info.runtimes:
        remedy = "install the NVIDIA container toolkit, or take docker.gpus out"
        yield Finding(ENGINE, "error", "docker.gpus is set, and the Docker Engine has no GPU runtime", remedy)
    if settings.cpus is not None and info.cpus is not None and settings.cpus > info.cpus:
        text = f"docker.cpus is {settings.cpus:g}, and the engine's machine has {info.cpus}"
        yield Finding(ENGINE, "error", text, "lower docker.cpus")


def of_api(version: str, settings: Docker) -> Iterator[Finding]:
    """Yield the settings for which the engine's API is too old."""
    for name, needed in API_OF_SETTINGS.items():
        if getattr(settings, name) is not None and parse_api_version(version) < parse_api_version(needed):
            text = f"docker.{name} needs API {needed}, and the Docker Engine speaks {version}"
            yield Finding(ENGINE, "error", text, f"upgrade Docker, or take docker.{name} out")


def of_selinux(info: EngineInfo, directories: Sequence[Path]) -> Iterator[Finding]:
    """Yield the directories that containers may not read because of their SELinux labels."""
    if not any("name=selinux" in option for option in info.security_options):
        return
    if unlabelled := [directory for directory in directories if directory.is_dir() and not _is_labelled(directory)]:
        text = (
            f"the Docker Engine confines containers with SELinux, and no label lets them read {join_paths(unlabelled)}"
        )
        yield Finding(ENGINE, "warning", text, relabel_command(unlabelled))


def relabel_command(directories: Sequence[Path]) -> str:
    """Return the command that lets containers read directories under SELinux."""
    return f"chcon -R -t {CONTAINER_LABELS[0]} {' '.join(shlex.quote(str(directory)) for directory in directories)}"


def join_paths(directories: Sequence[Path]) -> str:
    """Return the paths as part of a sentence."""
    return " and ".join(map(str, directories))


def _is_labelled(directory: Path) -> bool:
    try:
        label = os.getxattr(directory, "security.selinux").decode("utf-8", "replace")
    except (OSError, AttributeError):  # not Linux: there is no getxattr
        return False
    return any(f":{label_type}:" in label for label_type in CONTAINER_LABELS)


def of_config() -> Iterator[Finding]:
    """Yield the problems of the docker command line's configuration."""
    for problem, remedy in credentials.config_problems():
        yield Finding(CONFIG, "warning", problem, remedy)


def of_image(image: Image | None, info: EngineInfo, settings: Docker) -> Iterator[Finding]:
    """Check whether the engine has the image, and whether it is a model server's, for this architecture."""
    if image is None:
        yield Finding(IMAGE, "warning", f"the engine does not have {settings.image}", f"docker pull {settings.image}")
        return
    problems = [problem for problem in (architecture_mismatch(info, image), _entrypoint_problem(image)) if problem]
    for problem in problems:
        yield Finding(IMAGE, "warning", f"{settings.image}: {problem}", "check docker.image")
    if not problems:
        yield Finding(IMAGE, "ok", f"the engine has {settings.image}")


def of_gateway(client: DockerClient, info: EngineInfo, settings: Gateway) -> Iterator[Finding]:
    """Check whether the requested gateway is possible: the engine's host network must be this machine's."""
    if not settings.enabled:
        return
    problem = _network_problem(info)
    if problem:
        yield Finding(GATEWAY, "error", f"a gateway is not possible: {problem}", "take [gateway] out")
    elif find_image(client, settings.image) is None:
        text = f"the engine does not have {settings.image}"
        yield Finding(GATEWAY, "warning", text, f"docker pull {settings.image}")


def _network_problem(info: EngineInfo) -> str:
    if any("rootless" in option for option in info.security_options):
        return "a rootless engine has a network of its own"
    if "Docker Desktop" in info.operating_system:
        return "Docker Desktop runs containers in a machine of their own"
    return ""


def _entrypoint_problem(image: Image) -> str:
    """Return that an image does not start a model server, as far as its configuration shows."""
    if any(word in text for text in image.command for word in SERVER_WORDS):
        return ""
    return f"its entrypoint {list(image.command)} is not TensorFlow Serving's"
