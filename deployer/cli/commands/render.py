"""Print the server's configuration files.

Prints the files that `up` would write now, a file that starts the container or builds an image without deployer, or
manifests of a cluster.

deployer render digits
deployer render --env staging
deployer render compose digits:2 --out deploy
deployer render docker-run digits --rest-port 9501 --grpc-port 9500 --out deploy
deployer render k8s --out manifests
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import deployer
from deployer import console
from deployer.cli.options import QUIET, Output
from deployer.config.options import ADDRESS, PROJECT, STORE, TEMPLATES, Settings


def render(
    form: Annotated[
        str | None,
        Argument(
            metavar="FORM",
            help="config, which may be left out: the server's files; compose: a Compose file; docker-run: a script; "
            "dockerfile: a Dockerfile with the models inside; k8s: Kubernetes manifests; kserve: an InferenceService.",
        ),
    ] = None,
    target: Annotated[
        str | None, Argument(metavar="NAME[:VERSION]", help="Unset: the models of deployer.toml.")
    ] = None,
    out: Annotated[Path | None, Option(help="Write the files into this directory instead of printing them.")] = None,
    force: Annotated[bool, Option("--force", help="Overwrite files that have another text.")] = False,
    *,
    settings: Annotated[Settings, PROJECT, STORE, TEMPLATES, ADDRESS],
    output: Annotated[Output, QUIET],
) -> None:
    if target is None and form is not None and form not in deployer.RENDER_FORMS:
        form, target = None, form
    rendered = deployer.render_config(target, form=form or "config", settings=settings, directory=out is not None)
    if out is None:
        output.show(rendered, console.versions.show_rendered)
    else:
        paths = deployer.write_config(rendered, out, force=force)
        rendered = deployer.with_files_left(rendered, out)
        output.show(rendered, lambda _: console.versions.show_written(paths, rendered.notices))
