"""Files that start a server's container without this tool: a Compose file and a shell script."""

from __future__ import annotations

from deployer.config.templates import render_template
from deployer.engines.docker import container_spec
from deployer.engines.docker.host import DockerHost
from deployer.results.deployment import Launch, Rendered

FILES = {"compose": "compose.yaml", "docker-run": "docker-run.sh"}
"""The forms, and the file of each."""
CONFIG = "config"


def render(host: DockerHost, form: str, launch: Launch) -> Rendered:
    """Return the file of a form, with the server's configuration in a directory next to it. Raise TemplateError."""
    container = container_spec.standalone(launch, host.settings, host.models_dir.resolve(), f"./{CONFIG}")
    text = render_template(FILES[form], host.templates_dir, container=container)
    config = {f"{CONFIG}/{name}": content for name, content in launch.rendered.files.items()}
    return Rendered({FILES[form]: text, **config})
