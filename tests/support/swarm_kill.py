"""A command that changes a deployment on the Swarm, ended by SIGKILL at a moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from support.cluster import Cluster
from support.swarm_site import Site

KILLED = """
import json, os, signal, sys, threading, time
from dataclasses import replace
from pathlib import Path
from support.cluster import read
from support.swarm import healthy_soon
from support.swarm_site import ENV, Site
directory, cluster, project, image, moment, gateway, changes = sys.argv[1:]
node = read(cluster).nodes[0]
site = Site(Path(directory), node.socket, gateway, node, project=project)
engine = site.engine(image, gateway_settings=json.loads(changes))
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
def at_update(role=""):
    while True:
        services = engine.host.state.services(site.name, ENV)
        service = services.gateway if role else services.server
        if service and service.update_state == "updating":
            die()
        time.sleep(0.05)
def at_number(replicas):
    while engine.host.state.services(site.name, ENV).server.replicas != replicas:
        time.sleep(0.05)
    die()
with healthy_soon(), engine.locks.acquire(site.name, ENV, 30.0):
    engine.recover(site.name, ENV)
    if moment.startswith("gateway"):
        if moment == "gateway, updating":
            threading.Thread(target=at_update, args=("gateway",)).start()
        engine.gateways.replace(engine.observe(site.name, ENV), die)
    if moment.startswith("scaling to "):
        replicas = int(moment.rpartition(" ")[2])
        threading.Thread(target=at_number, args=(replicas,)).start()
        engine.scale(engine.observe(site.name, ENV), replicas)
        time.sleep(9)
    candidate = engine.stage(site.launch(engine))
    if moment == "staged":
        die()
    if moment == "updating":
        threading.Thread(target=at_update).start()
    engine.promote(candidate, 15.0, die if moment == "accepting" else lambda _: None)
    engine.host.api.client.close()
"""


def killed(site: Site, cluster: Cluster, image: str, moment: str, **gateway_settings: object) -> None:
    """A command that deploys an image, or changes the gateway or the number of servers alone, killed at a moment."""
    changes = json.dumps(gateway_settings)
    arguments = [str(site.directory), cluster.name, site.project, image, moment, site.gateway_image, changes]
    path = os.pathsep.join(str(each) for each in (Path(__file__).parents[1], Path(__file__).parents[2]))
    environment = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], env=environment, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr
