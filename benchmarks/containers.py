"""The Docker engine against a shell script that does by hand what `up` does; DEPLOYER_TEST_IMAGE names the image."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from measure import DEPLOYER, alternate, milliseconds, process, show

import deployer
from deployer.config.spec import Docker
from deployer.engines import ports
from deployer.engines.docker import sdk_arguments
from deployer.engines.docker.inspection import Image
from deployer.engines.docker.names import container_name
from deployer.results.launch import Launch, Rendered
from deployer.results.served import ServedModel

ROUNDS = 7
SIZES = (1, 10, 50)
PROJECT = "benchmark"
IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
MODELS = str(Path(__file__).with_name("models.py"))
UP, DOWN = "deployer up NAME", "deployer down"
BY_HAND = "docker run, poll every 20 ms, predict once"
STOPPED = "docker stop, docker rm"
IN_A_NETWORK = "the same in a network of its own"
LEAST = "the least Typer command with Docker's SDK, likewise"
LEAST_PROGRAM = str(Path(__file__).with_name("least.py"))
SCRIPT = """
set -e
if [ "$NETWORK" != bridge ]; then docker network create "$NETWORK" >/dev/null; fi
docker run --detach --name by-hand --init --network "$NETWORK" --publish 127.0.0.1:"$PORT":8501 \
    --publish 127.0.0.1::8500 --volume "$STORE/table":/models/table:ro \
    --env MODEL_NAME=table "$IMAGE" >/dev/null
until curl --silent http://127.0.0.1:"$PORT"/v1/models/table | grep --quiet AVAILABLE; do sleep 0.02; done
curl --silent --fail --data '{"instances": [1]}' http://127.0.0.1:"$PORT"/v1/models/table:predict >/dev/null
"""
PORTS_OPEN = "Exporting HTTP/REST API at"


def main() -> None:
    """`up` and `down` by hand and by deployer, how soon `up` notices, and `status` of many."""
    if not IMAGE:
        print("\n### Containers\n\nleft out: DEPLOYER_TEST_IMAGE names no image (docker/testbed/testbed.sh makes one)")
        return
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        _store_model(directory)
        _ups_and_downs(directory)
        _noticing(directory)
        _status_of_many(directory)


def _store_model(directory: Path) -> None:
    (directory / "deployer.toml").write_text(
        f'engine = "docker"\nproject = "{PROJECT}"\n'
        f'[docker]\nimage = "{IMAGE}"\n[server]\nrest_port = 0\ngrpc_port = 0\n'
    )
    process(sys.executable, MODELS, "saved_model", str(directory / "made"), "1")()
    process(DEPLOYER, "export", str(directory / "made"), "--name", "table", cwd=directory)()


def _ups_and_downs(directory: Path) -> None:
    end = "docker stop by-hand && docker rm by-hand"
    steps = {
        BY_HAND: _by_hand(directory, "bridge"),
        STOPPED: process("bash", "-c", end),
        f"{IN_A_NETWORK}: up": _by_hand(directory, "by-hand"),
        f"{IN_A_NETWORK}: down": process("bash", "-c", f"{end} && docker network rm by-hand"),
        f"{LEAST}: up": process(
            sys.executable, LEAST_PROGRAM, "up", IMAGE, str(directory / "models"), str(_free_port())
        ),
        f"{LEAST}: down": process(sys.executable, LEAST_PROGRAM, "down"),
        UP: process(DEPLOYER, "up", "table", "--engine", "docker", cwd=directory),
        DOWN: process(DEPLOYER, "down", "table", "--engine", "docker", cwd=directory),
    }
    seconds = alternate(ROUNDS, steps)
    for title, script, ours in (("A stored model in a container", BY_HAND, UP), ("Taking it down", STOPPED, DOWN)):
        verb = ours.split()[1]
        shown = {script: script, **{name: f"{name}: {verb}" for name in (IN_A_NETWORK, LEAST)}, ours: ours}
        show(title, {name: seconds[step] for name, step in shown.items()}, script)


def _by_hand(directory: Path, network: str) -> Callable[[], None]:
    settings = f"PORT={_free_port()} STORE={directory / 'models'} IMAGE={IMAGE} NETWORK={network}"
    return process("bash", "-c", f"export {settings}\n{SCRIPT}")


def _free_port() -> int:
    held = ports.hold("127.0.0.1", 0)
    ports.release([held])
    return held.port


def _noticing(directory: Path) -> None:
    found = [_noticed(directory) for _ in range(ROUNDS)]
    median, worst = milliseconds(statistics.median(found)), milliseconds(max(found))
    print(f"\nFrom the server's line that its port is open to the first golden question: {median}, at worst {worst}.")


def _noticed(directory: Path) -> float:
    """Seconds from the line in the container's log, which the engine dates, to what `up` says when it has seen it."""
    moments: dict[str, float] = {}
    settings = deployer.Settings(config=directory / "deployer.toml")
    deployer.up("table", settings=settings, progress=lambda text: moments.setdefault(text, time.time()))
    opened = _logged(container_name(PROJECT, "table", "local"), PORTS_OPEN)
    deployer.down("table", settings=settings)
    return next(moment for text, moment in moments.items() if text.startswith("verifying")) - opened


def _logged(container: str, line: str) -> float:
    log = _docker("logs", "--timestamps", container)
    dated = next(found for found in log.splitlines() if line in found)
    return datetime.fromisoformat(f"{dated[:26]}+00:00").timestamp()


def _status_of_many(directory: Path) -> None:
    """Containers with our labels in which no server runs: what is measured is the look at them, not the servers."""
    status = process(DEPLOYER, "status", "--engine", "docker", "--json", cwd=directory)
    seconds = {}
    for size in SIZES:
        with _stand_ins(size, directory):
            seconds |= alternate(ROUNDS, {f"deployer status, {size} deployments": status})
    show("Status of many", seconds, next(iter(seconds)))


@contextmanager
def _stand_ins(size: int, directory: Path) -> Iterator[None]:
    names = [f"standin{number}" for number in range(size)]
    try:
        for name in names:
            labels = [f"--label={key}={value}" for key, value in _labels(name, directory).items()]
            container = container_name(PROJECT, name, "local")
            _docker("run", "--detach", f"--name={container}", *labels, "--entrypoint=sleep", IMAGE, "600")
        yield
    finally:
        _docker("rm", "--force", *(container_name(PROJECT, name, "local") for name in names))


def _labels(name: str, directory: Path) -> dict[str, str]:
    models = (ServedModel(name, (1,)),)
    launch = Launch(name, "local", "127.0.0.1", 1, 1, (), models, "/models", Rendered({}), None, project=PROJECT)
    place = sdk_arguments.Placement(name, name, name, directory, 1, 1, 1, 1)
    return sdk_arguments.labels(launch, place, Docker(image=IMAGE), directory, Image("none"))


def _docker(*arguments: str) -> str:
    """What docker says, on both its streams."""
    ended = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=True
    )
    return ended.stdout
