"""The first request after a load against the tenth, with the warm-up file that the export makes and without it."""

from __future__ import annotations

import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from measure import DEPLOYER, milliseconds, process, quiet_environment, timed

ROUNDS = 5
MODELS = str(Path(__file__).with_name("models.py"))
ANY_PORTS = ("--rest-port", "0", "--grpc-port", "0")
REQUESTS = 10


def main() -> None:
    """The median over several loads; a fresh server each time."""
    print("\n### Warm-up\n\n| | first request | tenth | ratio |\n| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        process(sys.executable, MODELS, "keras", str(directory / "model.keras"), "20")()
        for title, option in (("with a warm-up file", "--warmup"), ("without", "--no-warmup")):
            process(DEPLOYER, "export", "model.keras", option, "--name", option.strip("-"), cwd=directory)()
            question = _question(directory, option.strip("-"))
            rounds = [_load(directory, option.strip("-"), question) for _ in range(ROUNDS)]
            first, tenth = (statistics.median(taken[place] for taken in rounds) for place in (0, REQUESTS - 1))
            print(f"| {title} | {milliseconds(first)} | {milliseconds(tenth)} | {first / tenth:.2f} |", flush=True)


def _load(directory: Path, name: str, question: bytes) -> list[float]:
    """The seconds of each request to a server that has just loaded the version and was asked nothing yet."""
    rest, grpc = _free_port(), _free_port()
    command = [
        sys.executable, "-m", "deployer.server", f"--port={grpc}", f"--rest_api_port={rest}",
        f"--model_name={name}", f"--model_base_path={directory / 'models' / name}",
    ]  # fmt: skip
    with subprocess.Popen(command, env=quiet_environment(), stderr=subprocess.PIPE, text=True) as server:
        try:
            _until_it_listens(server)
            return _ask(rest, name, question)
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _until_it_listens(server: subprocess.Popen[str]) -> None:
    if any("Exporting HTTP/REST API" in line for line in server.stderr or ()):
        return
    raise SystemExit("the server ended before it listened")


def _question(directory: Path, name: str) -> bytes:
    shown = subprocess.run(
        [DEPLOYER, "inspect", name, "--json"], cwd=directory, env=quiet_environment(), capture_output=True, check=True
    )
    return re.search(rb"-d '(\{.*\})'", "\n".join(json.loads(shown.stdout)["curl"]).encode())[1]


def _ask(port: int, name: str, body: bytes) -> list[float]:
    url = f"http://127.0.0.1:{port}/v1/models/{name}:predict"

    def once() -> None:
        with urllib.request.urlopen(url, data=body, timeout=60) as answer:
            answer.read()

    return [timed(once) for _ in range(REQUESTS)]
