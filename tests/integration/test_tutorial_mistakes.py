"""The classic mistakes of tutorials: a SavedModel without a version's directory, and one port taken for the other."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from support.cli import ANY_PORTS, deployer, in_process
from support.stores import copy_store
from support.world import MODELS

from deployer.client.client import Client
from deployer.client.encoding import ModelTarget
from deployer.errors import RequestFailed
from deployer.results.deployment import Endpoints

QUESTION = '{"instances": [1.0]}'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A project that serves half_plus_two, and where."""
    directory = copy_store(store, tmp_path_factory.mktemp("served"))
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, "--json", cwd=directory)
    assert ended.code == 0, ended.err
    yield directory, ended.json["endpoints"]
    assert deployer("down", "--all", cwd=directory).code == 0


def asked(served: Any, address: str, *more: str) -> Any:
    return in_process("predict", "half_plus_two", "--url", address, "--input", QUESTION, *more, cwd=served[0])


def test_a_server_is_asked_by_its_address(served):
    for address in (served[1]["rest"], urlsplit(served[1]["rest"]).netloc):
        assert json.loads(asked(served, address).out) == {"predictions": [2.5]}
    missing = asked(served, served[1]["rest"], "--version", "9")
    assert missing.code == 1
    assert "was answered 404" in missing.err


def test_rest_at_the_grpc_port_is_reported_with_the_port_that_was_meant(served):
    ended = asked(served, f"http://{served[1]['grpc']}")
    assert ended.code == 1
    assert f"error: {served[1]['grpc']} is a gRPC port: a REST request was sent to it" in ended.err
    assert f"hint: half_plus_two answers REST requests at {served[1]['rest']}" in ended.err


def test_both_apis_are_distinguished_by_the_client(served):
    rest, grpc = urlsplit(served[1]["rest"]).netloc, served[1]["grpc"]
    client = Client(Endpoints(f"http://{grpc}", rest), 10.0)
    with pytest.raises(RequestFailed, match="is a gRPC port: a REST request") as caught:
        client.states("half_plus_two")
    assert "REST port is 8501 and its gRPC port 8500" in (caught.value.hint or "")
    with pytest.raises(RequestFailed, match="as REST ports do: a gRPC request was sent to it"):
        client.predict_grpc(ModelTarget("half_plus_two", None, "serving_default"), {"x": np.float32([1.0])})
    client.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("half_plus_two", "--url", "localhost:8501"), "--url needs a model and a request"),
        (("--url", "localhost:8501", "--input", QUESTION), "--url needs a model and a request"),
        (("m", "--url", "https://a b/", "--input", QUESTION), "is not the address of a server"),
        (("m", "--url", "http://a:1/v1/models/m:predict", "--input", QUESTION), "is not the address of a server"),
        (("../m", "--url", "localhost:8501", "--input", QUESTION), "is not allowed"),
    ],
)
def test_what_is_no_address_and_no_question_is_refused(served, arguments, says):
    ended = in_process("predict", *arguments, cwd=served[0])
    assert (ended.code, says in ended.err) == (2, True), ended.err


def test_ports_that_are_swapped_are_reported_by_doctor(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPLOYER_SERVER_REST_PORT", "8500")
    monkeypatch.setenv("DEPLOYER_SERVER_GRPC_PORT", "8501")
    found = in_process("doctor", "--json", cwd=tmp_path).json["findings"]
    remedies = [each["remedy"] for each in found if (each["check"], each["severity"]) == ("ports", "warning")]
    assert remedies.count("server.rest_port = 8501, server.grpc_port = 8500") == 1


def test_a_saved_model_without_a_version_is_reported_and_its_cure_works(empty_project):
    shutil.copytree(MODELS / "half_plus_two" / "1", empty_project / "models" / "half")
    ended = in_process("up", "half", *ANY_PORTS, "--json", cwd=empty_project)
    assert ended.code == 4
    error = ended.json["error"]
    assert re.findall(r"models/\S*[a-z0-9]", error["message"]) == ["models/half", "models/half/1"]
    found = in_process("doctor", "--json", cwd=empty_project).json["findings"]
    told = [
        (each["message"], each["remedy"]) for each in found if (each["check"], each["severity"]) == ("store", "warning")
    ]
    assert (error["message"], error["hint"]) in told
    assert in_process("export", "models/half", "-q", cwd=empty_project).code == 0
    files = {path.name for path in (empty_project / "models" / "half" / "1").iterdir()}
    assert files == {"saved_model.pb", "fingerprint.pb", "variables", "assets.extra"}
    assert in_process("export", "models/half", "--json", cwd=empty_project).json["created"] is False
    assert in_process("versions", "half", cwd=empty_project).code == 0


def test_a_model_is_not_taken_for_a_directory_of_models(empty_project):
    model = empty_project / "serving" / "half"
    shutil.copytree(MODELS / "half_plus_two" / "1", model / "1")
    for wrong, says in ((model, "holds versions of one model (1, ...)"), (model / "1", "is a SavedModel")):
        for arguments in (("up", str(model / "1")), ("export", str(model / "1")), ("up", "half")):
            ended = in_process(*arguments, "--models-dir", str(wrong), cwd=empty_project)
            assert ended.code == 4, ended.out
            assert f"error: {wrong} {says}, and no" in ended.err
    assert sorted(path.name for path in model.rglob("*")) == sorted(
        ["1", *(path.name for path in (MODELS / "half_plus_two" / "1").rglob("*"))]
    )
    assert in_process("versions", "half", "--models-dir", "serving", cwd=empty_project).code == 0


def test_versions_of_a_name_that_is_misplaced(empty_project):
    shutil.copytree(MODELS / "half_plus_two" / "1", empty_project / "models" / "half" / "v1")
    ended = in_process("versions", "half", "--json", cwd=empty_project)
    assert ended.code == 4
    cure = shlex.split(ended.json["error"]["hint"])
    assert cure == ["mv", "models/half/v1", "models/half/1"]
    subprocess.run(cure, cwd=empty_project, check=True)
    assert in_process("versions", "half", cwd=empty_project).code == 0
