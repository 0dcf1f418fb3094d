"""The specifications of services: what a server may do, and what a promotion changes of a verified candidate."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployer.config.interpolation import Secret
from deployer.config.spec import Docker
from deployer.config.swarm import Swarm
from deployer.engines.docker.names import LABEL
from deployer.engines.swarm import secrets, service_spec
from deployer.engines.swarm.secrets import SecretVariable
from deployer.engines.swarm.service_spec import ServerParts

SECOND = 10**9
LABELS = {f"{LABEL}name": "digits", service_spec.REPLICAS: "3"}


def parts(docker: Docker | None = None, swarm: Swarm | None = None, **changes: Any) -> ServerParts:
    return ServerParts(
        image="registry.example.com/digits@sha256:0", release="r1", network="n1", labels=LABELS,
        docker=docker or Docker(), swarm=swarm or Swarm(), **changes,
    )  # fmt: skip


def test_a_candidate_is_one_hardened_server_that_is_never_started_again():
    spec = service_spec.candidate("c", parts(environment={"B": "2", "A": "1"}))
    task, container = spec["TaskTemplate"], spec["TaskTemplate"]["ContainerSpec"]
    assert (container["ReadOnly"], container["Init"], container["CapabilityDrop"]) == (True, True, ["ALL"])
    assert container["Privileges"] == {"NoNewPrivileges": True}
    assert container["User"] == "65534:65534"
    assert container["Env"] == ["A=1", "B=2"]
    assert container["Labels"] == {f"{LABEL}release": "r1"}
    assert "Command" not in container
    assert container["StopSignal"] == "SIGKILL"
    assert task["Resources"] == {"Limits": {"Pids": 4096}}
    assert task["RestartPolicy"] == {"Condition": "none"}
    assert task["Networks"] == [{"Target": "n1"}]
    assert spec["Mode"] == {"Replicated": {"Replicas": 1}}
    assert spec["EndpointSpec"] == {"Mode": "dnsrr"}
    assert spec["Labels"][f"{LABEL}role"] == "candidate"
    assert json.loads(json.dumps(spec)) == spec


def test_the_settings_of_containers_and_of_the_placement_reach_the_service():
    docker = Docker(cpus=1.5, memory="1g", shm_size="64m", platform="linux/amd64")
    swarm = Swarm(
        constraints=("node.role==worker",), spread="node.labels.zone", max_per_node=2, reserve_memory="512m",
        reserve_cpus=0.5, drain_seconds=20, monitor_seconds=7,
    )  # fmt: skip
    candidate = service_spec.candidate("c", parts(docker, swarm))
    task = candidate["TaskTemplate"]
    assert task["Resources"] == {
        "Limits": {"Pids": 4096, "NanoCPUs": 1_500_000_000, "MemoryBytes": 1 << 30},
        "Reservations": {"NanoCPUs": 500_000_000, "MemoryBytes": 512 << 20},
    }
    sizes = {each["Target"]: each["TmpfsOptions"]["SizeBytes"] for each in task["ContainerSpec"]["Mounts"]}
    assert sizes == {"/tmp": 64 << 20, "/dev/shm": 64 << 20}
    where = {"Constraints": ["node.role==worker"], "Platforms": [{"OS": "linux", "Architecture": "amd64"}]}
    assert task["Placement"] == where
    server = service_spec.server("s", candidate, "on-failure", swarm)
    spread = {"Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}], "MaxReplicas": 2}
    assert server["TaskTemplate"]["Placement"] == where | spread
    assert server["TaskTemplate"]["RestartPolicy"]["Condition"] == "on-failure"
    assert server["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"] == 20 * SECOND
    assert server["UpdateConfig"] == {
        "Parallelism": 1, "Order": "start-first", "FailureAction": "rollback", "Monitor": 7 * SECOND,
        "MaxFailureRatio": 0,
    }  # fmt: skip
    assert server["RollbackConfig"] == server["UpdateConfig"] | {"FailureAction": "pause"}


def test_a_promotion_changes_how_servers_end_and_nothing_of_what_was_verified():
    candidate = service_spec.candidate("c", parts())
    before = json.dumps(candidate)
    server = service_spec.server("s", candidate, "unless-stopped", Swarm())
    assert json.dumps(candidate) == before
    old, new = candidate["TaskTemplate"]["ContainerSpec"], server["TaskTemplate"]["ContainerSpec"]
    assert {key for key in new if new[key] != old.get(key)} == {"StopSignal", "StopGracePeriod"}
    assert (server["Name"], server["Mode"]) == ("s", {"Replicated": {"Replicas": 3}})
    assert not service_spec.is_accepted(server["Labels"])


def test_marks_and_numbers_change_no_task():
    server = service_spec.server("s", service_spec.candidate("c", parts()), "always", Swarm())
    accepted = service_spec.accepted(server)
    assert service_spec.is_accepted(accepted["Labels"])
    scaled = service_spec.scaled(accepted, 5)
    assert scaled["Mode"] == {"Replicated": {"Replicas": 5}}
    assert scaled["Labels"][service_spec.REPLICAS] == "5"
    assert scaled["TaskTemplate"] == accepted["TaskTemplate"] == server["TaskTemplate"]


def test_an_image_is_brought_to_every_node_where_servers_may_run_and_to_no_other():
    spec = service_spec.pull("p", parts(swarm=Swarm(constraints=("node.hostname!=node3",))))
    assert spec["Mode"] == {"Global": {}}
    assert spec["TaskTemplate"]["ContainerSpec"]["Image"] == "registry.example.com/digits@sha256:0"
    assert spec["TaskTemplate"]["Placement"] == {"Constraints": ["node.hostname!=node3"]}


def test_secrets_are_mounted_for_the_servers_user_and_exported_by_the_command():
    secret = SecretVariable("TOKEN", "id1", "deployer-a-b-c-0")
    spec = service_spec.candidate("c", parts(secrets=(secret,), command=("serve", "--now"), environment={"A": "1"}))
    container = spec["TaskTemplate"]["ContainerSpec"]
    (mount,) = container["Secrets"]
    assert (mount["SecretID"], mount["SecretName"]) == ("id1", "deployer-a-b-c-0")
    assert mount["File"] == {"Name": "TOKEN", "UID": "65534", "GID": "65534", "Mode": 0o400}
    assert container["Command"][-3:] == ["--", "serve", "--now"]
    assert container["Env"] == ["A=1"]


def test_a_hash_tells_a_value_and_hides_it():
    one, other = secrets.hashed("open sesame"), secrets.hashed("open sesame")
    assert one != other
    assert "sesame" not in one
    assert secrets.matches("open sesame", one)
    assert not secrets.matches("open", one)
    for unreadable in ("", "x", ":", "zz:zz", one[:20]):
        assert not secrets.matches("open sesame", unreadable)


def test_only_values_with_variables_are_secret():
    secret = Secret.of("${PASSWORD}", (), lambda: "open sesame")
    environment = {"PLAIN": "1", "HIDDEN": secret}
    assert secrets.plain_values(environment) == {"PLAIN": "1"}
    assert secrets.secret_values(environment) == {"HIDDEN": "open sesame"}


@pytest.mark.parametrize("value", ["", "a b", "two\nlines\n", "$HOME 'quoted' \"twice\"", "é"])
def test_the_command_exports_values_as_they_are(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "MY.NAME").write_bytes(value.encode() + secrets.END)
    monkeypatch.setattr(secrets, "EXPORT", secrets.EXPORT.replace(secrets.DIRECTORY, str(tmp_path)))
    command = secrets.exporting((SecretVariable("MY.NAME", "", ""),), ("env", "-0"))
    ended = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert f"MY.NAME={value}".encode() in ended.stdout.split(b"\0")
