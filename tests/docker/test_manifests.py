"""The pod of a manifest on a real engine: its command, probe and preStop are run as a kubelet runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from support.containers import PROJECT, docker, inspect
from support.deploying import deployer, refused
from support.world import MODELS, eventually

from deployer.client.client import Client
from deployer.results.deployment import Endpoints

NAME = f"deployer-{PROJECT}-pod"
DOCUMENT = """
project = "shop"
name = "pods"
[docker]
environment = {{ REFERENCE = "$(HOME) $$$$ $$HOME" }}
[kubernetes]
name = "server"
{models_in}
drain_seconds = 60
smoke_image = "registry.example/deployer:1"
{models}
"""

IN_VOLUME = 'models_claim = "models"'
ADDRESSES = [("http://", "h:1"), ("http://h:1", "h"), ("https://h:1", "h:1"), ("h:70000", "h:1")]


@dataclass(frozen=True)
class Pod:
    """A container that runs as the server of a Deployment, without a process before it."""

    container: dict[str, Any]
    specification: dict[str, Any]
    config: Path

    @property
    def endpoints(self) -> Endpoints:
        ports = inspect(NAME)["NetworkSettings"]["Ports"]
        rest, grpc = (ports[f"{port}/tcp"][0]["HostPort"] for port in (8501, 8500))
        return Endpoints(f"http://127.0.0.1:{rest}", f"127.0.0.1:{grpc}")

    @property
    def running(self) -> bool:
        return inspect(NAME)["State"]["Running"]

    @property
    def exit_code(self) -> int:
        return inspect(NAME)["State"]["ExitCode"]

    def run(self, *command: str) -> int:
        """The exit code of a command in the container, which kubelets run so for probes and preStop."""
        ended = subprocess.run(["docker", "exec", NAME, *command], capture_output=True, timeout=120, check=False)
        return ended.returncode

    def probe(self, kind: str) -> bool:
        return self.run(*self.container[kind]["exec"]["command"]) == 0


def rendered(project: Path, models: str, models_in: str = IN_VOLUME) -> dict[str, dict[str, Any]]:
    (project / "deployer.toml").write_text(DOCUMENT.format(models=models, models_in=models_in))
    ended = deployer("render", "k8s", "--json", cwd=project)
    assert ended.code == 0, ended.err
    return {each["kind"]: each for each in yaml.safe_load_all(ended.json["files"]["k8s.yaml"])}


def write_config(objects: dict[str, dict[str, Any]], directory: Path) -> Path:
    """The mounted ConfigMap."""
    directory.mkdir()
    for name, text in objects["ConfigMap"]["data"].items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o444)
    directory.chmod(0o755)
    return directory


@contextmanager
def started(project: Path, image: str, models: str, models_in: str = IN_VOLUME) -> Iterator[Pod]:
    """The pod of a document, started with what its security context says."""
    objects = rendered(project, models, models_in)
    specification = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = specification["containers"]
    config = write_config(objects, project / "config")
    security = specification["securityContext"]
    first, *rest = container["command"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    options = [
        *("--name", NAME, "--detach", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--user", f"{security['runAsUser']}:{security['runAsGroup']}", "--tmpfs", "/tmp:size=64m"),
        *("--volume", f"{config}:/config:ro"),
        *(("--volume", f"{project / 'models'}:/models:ro") if models_in == IN_VOLUME else ()),
        *("--publish", "127.0.0.1::8501", "--publish", "127.0.0.1::8500", "--entrypoint", first),
        *(word for each in container["env"] for word in ("--env", f"{each['name']}={expand(each['value'])}")),
    ]
    try:
        docker("run", *options, image, *rest, *map(expand, container["args"]))
        yield Pod(container, specification, config)
    finally:
        subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, timeout=60, check=False)


def expand(text: str) -> str:
    """As Kubernetes expands a text without references."""
    return text.replace("$$", "$")


def add_model(project: Path, name: str) -> None:
    shutil.copytree(MODELS / name, project / "models" / name)


def test_the_probe_passes_when_the_very_versions_are_available(project, server_image):
    with started(project, server_image, "[models.half_plus_two]\nversions = [1, 3]") as pod:
        eventually(lambda: pod.probe("startupProbe"), "the start-up probe passes")
        assert pod.probe("readinessProbe")
        assert "REFERENCE=$(HOME) $$ $HOME" in inspect(NAME)["Config"]["Env"]
        other = rendered(project, "[models.half_plus_two]\nversions = [1, 2]")["ConfigMap"]["data"]["healthcheck.sh"]
        assert pod.run("bash", "-c", other) == 1
        none = rendered(project, "[models.text]")["ConfigMap"]["data"]["healthcheck.sh"]
        assert pod.run("bash", "-c", none) == 1


def test_the_probe_fails_while_nothing_listens(project, server_image):
    ready = rendered(project, "[models.half_plus_two]")["ConfigMap"]["data"]["healthcheck.sh"]
    ended = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", "--entrypoint", "bash", server_image, "-c", ready],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ended.returncode, "half_plus_two:3 is not AVAILABLE" in ended.stderr) == (1, True)


def test_a_version_that_failed_to_load_has_status_200_and_fails_the_probe(project, server_image):
    with started(project, server_image, "[models.half_plus_two]\nversions = [1]") as pod:
        eventually(lambda: pod.probe("startupProbe"), "the start-up probe passes")
        shutil.copytree(project / "models" / "half_plus_two" / "2", project / "models" / "half_plus_two" / "9")
        (project / "models" / "half_plus_two" / "9" / "saved_model.pb").write_bytes(b"broken")
        both = (pod.config / "model_config.config").read_text().replace("versions: 1", "versions: 1 versions: 9")
        Client(pod.endpoints).reload(both)
        status = f"{pod.endpoints.rest}/v1/models/half_plus_two/versions/9"
        eventually(lambda: requests.get(status, timeout=60).status_code == 200, "its state is reported")
        eventually(
            lambda: requests.get(status, timeout=60).json()["model_version_status"][0]["state"] == "END", "it failed"
        )
        script = (pod.config / "healthcheck.sh").read_text()
        assert pod.run("bash", "-c", script) == 0
        assert pod.run("bash", "-c", script.replace("half_plus_two 1", "half_plus_two 9")) == 1


def test_a_broken_model_ends_the_container(project, server_image):
    (project / "models" / "half_plus_two" / "1" / "saved_model.pb").write_bytes(b"broken")
    with started(project, server_image, "[models.half_plus_two]\nversions = [1]") as pod:
        eventually(lambda: not pod.running, "the server ends")
        assert pod.exit_code not in (0, 137)


def test_a_stopping_pod_answers_requests_in_flight_and_ends_at_sigterm(project, server_image):
    add_model(project, "looping")
    with started(project, server_image, "[models.looping]") as pod, ThreadPoolExecutor(2) as pool:
        eventually(lambda: pod.probe("startupProbe"), "the start-up probe passes")
        url = f"{pod.endpoints.rest}/v1/models/looping:predict"

        def ask(count: int) -> requests.Response:
            return requests.post(url, json={"instances": [count]}, headers={"Connection": "close"}, timeout=120)

        began = time.monotonic()
        assert ask(200_000).json() == {"predictions": [200_000]}
        count = int(200_000 * 9 / (time.monotonic() - began))  # longer than the pod waits for the cluster
        answer = pool.submit(ask, count)
        assert pod.run(*pod.container["lifecycle"]["preStop"]["exec"]["command"]) == 0
        assert answer.result(timeout=120).json() == {"predictions": [count]}
        docker("kill", "--signal", "TERM", NAME)
        eventually(lambda: not pod.running, "the server ends", pod.specification["terminationGracePeriodSeconds"])
        assert pod.exit_code in (0, 143)


def test_sigterm_reaches_the_server_and_not_only_process_1(project, server_image):
    with started(project, server_image, "[models.half_plus_two]") as pod:
        eventually(lambda: pod.probe("startupProbe"), "the start-up probe passes")
        first = inspect(NAME)["State"]["Pid"]
        assert Path(f"/proc/{first}/cmdline").read_bytes().split(b"\0")[0] == b"bash"
        docker("kill", "--signal", "TERM", NAME)
        eventually(lambda: not pod.running, "the server ends", pod.specification["terminationGracePeriodSeconds"])
        assert pod.exit_code in (0, 143)


def test_the_smoke_test_of_the_job_verifies_the_server(project, server_image):
    """With the arguments of the Job, but for the addresses and the store, which are others outside of a cluster."""
    models = "[models.half_plus_two]\nversions = [1, 3]\n[models.text]"
    with started(project, server_image, models) as pod:
        eventually(lambda: pod.probe("startupProbe"), "the start-up probe passes")
        job = rendered(project, models)["Job"]["spec"]["template"]["spec"]["containers"][0]
        assert job["command"] == ["deployer", "smoke"]
        elsewhere = {"http://server:8501": pod.endpoints.rest, "server:8500": pod.endpoints.grpc,
                     "/config/deployer.toml": str(pod.config / "deployer.toml")}  # fmt: skip
        words = [elsewhere.get(word, word) for word in job["args"]]
        assert set(words) > set(elsewhere.values())
        own = ("--models-dir", str(project / "models"), "--state-dir", str(project / "state"))
        ended = deployer("smoke", *words, *own, "--json", cwd=project)
        assert ended.code == 0, ended.err + ended.out
        names = {check["name"] for check in ended.json["report"]["checks"]}
        assert names >= {"status", "parity REST", "parity gRPC"}
        assert {check["model"] for check in ended.json["report"]["checks"]} == {
            *("half_plus_two:1", "half_plus_two:3", "text:1"),
        }
        wrong = deployer("smoke", "half_plus_two:2", *words[2:], *own, "--json", cwd=project)
        assert wrong.code == 8
        assert json.loads(wrong.out)["report"]["checks"]
        refused(deployer("smoke", "half_plus_two", "--url", pod.endpoints.rest, cwd=project), 2, "--grpc")


def test_an_image_with_the_model_needs_no_volume_and_gives_the_job_its_golden_set(project, tmp_path):
    (project / "deployer.toml").write_text(f'name = "{PROJECT}"\n[models.half_plus_two]\nversions = [1]\n')
    image = f"{PROJECT}/half:1"
    built = deployer("image", "build", "--tag", image, "--skip-gate", "--json", "-q", cwd=project)
    assert built.code == 0, built.err + built.out
    try:
        models = "[models.half_plus_two]\nversions = [1]"
        with started(project, image, models, f'image = "{image}"') as pod:
            eventually(lambda: pod.probe("startupProbe"), "the start-up probe passes")
            assert "models" not in {each["name"] for each in pod.specification["volumes"]}
            (copy,) = rendered(project, models, f'image = "{image}"')["Job"]["spec"]["template"]["spec"][
                "initContainers"
            ]
            store = tmp_path / "store"
            store.mkdir(mode=0o777)
            store.chmod(0o777)
            first, *rest = copy["command"]
            docker("run", "--rm", "--read-only", "--user", "65534:65534", "--volume", f"{store}:/store",
                   "--entrypoint", first, image, *rest)  # fmt: skip
            addresses = ("--url", pod.endpoints.rest, "--grpc", pod.endpoints.grpc)
            ended = deployer("smoke", "half_plus_two:1", *addresses, "--models-dir", str(store), "--json", cwd=project)
            assert ended.code == 0, ended.err + ended.out
            assert "parity gRPC" in {check["name"] for check in ended.json["report"]["checks"]}
    finally:
        docker("rmi", "--force", image)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_none_is_refused(project, address):
    ended = deployer("smoke", "half_plus_two", "--url", address[0], "--grpc", address[1], cwd=project)
    assert ended.code == 2
