"""The shell scripts in a server's pod, for the image's bash: start, readiness, and what precedes the end.

The image has bash and coreutils, and neither curl nor wget. Kubernetes expands `$(NAME)` and `$$` in the command of a
probe, so scripts are files of the ConfigMap.
"""

from __future__ import annotations

from pathlib import Path

from deployer.config.kubernetes import SETTLE_SECONDS
from deployer.config.templates import render_template
from deployer.results.deployment import GRPC_PORT, REST_PORT
from deployer.results.served import ServedModel

SERVE, READY, DRAIN = "serve.sh", "healthcheck.sh", "drain.sh"


def render(models: tuple[ServedModel, ...], drain_seconds: int, templates_dir: Path | None) -> dict[str, str]:
    """Return the scripts by file name. Raises TemplateError."""
    drain = {
        "rest_port": REST_PORT,
        "grpc_port": GRPC_PORT,
        "settle_seconds": SETTLE_SECONDS,
        "drain_seconds": drain_seconds,
    }
    return {
        SERVE: render_template(SERVE, templates_dir),
        READY: render_template(READY, templates_dir, models=models, port=REST_PORT),
        DRAIN: render_template(DRAIN, templates_dir, **drain),
    }
