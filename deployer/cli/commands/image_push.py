"""Push an image with the model inside.

Sends the image that `image build` made of NAME[:VERSION] to its registry, with the credentials of docker login, and
prints the reference by digest. An image with other contents than the store's is refused.

deployer image push digits:2
deployer image push registry.example.com/team/digits:2
deployer image push digits --tag registry.example.com/team/digits:stable --json
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

import deployer
from deployer import console
from deployer.cli.options import PROGRESS, QUIET, Output
from deployer.config.options import PROJECT, STORE, Settings


def image_push(
    target: Annotated[
        str | None, Argument(metavar="NAME[:VERSION] | IMAGE", help="Unset: the models of deployer.toml.")
    ] = None,
    tag: Annotated[
        str | None, Option(metavar="REPOSITORY[:TAG]", help="Push it under this name; a tag moves to this image.")
    ] = None,
    *,
    settings: Annotated[Settings, PROJECT, STORE],
    output: Annotated[Output, QUIET, PROGRESS],
) -> None:
    result = deployer.image_push(target, tag=tag, settings=settings, progress=output.report)
    output.show(result, console.images.show_pushed)
