"""docs/kubernetes.md: its document is rendered, and its candidate takes no request that is for the deployment."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from support import kustomize
from support.cli import in_process
from support.kubernetes import VERSIONS, validate
from support.world import MODELS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "kubernetes.md").read_text()


def rendered(tmp_path: Path) -> dict[str, str]:
    """The files of `render k8s --out` for the document of the guide."""
    shutil.copytree(MODELS / "half_plus_two", tmp_path / "models" / "digits")
    (tmp_path / "deployer.toml").write_text("".join(re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)))
    ended = in_process("render", "k8s", "--out", "out", cwd=tmp_path)
    assert ended.code == 0, ended.err
    out = tmp_path / "out"
    return {str(path.relative_to(out)): path.read_text() for path in out.rglob("*.yaml")}


def test_its_document_gives_the_files_that_it_lists(tmp_path):
    files = rendered(tmp_path)
    listed = set(re.findall(r"`([a-z-]+\.yaml)`", GUIDE.partition("## What is in them")[2]))
    written = {name.rpartition("/")[2] for name in files}
    assert written - {"kustomization.yaml"} - {name for name in written if name.endswith("-patch.yaml")} < listed
    assert listed - written == {"httproute.yaml", "grpcroute.yaml", "servicemonitor.yaml"}
    for env in ("staging", "production", "candidate"):
        for each in kustomize.build(files, f"overlays/{env}"):
            validate(each)


def test_its_candidate_is_verified_by_a_job_and_gets_no_request_of_clients(tmp_path):
    files = rendered(tmp_path)
    found = {env: {each["kind"]: each for each in kustomize.build(files, f"overlays/{env}")}
             for env in ("production", "candidate")}  # fmt: skip
    candidate, production = found["candidate"], found["production"]
    assert "Ingress" in production
    assert "Ingress" not in candidate
    labels = candidate["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert not production["Service"]["spec"]["selector"].items() <= labels.items()
    (smoke,) = candidate["Job"]["spec"]["template"]["spec"]["containers"]
    assert "http://digits-candidate:8501" in smoke["args"]
    names = [each["metadata"]["name"] for each in candidate.values()]
    assert not set(names) & {each["metadata"]["name"] for each in production.values()}


def test_it_names_the_releases_of_the_schemas():
    assert f"schemas of Kubernetes {', '.join(VERSIONS[:-1])} and {VERSIONS[-1]}" in GUIDE
