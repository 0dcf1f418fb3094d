"""Write an annotated deployer.toml here.

deployer init --name digits
"""

from __future__ import annotations

from typing import Annotated

from typer import Option

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.rollout.next_steps import deploy_command


def init(
    name: Annotated[str, Option(help="The model's name.")] = "my_model",
    force: Annotated[bool, Option("--force", help="Overwrite an existing file.")] = False,
    *,
    output: Output,
) -> None:
    path = deployer.init(name=name, force=force)
    output.show({"path": path}, lambda _: console.versions.show_init(path, deploy_command(path.parent, name)))
