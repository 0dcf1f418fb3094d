"""Redeploy and rollback against what they are made of: a server's start, and a bare HandleReloadConfigRequest.

DEPLOYER_TEST_IMAGE names the image of the containers. The last table is of a server that takes up a new config a second
after the call, as TensorFlow Serving does: the embedded server does it at once.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import DEPLOYER, milliseconds, process, show, timed

import deployer
from deployer.client.client import Client
from deployer.config import render
from deployer.engines import ports
from deployer.engines.docker.names import MODELS_MOUNT, container_name
from deployer.errors import DeployerError, DeploymentNotFound
from deployer.results.served import ServedModel

ROUNDS = 5
POLL_SECONDS = 0.02
NAME = "half"
IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
LATER = "deployer-benchmark/later"
MODELS = str(Path(__file__).with_name("models.py"))
BARE_BACK = "bare reload and 20 ms polling"
BACK_SERVING, BACK = "deployer.rollback(), until it serves", "deployer.rollback(), whole"
BACK_COMMAND_SERVING, BACK_COMMAND = "deployer rollback, until it serves", "deployer rollback, whole"
PARTS, IN_PROCESS = "server start + bare reload", "deployer.redeploy(), until it serves"
SERVING, FORTH = "deployer redeploy, until it serves", "deployer redeploy, whole"
LEAST = "the least Typer command with Docker's SDK, until it serves"
LEAST_PROGRAM, NETWORK = str(Path(__file__).with_name("least.py")), container_name("benchmark", NAME, "local")
SWITCHES_LATER = """
FROM {image}
USER root
RUN sed -i '/def set_models/,/def poll/s/self._wake.set()/threading.Timer(1.0, self._wake.set).start()/' \
    /opt/server/app/deployer/server/source.py && grep -q 'Timer(1.0' /opt/server/app/deployer/server/source.py \
    && rm -f /opt/server/app/deployer/server/__pycache__/source.*
"""
START = """
set -e
docker run --detach --name by-hand --init --publish 127.0.0.1:"$PORT":8501 --volume "$STORE/half":/models/half:ro \
    --env MODEL_NAME=half "$IMAGE" >/dev/null
until curl --silent http://127.0.0.1:"$PORT"/v1/models/half | grep --quiet AVAILABLE; do sleep 0.02; done
"""


@dataclass(frozen=True)
class Site:
    """A project on one engine. `image` is that of its containers."""

    directory: Path
    engine: str
    image: str = ""
    flags: str = ""

    @classmethod
    @contextmanager
    def made(cls, engine: str, image: str = "", flags: str = "") -> Iterator[Site]:
        """With two versions of a model that is tiny, so that nothing but the way counts."""
        with tempfile.TemporaryDirectory() as name:
            site = cls(Path(name), engine, image, flags)
            site.directory.chmod(0o755)
            (site.directory / "deployer.toml").write_text(site.toml)
            for version in ("1", "2"):
                made = site.directory / "made" / version
                process(sys.executable, MODELS, "half", str(made), version)()
                process(DEPLOYER, "export", str(made), "--name", NAME, "--force", cwd=site.directory)()
            try:
                yield site
            finally:
                with contextlib.suppress(DeploymentNotFound):
                    deployer.down(NAME, settings=site.settings)

    @property
    def toml(self) -> str:
        """Its document."""
        store, state = self.directory / "models", self.directory / ".deployer"
        docker = f'[docker]\nimage = "{self.image}"\n' if self.image else ""
        return (
            f'engine = "{self.engine}"\nproject = "benchmark"\nmodels_dir = "{store}"\nstate_dir = "{state}"\n{docker}'
            f"[server]\nrest_port = 0\ngrpc_port = 0\nflags = {{ {self.flags} }}\n"
        )

    @property
    def settings(self) -> deployer.Settings:
        """For calls in this process."""
        return deployer.Settings(config=self.directory / "deployer.toml")

    @property
    def client(self) -> Client:
        """Of what serves."""
        (status,) = deployer.status(settings=self.settings)
        return Client(status.deployment.endpoints, 30.0)

    def command(self, *arguments: str) -> Callable[[], None]:
        """A verb as a process of its own."""
        return process(DEPLOYER, *arguments, "-q", "--engine", self.engine, cwd=self.directory)

    def bare(self, *versions: int) -> Callable[[], None]:
        """What serves is told to serve other versions, and asked until it does."""
        client, config = self.client, self.config(*versions)

        def run() -> None:
            client.reload(config)
            while available(client) != set(versions):
                time.sleep(POLL_SECONDS)

        return run

    def config(self, *versions: int) -> str:
        """The text of a `model_config.config` with these versions."""
        store = MODELS_MOUNT if self.image else str((self.directory / "models").resolve())
        return render.render((ServedModel(NAME, versions),), store).files[render.MODEL_CONFIG]

    def least(self) -> Callable[[], None]:
        """The least program that has what serves take up version 2, once a candidate has loaded it."""
        ends = self.client.endpoints
        words = (self.image, str(self.directory / "models"), NETWORK, ends.rest, ends.grpc, self.config(2))
        return process(sys.executable, LEAST_PROGRAM, "redeploy", *words)

    def start(self) -> float:
        """The seconds until a server of its own has loaded the model: on Docker by hand, as a shell script does it."""
        if not self.image:
            taken = timed(lambda: deployer.up(f"{NAME}:1", settings=self.settings))
            self.command("down", NAME)()
            return taken
        held = ports.hold("127.0.0.1", 0)
        ports.release([held])
        settings = f"PORT={held.port} STORE={self.directory / 'models'} IMAGE={self.image}"
        taken = timed(process("bash", "-c", f"export {settings}\n{START}"))
        process("docker", "rm", "--force", "by-hand")()
        return taken


def main() -> None:
    """Both engines, and containers that switch later."""
    with Site.made("embedded") as site:
        _rollbacks(site, "the embedded engine")
        _redeploys(site, "the embedded engine")
    if not IMAGE:
        print("\n### In containers\n\nleft out: DEPLOYER_TEST_IMAGE names no image")
        return
    with Site.made("docker", IMAGE) as site:
        _rollbacks(site, "Docker")
        _redeploys(site, "Docker")
    build_later()
    with Site.made("docker", LATER, "file_system_poll_wait_seconds = 3600") as site:
        _rollbacks(site, "Docker, a server that switches a second after the call")


def build_later() -> None:
    """The image whose server switches a second after the call."""
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", LATER, "-"],
        input=SWITCHES_LATER.format(image=IMAGE).encode(), stdout=subprocess.DEVNULL, timeout=300, check=True,
    )  # fmt: skip


def available(client: Client) -> set[int]:
    """The versions that are served; none while it cannot be told."""
    try:
        return {state.version for state in client.states(NAME) if state.state == "AVAILABLE"}
    except DeployerError:
        return set()


def _rollbacks(site: Site, where: str) -> None:
    """Both versions are loaded; the higher one goes. The bare reload ends when it serves; ours goes on to prove it."""
    deployer.up(f"{NAME}:1", settings=site.settings)
    both, one = site.bare(1, 2), site.bare(1)
    ways: dict[tuple[str, str], Callable[[], object]] = {
        (BACK_SERVING, BACK): lambda: deployer.rollback(NAME, settings=site.settings),
        (BACK_COMMAND_SERVING, BACK_COMMAND): site.command("rollback", NAME),
    }
    seconds: dict[str, list[float]] = {BARE_BACK: [], **{row: [] for rows in ways for row in rows}}
    for _ in range(ROUNDS):
        both()
        seconds[BARE_BACK].append(timed(one))
        for rows, back in ways.items():
            deployer.redeploy(NAME, version=2, keep_previous=True, settings=site.settings)
            for row, taken in zip(rows, _watched(site.client, back, 1), strict=True):
                seconds[row].append(taken)
    show(f"Back to a version that is still loaded: {where}", seconds, BARE_BACK)
    site.command("down", NAME)()


def _redeploys(site: Site, where: str) -> None:
    """A server's start is what a candidate costs; a bare reload is what the live server's change costs."""
    seconds: dict[str, list[float]] = {PARTS: [], IN_PROCESS: [], SERVING: [], FORTH: []}
    for _ in range(ROUNDS):
        start = site.start()
        deployer.up(f"{NAME}:1", settings=site.settings)
        seconds[PARTS].append(start + timed(site.bare(2)))
        site.bare(1)()
        in_process = _watched(site.client, lambda: deployer.redeploy(NAME, settings=site.settings), 2)
        seconds[IN_PROCESS].append(in_process[0])
        deployer.redeploy(NAME, version=1, settings=site.settings)
        serving, whole = _watched(site.client, site.command("redeploy", NAME), 2)
        seconds[SERVING].append(serving)
        seconds[FORTH].append(whole)
        if site.image:
            site.bare(1)()
            seconds.setdefault(LEAST, []).append(_watched(site.client, site.least(), 2)[0])
        site.command("down", NAME)()
    show(f"From one version to the next: {where}", seconds, PARTS)
    for name in (name for name in seconds if name != PARTS):
        over = statistics.median(seconds[name]) - statistics.median(seconds[PARTS])
        print(f"\n{name}: {milliseconds(abs(over))} {'more' if over > 0 else 'less'}.")


def _watched(client: Client, run: Callable[[], object], version: int) -> tuple[float, float]:
    """The seconds until a version serves alone, and until the command has ended."""
    began, seen, over = time.perf_counter(), [], threading.Event()

    def watch() -> None:
        while not seen and not over.is_set():
            if available(client) == {version}:
                seen.append(time.perf_counter() - began)
            over.wait(POLL_SECONDS)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    run()
    whole = time.perf_counter() - began
    over.set()
    watching.join()
    return (seen[0] if seen else whole), whole
