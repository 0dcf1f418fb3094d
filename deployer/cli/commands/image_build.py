"""Build an image with the model inside.

The image serves the model by itself: docker run -p 8501:8501 IMAGE. It gets its name once a server of it has been
verified. The same inputs always make the same image.

deployer image build digits:2
deployer image build digits --tag registry.example.com/team/digits
deployer image build --env staging
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

import deployer
from deployer import console
from deployer.cli.options import PROGRESS, QUIET, VERBOSE, Output
from deployer.config.options import CONTAINER, GATE, LOCK, PROJECT, STORE, TEMPLATES, Settings


def image_build(
    target: Annotated[
        str | None, Argument(metavar="NAME[:VERSION]", help="Unset: the models of deployer.toml.")
    ] = None,
    tag: Annotated[
        str | None,
        Option(metavar="REPOSITORY[:TAG]", help="The image's name; unset: [image] repository, or PROJECT/NAME."),
    ] = None,
    *,
    settings: Annotated[Settings, PROJECT, STORE, CONTAINER, TEMPLATES, GATE, LOCK],
    output: Annotated[Output, QUIET, PROGRESS, VERBOSE],
) -> None:
    result = deployer.image_build(target, tag=tag, settings=settings, progress=output.report)
    output.show(result, lambda built: console.images.show_built(built, verbose=output.verbose, quiet=output.quiet))
