"""A project with small models, and a document that uses what manifests can express."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cli import Ended, in_process
from support.world import MODELS

RICH = """
project = "shop"
name = "pricing"
[models.half_plus_two]
versions = [1, 2]
labels = { stable = 1, canary = 2 }
[models.text]
[server.flags]
enable_grpc_healthcheck_service = true
[batching]
max_batch_size = 16
[monitoring]
[gate]
relative_tolerance = 1e-5
[docker]
image = "tensorflow/serving:2.20.0"
cpus = 1.5
memory = "2g"
shm_size = "128m"
platform = "linux/amd64"
environment = { MALLOC_ARENA_MAX = "2" }
[kubernetes]
models_claim = "models"
models_path = "team/models"
replicas = 3
cpu_request = 0.5
image_pull_secrets = ["registry"]
secrets = { TOKEN = "credentials/token" }
host = "pricing.example.com"
ingress_class = "nginx"
tls_secret = "pricing-tls"
service_monitor = true
smoke_image = "registry.example/deployer:1"
[env.staging.kubernetes]
namespace = "staging"
replicas = 1
[env.production]
docker.memory = "4g"
docker.gpus = 1
docker.image = "tensorflow/serving:2.20.0-gpu"
models.half_plus_two.versions = [2, 3]
models.half_plus_two.labels = { stable = 2, canary = 3 }
[env.production.kubernetes]
namespace = "production"
max_replicas = 10
"""


class Project:
    """A directory in which `deployer render` runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, text: str) -> None:
        (self.directory / "deployer.toml").write_text(text)

    def run(self, *arguments: str, code: int = 0) -> Ended:
        ended = in_process(*arguments, cwd=self.directory)
        assert ended.code == code, ended.err + ended.out
        return ended

    def objects(self, form: str = "k8s", *arguments: str) -> dict[str, dict[str, Any]]:
        """The rendered objects by kind and name."""
        text = self.run("render", form, *arguments, "--json").json["files"][f"{form}.yaml"]
        found = list(yaml.safe_load_all(text))
        by_name = {f"{each['kind']}/{each['metadata']['name']}": each for each in found}
        assert len(by_name) == len(found)
        return by_name

    def container(self, *arguments: str) -> dict[str, Any]:
        """The server's container of the only Deployment."""
        (deployment,) = (each for each in self.objects("k8s", *arguments).values() if each["kind"] == "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        return container

    def files(self, form: str = "k8s", *arguments: str) -> dict[str, str]:
        """The files of the directory that `--out` writes."""
        self.run("render", form, *arguments, "--out", "out")
        out = self.directory / "out"
        found = {str(path.relative_to(out)): path.read_text() for path in sorted(out.rglob("*")) if path.is_file()}
        shutil.rmtree(out)
        return found

    def refused(self, key: str, form: str = "k8s", *arguments: str) -> str:
        """The error of a render that must name the key; its hint."""
        error = self.run("render", form, *arguments, "--json", code=3).json["error"]
        assert key in error["message"], error
        return error["hint"] or ""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Its models are half_plus_two 1 to 3, and text 1; no engine answers."""
    for name in ("half_plus_two", "text"):
        shutil.copytree(MODELS / name, tmp_path / "models" / name)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    return Project(tmp_path)


@pytest.fixture
def rich(project: Project) -> Project:
    project.write(RICH)
    return project
