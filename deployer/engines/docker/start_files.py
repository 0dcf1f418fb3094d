"""Files that start a server's container, or build an image of it, without this tool."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.config.templates import render_template
from deployer.engines.docker import container_spec
from deployer.engines.docker.host import DockerHost
from deployer.results.launch import Launch, Rendered

FILES = {"compose": "compose.yaml", "docker-run": "docker-run.sh"}
"""The forms that start a container, and the file of each."""
DOCKERFILE = "Dockerfile"
CONFIG = "config"


def render(host: DockerHost, form: str, launch: Launch) -> Rendered:
    """Return the file of a form, with the server's configuration in a directory next to it. Raise TemplateError."""
    if form not in FILES:
        return _render_dockerfile(host, launch)
    container = container_spec.standalone(launch, host.settings, host.models_dir.resolve(), f"./{CONFIG}")
    text = render_template(FILES[form], host.templates_dir, container=container)
    return Rendered({FILES[form]: text, **_in_config(launch.rendered.files)})


def _render_dockerfile(host: DockerHost, launch: Launch) -> Rendered:
    from deployer.engines.docker.model_image import builder
    from deployer.engines.docker.model_image.description import describe

    text = render_template(DOCKERFILE, host.templates_dir, image=describe(launch, host.settings), config=CONFIG)
    return Rendered({DOCKERFILE: text, **_in_config(builder.config_files(launch, host.templates_dir))})


def _in_config(files: Mapping[str, str]) -> dict[str, str]:
    return {f"{CONFIG}/{name}": content for name, content in files.items()}
