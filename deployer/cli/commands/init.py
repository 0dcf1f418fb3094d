"""`deployer init`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Output


@command("deployer init --name digits")
def init(
    name: Annotated[str, typer.Option(help="The model's name.")] = "my_model",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    *,
    output: Output,
) -> None:
    """Write an annotated deployer.toml here."""
    from deployer import console
    from deployer.operations.init import init as run
    from deployer.rollout.next_steps import deploy_command

    path = run(name=name, force=force)
    output.show({"path": path}, lambda _: console.show_init(path, deploy_command(path.parent, name)))
