"""Light verbs stay light: what a child process has imported when the verb is done."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import environment
from support.world import MODELS

HEAVY = ("tensorflow", "keras", "tf_keras")
NOT_FOR_HELP = (*HEAVY, "docker", "rich", "jinja2", "grpc", "pydantic", "numpy", "requests", "h5py", "httptools")
OF_A_DEPLOY = (
    "savedmodel.reader", "verification.golden", "verification.smoke", "client.client",
    "store.store", "operations.up", "rollout.change",
)  # fmt: skip
"""Modules that `down` can do without."""

RUN = """
import gc, json, sys
from deployer.__main__ import main
code = 0
gc.collect()
before = sum(each["collections"] for each in gc.get_stats())
try:
    main()
except SystemExit as ended:
    code = ended.code or 0
modules = sorted({name if name.startswith(("deployer.", "google.")) else name.partition(".")[0] for name in sys.modules
                  if not name.startswith("tensorflow.core.")
                  and name != "tensorflow.core" and not name.startswith("tensorflow.tsl.")})
collections = sum(each["collections"] for each in gc.get_stats()) - before
print(json.dumps([code, modules, collections]), file=sys.stderr)
"""


def imported(*arguments: str, cwd: Path) -> tuple[int, set[str], int]:
    """The exit code of `deployer ARGUMENTS`, the packages that it imported, TensorFlow's bare messages apart, and how
    often Python looked for garbage meanwhile."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, modules, collections = json.loads(ended.stderr.strip().splitlines()[-1])
    return code, set(modules), collections


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one model, and a stopped server's run directory."""
    directory = tmp_path_factory.mktemp("light")
    shutil.copytree(MODELS / "half_plus_two" / "1", directory / "models" / "half_plus_two" / "1")
    release = (
        directory / ".deployer" / "run" / f"local@{directory.name}" / "half_plus_two" / "20260101-000000-000000000-0000"
    )
    release.mkdir(parents=True)
    labels = {
        "name": "half_plus_two",
        "env": "local",
        "release": release.name,
        "role": "serving",
        "created": "",
        "pid": 0,
    }
    ports = {"rest_port": 1, "grpc_port": 2, "private_rest_port": 3, "private_grpc_port": 4}
    models = [{"name": "half_plus_two", "versions": [1], "labels": [], "digests": [""]}]
    document = {**labels, **ports, "host": "127.0.0.1", "server_digest": "", "models": models}
    (release / "release.json").write_text(json.dumps(document))
    return directory


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("up", "--help"),
        ("status",),
        ("status", "half_plus_two", "--json"),
        ("versions",),
        ("inspect", "half_plus_two"),
        ("inspect", "models/half_plus_two/1"),
        ("render", "half_plus_two"),
        ("plan", "half_plus_two", "--skip-gate"),
        ("plan", "models/half_plus_two/1", "--name", "new"),
    ],
    ids=" ".join,
)
def test_light_verbs_import_no_tensorflow_and_look_for_no_garbage(project: Path, arguments: tuple[str, ...]) -> None:
    code, modules, collections = imported(*arguments, cwd=project)
    assert code == 0
    assert collections == 0
    assert "deployer" in modules
    assert not modules & set(HEAVY)


@pytest.mark.parametrize("arguments", [("status",), ("--version",)], ids=" ".join)
def test_commands_that_read_no_message_import_no_protobuf(project: Path, arguments: tuple[str, ...]) -> None:
    code, modules, _ = imported(*arguments, cwd=project)
    assert code == 0
    assert not modules & {"google.protobuf.descriptor_pool", "google.protobuf.text_format"}


def test_a_document_that_is_right_as_it_stands_needs_no_validator(project: Path) -> None:
    (project / "plain.toml").write_text('engine = "embedded"\n[server]\nrest_port = 0\n[models.half_plus_two]\n')
    script = "import sys; from deployer.config import loader as config; config.load(); print('pydantic' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env=environment(DEPLOYER_CONFIG="plain.toml"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == "False\n"


def test_down_imports_nothing_that_only_a_deploy_needs(project: Path) -> None:
    code, modules, _ = imported("down", "nobody", cwd=project)
    assert code == 10
    assert "deployer.engines.embedded.engine" in modules
    assert not modules & {f"deployer.{module}" for module in OF_A_DEPLOY}


def test_nor_does_the_docker_engine_before_it_deploys(project: Path) -> None:
    script = "import json, sys, deployer.engines.docker.engine; print(json.dumps(list(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True, timeout=60, check=True
    )
    modules = set(json.loads(ended.stdout))
    assert "deployer.engines.docker.state" in modules
    assert not modules & {f"deployer.{module}" for module in OF_A_DEPLOY}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_that_they_do_not_need(project: Path, option: str) -> None:
    code, modules, _ = imported(option, cwd=project)
    assert code == 0
    assert not modules & set(NOT_FOR_HELP)


def test_the_package_itself_is_light(project: Path) -> None:
    script = "import deployer, sys; print(sorted(name for name in sys.modules if name.startswith('deployer')))"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.strip() == "['deployer', 'deployer._version']"
