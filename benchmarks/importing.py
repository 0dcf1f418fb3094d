"""Taking a SavedModel of 1 GB into the store, on one file system, against `cp -r`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from itertools import count
from pathlib import Path

from measure import DEPLOYER, alternate, process, show

ROUNDS = 3
MEGABYTES = 1024
MODELS = str(Path(__file__).with_name("models.py"))
BRING = """
import sys
from pathlib import Path
from deployer.export import ExportRequest, identify, save
from deployer.results.model import GoldenSummary
from deployer.store.store import Store

request = ExportRequest(sys.argv[1])
source = identify(request)
store = Store(Path("models"))
with store.stage("files") as stage:
    save(request, stage.directory, lambda _: None)
    store.publish(stage, source, GoldenSummary(0, "none"))
"""


def main() -> None:
    """The files alone (hashed, linked, synced), and the whole command, which also loads and asks the model."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        source = str(directory / "big")
        process(sys.executable, MODELS, "saved_model", source, str(MEGABYTES))()
        numbers = count()

        def copy() -> None:
            process("cp", "-r", source, str(directory / f"copy-{next(numbers)}"))()

        candidates = {
            "cp -r": copy,
            "the files into the store": process(sys.executable, "-c", BRING, source, cwd=directory),
            "deployer export": process(DEPLOYER, "export", source, "--name", "m", "--force", "-q", cwd=directory),
        }
        show("Import of a SavedModel of 1 GB", alternate(ROUNDS, candidates), "cp -r")
        copies = sum(path.stat().st_nlink == 1 for path in (directory / "models").rglob("variables.data*"))
        print(f"\nIts data was copied {copies} times into {ROUNDS + 1} versions; the rest are links.")
        shutil.rmtree(directory / "models")
