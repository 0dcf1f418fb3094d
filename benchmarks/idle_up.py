"""`deployer up` when there is nothing to do, against Python starting and importing Typer."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measure import DEPLOYER, alternate, deployed, process, show

ROUNDS = 10
MODELS = str(Path(__file__).with_name("models.py"))
BASE = 'python -c "import typer"'
ANY_PORTS = ("--rest-port", "0", "--grpc-port", "0")


def main() -> None:
    """By source, by name, and the plan alone."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        process(sys.executable, MODELS, "saved_model", str(directory / "table"), "1")()
        with deployed(directory, "./table", *ANY_PORTS):
            candidates = {
                BASE: process(sys.executable, "-c", "import typer"),
                "deployer up SOURCE, nothing to do": process(DEPLOYER, "up", "./table", *ANY_PORTS, cwd=directory),
                "deployer up NAME, nothing to do": process(DEPLOYER, "up", "table", *ANY_PORTS, cwd=directory),
                "deployer plan NAME": process(DEPLOYER, "plan", "table", cwd=directory),
                "deployer status": process(DEPLOYER, "status", cwd=directory),
            }
            show("Nothing to do", alternate(ROUNDS, candidates), BASE)
