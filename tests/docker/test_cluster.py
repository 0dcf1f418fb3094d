"""The cluster for tests: it starts, carries requests, notices a lost machine, and leaves nothing.

It has a name of its own: other tests may use the shared one now.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from support import cluster as clusters
from support.cluster import Cluster, Node
from support.containers import docker
from support.quick_server import quick_server
from support.world import eventually

NAME = "tests"
SECONDS = 120
ASK = "exec 3<>/dev/tcp/{host}/8501; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3"


@pytest.fixture(scope="module")
def image(gateway_image: str) -> str:
    return quick_server(gateway_image)


@pytest.fixture(scope="module")
def cluster(image: str) -> Iterator[Cluster]:
    with clusters.of_its_own(NAME, image) as made:
        yield made


@pytest.fixture
def server(cluster: Cluster, image: str) -> Iterator[None]:
    """A container on each node, which answers on port 8501."""
    try:
        for node in cluster.nodes:
            node.docker("run", "--detach", "--name", "server", "--publish", "8501:8501", image)
        yield
    finally:
        for node in cluster.nodes:
            node.docker("rm", "--force", "server")


def processes(node: Node) -> list[int]:
    """The processes in the node's network namespace."""
    wanted, found = Path(node.netns).stat().st_ino, []
    for pid in psutil.pids():
        try:
            if Path(f"/proc/{pid}/ns/net").stat().st_ino == wanted:
                found.append(pid)
        except OSError:
            continue
    return found


def engine(node: Node) -> int:
    return next(pid for pid in processes(node) if psutil.Process(pid).name() == "dockerd")


def status_of(cluster: Cluster) -> int:
    return clusters.run("status", name=cluster.name).returncode


def ssh(cluster: Cluster, user: str, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(cluster.ssh_path / "ssh"), f"{user}@{cluster.nodes[1].address}", command],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def test_a_second_up_changes_nothing(cluster: Cluster, image: str) -> None:
    before = [engine(node) for node in cluster.nodes]
    assert clusters.start(image, name=NAME) == cluster
    assert [engine(node) for node in cluster.nodes] == before
    assert status_of(cluster) == 0


def test_images_that_the_usual_engine_has_not_any_more_leave_the_nodes(cluster: Cluster, image: str) -> None:
    gone = "deployer-testbed/gone:1"
    for node in cluster.nodes:
        node.docker("tag", image, gone)
    assert clusters.run("load", image, name=NAME).returncode == 0
    for node in cluster.nodes:
        there = node.docker("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
        assert (gone in there, f"{image}:latest" in there) == (False, True)


@pytest.mark.usefixtures("server")
def test_a_container_on_each_node_answers(cluster: Cluster) -> None:
    for node in cluster.nodes:
        eventually(lambda node=node: answers(node), f"{node.name} answers")


def answers(node: Node) -> bool:
    try:
        return requests.get(f"http://{node.address}:8501/", timeout=SECONDS).status_code == 200
    except requests.ConnectionError:
        return False


def test_an_overlay_network_carries_a_request_between_nodes(cluster: Cluster, image: str) -> None:
    first, _, third = cluster.nodes
    first.docker("network", "create", "--driver", "overlay", "--attachable", "wide")
    try:
        first.docker("run", "--detach", "--name", "far", "--network", "wide", image)
        asked = ("run", "--rm", "--network", "wide", "--entrypoint", "bash", image, "-c", ASK.format(host="far"))
        assert third.docker(*asked).startswith("HTTP/1.1 200")
    finally:
        first.docker("rm", "--force", "far")
        first.docker("network", "rm", "wide")


def test_an_image_travels_through_the_registry(cluster: Cluster, tmp_path: Path) -> None:
    first, second, _ = cluster.nodes
    there = f"{cluster.registry}/team/small:1"
    (tmp_path / "file").write_text("a small layer")
    subprocess.run(["tar", "-cf", "layer.tar", "file"], cwd=tmp_path, check=True, timeout=SECONDS)
    first.docker("import", str(tmp_path / "layer.tar"), there)
    first.docker("push", there)
    second.docker("pull", there)
    assert ids(first, there) == ids(second, there)
    for node in (first, second):
        node.docker("rmi", there)


def ids(node: Node, image: str) -> str:
    return node.docker("image", "inspect", "--format", "{{.Id}} {{.RepoDigests}}", image)


def test_ssh_leads_to_the_second_engine(cluster: Cluster) -> None:
    for user in ("root", "member"):
        said = ssh(cluster, user, "hostname && docker info --format '{{.Name}}'")
        assert (said.returncode, said.stdout) == (0, "node2\nnode2\n"), said.stderr
    refused = ssh(cluster, "guest", "docker version")
    assert refused.returncode == 1
    assert "permission denied" in refused.stderr
    assert ssh(cluster, "stranger", "true").returncode == 255


def test_tcp_takes_a_certificate_of_the_cluster(cluster: Cluster) -> None:
    node = cluster.nodes[2]
    options = ("--host", node.tcp, "--tlsverify", "--tlscacert", str(cluster.certificates / "ca.pem"))
    own = ("--tlscert", str(cluster.certificates / "cert.pem"), "--tlskey", str(cluster.certificates / "key.pem"))
    for more, code in ((own, 0), ((), 1)):
        asked = ["docker", *options, *more, "version"]
        assert subprocess.run(asked, capture_output=True, timeout=SECONDS, check=False).returncode == code


def test_nodes_do_not_see_the_files_of_this_host(cluster: Cluster, image: str, tmp_path: Path) -> None:
    mounted = ("--mount", f"type=bind,source={tmp_path},target=/seen", "--entrypoint", "true")
    with pytest.raises(AssertionError, match="bind source path does not exist"):
        cluster.nodes[0].docker("run", "--rm", *mounted, image)


def test_a_machine_sees_its_own_files_below_a_directory_that_it_hides(tmp_path: Path) -> None:
    """Its program is the registry of a hub, which notes what it sees."""
    caches, other = tmp_path / "caches", tmp_path / "other"
    directory = caches / "hub"
    directory.mkdir(parents=True)
    other.touch()
    program = caches / "program"
    program.write_text(f"#!/bin/sh\n[ -e {other} ] && echo other >{caches}/seen || echo own >{caches}/seen\n")
    program.chmod(0o755)
    (directory / "registry").write_text(f"{program}\n")
    namespaces = ("--mount", "--propagation", "private", "--uts", "--pid", "--fork", "--mount-proc")
    subprocess.run(
        ["unshare", *namespaces, "bash", str(clusters.SCRIPT.parent / "cluster" / "machine.sh"), str(caches), "hub",
         str(directory)], check=True, timeout=SECONDS,
    )  # fmt: skip
    assert (caches / "seen").read_text() == "own\n"


REPLACING = """
mount --bind "$1/etc" /etc
unshare --pid --fork --mount-proc --mount --propagation private --uts bash "$2" "$1" node2 "$1/node2" &
until [ -e "$1/started" ]; do sleep 0.05; done
cp /etc/passwd /etc/passwd.new && mv /etc/passwd.new /etc/passwd
touch "$1/replaced"
wait
"""
"""A host, with files of its own in /etc, on which somebody adds a user while a machine runs."""


def test_a_machine_keeps_its_users_when_the_host_gets_another(tmp_path: Path) -> None:
    """Its program is the SSH server of a node, which notes whom it knows."""
    caches = tmp_path / "caches"
    directory = caches / "node2"
    directory.mkdir(parents=True)
    subprocess.run(["cp", "-a", "/etc", caches], check=True, timeout=SECONDS)
    accounts = {file: f"{file} of the machine\n" for file in ("passwd", "shadow", "group")}
    for file, text in accounts.items():
        (directory / file).write_text(text)
    program = caches / "program"
    program.write_text(
        f"#!/bin/sh\ntouch {caches}/started\nuntil [ -e {caches}/replaced ]; do sleep 0.05; done\n"
        f"cat /etc/passwd /etc/shadow /etc/group >{caches}/seen\n"
    )
    program.chmod(0o755)
    (directory / "sshd").write_text(f"{program}\n")
    machine = clusters.SCRIPT.parent / "cluster" / "machine.sh"
    host = ("unshare", "--mount", "--propagation", "private", "bash", "-c", REPLACING, "host")
    subprocess.run([*host, caches, machine], check=True, timeout=SECONDS)
    assert (caches / "seen").read_text() == "".join(accounts.values())


def test_a_killed_engine_is_noticed_and_started_again(cluster: Cluster, image: str) -> None:
    node = cluster.nodes[0]
    os.kill(engine(node), signal.SIGKILL)
    eventually(lambda: processes(node) == [], "all processes of the node end")
    assert status_of(cluster) == 1
    clusters.start(image, name=NAME)
    assert status_of(cluster) == 0


def test_a_node_that_is_cut_off_is_noticed_and_linked_again(cluster: Cluster, image: str) -> None:
    node = cluster.nodes[2]
    before = engine(node)
    subprocess.run(
        ["nsenter", f"--net={cluster.hub_netns}", "ip", "link", "set", node.name, "down"], check=True, timeout=SECONDS
    )
    assert status_of(cluster) == 1
    clusters.start(image, name=NAME)
    assert status_of(cluster) == 0
    assert engine(node) == before


@pytest.mark.parametrize("at", ["starting", "joining"])
def test_up_can_be_killed_and_run_again(cluster: Cluster, image: str, at: str) -> None:
    assert clusters.run("down", name=NAME).returncode == 0
    under_way = subprocess.Popen(
        [str(clusters.SCRIPT), "up", image], env={**os.environ, "DEPLOYER_TESTBED_CLUSTER": NAME},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert under_way.stderr
    assert any(at in line for line in under_way.stderr)
    under_way.kill()
    under_way.wait(SECONDS)
    clusters.start(image, name=NAME)
    assert status_of(cluster) == 0


def test_down_leaves_nothing_and_nobody_else_loses_anything(cluster: Cluster) -> None:
    """The last test of this file."""
    everything = [pid for node in cluster.nodes for pid in processes(node)]
    usual, rules = docker("info", "--format", "{{.ID}}"), firewall()
    assert clusters.run("down", name=NAME).returncode == 0
    assert [pid for pid in everything if lives(pid)] == []
    assert [node for node in cluster.nodes if Path(node.netns).exists()] == []
    assert not Path(cluster.hub_netns).exists()
    assert cluster.host_address not in addresses()
    assert docker("info", "--format", "{{.ID}}") == usual
    assert cluster.host_address.rpartition(".")[0] not in rules + firewall()
    assert status_of(cluster) == 1


def lives(pid: int) -> bool:
    """Whether it runs; what has ended may wait for its parent."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def addresses() -> list[str]:
    return [each.address for found in psutil.net_if_addrs().values() for each in found]


def firewall() -> str:
    return subprocess.run(["iptables-save"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
