"""Redeploy and rollback against what they are made of: a server's start, and a bare HandleReloadConfigRequest."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import DEPLOYER, deployed, milliseconds, process, show, timed

import deployer
from deployer import render
from deployer.client import Client
from deployer.deployment import ServedModel

ROUNDS = 5
POLL_SECONDS = 0.02
NAME = "half"
MODELS = str(Path(__file__).with_name("models.py"))
BARE_BACK, BACK, BACK_COMMAND = "bare reload and 20 ms polling", "deployer.rollback()", "deployer rollback"
PARTS, FORTH = "server start + bare reload", "deployer redeploy"


def main() -> None:
    """The embedded engine; the model is tiny, so that nothing but the way counts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for version in ("1", "2"):
            made = folder / "made" / version
            process(sys.executable, MODELS, "half", str(made), version)()
            process(DEPLOYER, "export", str(made), "--name", NAME, "--force", cwd=folder)()
        (folder / "deployer.toml").write_text(
            f'engine = "embedded"\nmodels_dir = "{folder / "models"}"\nstate_dir = "{folder / ".deployer"}"\n'
            "[server]\nrest_port = 0\ngrpc_port = 0\n"
        )
        with deployed(folder, f"{NAME}:1"):
            _rollbacks(folder)
        _redeploys(folder)


def _settings(folder: Path) -> deployer.Settings:
    return deployer.Settings(config=folder / "deployer.toml")


def _bare(folder: Path, *versions: int) -> Callable[[], None]:
    """What serves is told to serve other versions, and asked until it does."""
    (status,) = deployer.status(settings=_settings(folder))
    client = Client(status.deployment.endpoints, 30.0)
    models = (ServedModel(NAME, versions),)
    config = render.render(models, str((folder / "models").resolve())).files[render.MODEL_CONFIG]

    def available() -> set[int]:
        return {state.version for state in client.states(NAME) if state.state == "AVAILABLE"}

    def run() -> None:
        client.reload(config)
        while available() != set(versions):
            time.sleep(POLL_SECONDS)

    return run


def _rollbacks(folder: Path) -> None:
    """Both versions are loaded, and the higher one goes."""
    settings = _settings(folder)

    def forth() -> None:
        deployer.redeploy(NAME, version=2, keep_previous=True, settings=settings)

    def after(run: Callable[[], object], reset: Callable[[], object]) -> float:
        reset()
        return timed(run)

    both, one = _bare(folder, 1, 2), _bare(folder, 1)
    command = process(DEPLOYER, "rollback", NAME, "-q", cwd=folder)
    seconds: dict[str, list[float]] = {BARE_BACK: [], BACK: [], BACK_COMMAND: []}
    for _ in range(ROUNDS):
        seconds[BARE_BACK].append(after(one, both))
        seconds[BACK].append(after(lambda: deployer.rollback(NAME, settings=settings), forth))
        seconds[BACK_COMMAND].append(after(command, forth))
    show("Back to a version that is still loaded", seconds, BARE_BACK)


def _redeploys(folder: Path) -> None:
    """A server's start is what a candidate costs; a bare reload is what the live server's change costs."""
    down = process(DEPLOYER, "down", NAME, "-q", cwd=folder)
    redeploy = process(DEPLOYER, "redeploy", NAME, "-q", cwd=folder)
    parts, whole = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        deployer.up(f"{NAME}:1", settings=_settings(folder))
        start = time.perf_counter() - began
        parts.append(start + timed(_bare(folder, 2)))
        _bare(folder, 1)()
        whole.append(timed(redeploy))
        down()
    show("From one version to the next", {PARTS: parts, FORTH: whole}, PARTS)
    over = statistics.median(whole) - statistics.median(parts)
    print(f"\nThat is {milliseconds(abs(over))} {'more' if over > 0 else 'less'}.")
