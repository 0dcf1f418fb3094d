"""Images on the nodes of a Swarm: a change begins once each node has the image."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from support.cluster import Cluster
from support.swarm_site import PROJECT, Site, answering, answers, on_nodes, serves

from deployer.errors import EngineError

pytestmark = pytest.mark.timeout(900)
SECONDS = 60


def test_an_image_is_on_every_node_before_anything_changes(
    site: Site, swarm_images: dict[str, str], cluster: Cluster, gateway_image: str, withdrawn: None
) -> None:
    del withdrawn
    lost, reference = pushed(cluster, gateway_image, 7), pushed(cluster, gateway_image, 8)
    before = site.deploy(site.engine(swarm_images["one"]))
    withdraw(cluster, lost)
    with pytest.raises(EngineError, match=r"node node[23]|on node[23]") as failed:
        site.deploy(site.engine(lost))
    assert "No such image" in failed.value.message
    assert site.recover(site.engine(swarm_images["one"]))
    assert serves(site.engine(swarm_images["one"]), before)
    assert answers(site.deploy(site.engine(reference))) == {"8"}
    for node in cluster.nodes:
        assert reference in node.docker("images", "--digests", "--format", "{{.Repository}}@{{.Digest}}")
        assert not node.docker("ps", "--all", "--quiet", "--filter", f"name={site.service()['Spec']['Name']}-pull")


@pytest.fixture
def withdrawn(cluster: Cluster) -> Iterator[None]:
    """Afterwards the first node does not have the names of the images any more."""
    yield
    cluster.nodes[0].docker("rmi", *(f"{cluster.registry}/{PROJECT}:{version}" for version in (7, 8)))


def pushed(cluster: Cluster, gateway_image: str, version: int) -> str:
    """The reference of an image that the first node alone has, and the registry."""
    node, name = cluster.nodes[0], f"{cluster.registry}/{PROJECT}:{version}"
    (image,) = on_nodes(cluster, answering(gateway_image, version)).values()
    for each in cluster.nodes[1:]:
        each.docker("rmi", "--force", image)
    node.docker("tag", image, name)
    node.docker("push", "--quiet", name)
    names = node.docker("image", "inspect", "--format", '{{join .RepoDigests " "}}', name).split()
    return next(each for each in names if each.startswith(f"{cluster.registry}/{PROJECT}@"))


def withdraw(cluster: Cluster, reference: str) -> None:
    """Remove an image from the registry."""
    repository, _, digest = reference.partition("@")
    path = f"{repository.removeprefix(f'{cluster.registry}/')}/manifests/{digest}"
    answer = requests.delete(
        f"https://{cluster.registry}/v2/{path}", verify=str(cluster.certificates / "ca.pem"), timeout=SECONDS
    )
    assert answer.status_code == 202, answer.text
