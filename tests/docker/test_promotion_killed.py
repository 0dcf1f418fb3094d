"""`kill -9` of the tool before each call with which a promotion, or a removal, changes the engine: one server is left
and serves, or none.

What the containers run here answers at once with the name of its container: an engine never asks its servers anything.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.containers import PROJECT, build, labelled, running, world
from support.world import MODELS, eventually, free_port

from deployer.config.spec import Docker, Gateway
from deployer.engines.docker.engine import DockerEngine
from deployer.engines.docker.host import DockerHost
from deployer.errors import EngineError, VerificationFailed
from deployer.results.deployment import Deployment
from deployer.results.launch import Launch, Rendered
from deployer.results.served import ServedModel

NAME, ENV = "killed", "local"
MOST_CALLS = 40
DOCKERFILE = r"""
FROM {image}
USER root
RUN printf '%s\n' 'defaults' ' mode http' ' timeout client 9s' 'frontend stub' ' bind :8501' \
    ' http-request return status 200 content-type text/plain lf-string "%[hostname]"' >/stub.cfg
ENTRYPOINT ["sh", "-c", "exec haproxy -db -f /stub.cfg"]
"""


@pytest.fixture(scope="module")
def stub_image(gateway_image):
    return build("deployer-testbed/stub", DOCKERFILE.format(image=gateway_image))


@dataclasses.dataclass(frozen=True)
class Site:
    """One deployment on fixed ports, and the engines with which it is changed."""

    directory: Path
    image: str
    gateway: Gateway
    ports: tuple[int, int]

    def engine(self, *, gated: bool, **limits: int) -> DockerEngine:
        gateway = dataclasses.replace(self.gateway, enabled=gated, **limits)
        return DockerEngine(
            DockerHost(self.directory, MODELS, Docker(image=self.image, restart="no"), gateway, project=PROJECT)
        )

    def stage(self, engine: DockerEngine) -> Deployment:
        launch = Launch(
            NAME, ENV, "127.0.0.1", *self.ports, (), (ServedModel("half_plus_two", (1,)),), "/models",
            Rendered({"model_config.config": ""}),
        )  # fmt: skip
        return engine.stage(launch)

    def deploy(self, engine: DockerEngine) -> None:
        promote(engine, self.stage(engine))

    def is_gated(self) -> bool:
        """Whether what serves is behind a gateway."""
        serving = self.engine(gated=True).observe(NAME, ENV)
        assert serving
        return bool(serving.slot)

    def who_answers(self) -> str:
        """The container behind the public port."""
        found: list[str] = []

        def asked() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/", timeout=5) as answer:
                    found.append(answer.read().decode())
            except OSError:
                return False
            return True

        eventually(asked, "the public port answers", 60)
        return found[0]


def on(engine: DockerEngine, **changes: Any) -> DockerEngine:
    """The same engine with other parts of its host."""
    return DockerEngine(dataclasses.replace(engine.host, **changes))


def promote(engine: DockerEngine, candidate: Deployment) -> None:
    engine.promote(candidate, 10.0, lambda _: None)


@pytest.fixture
def site(tmp_path, stub_image, gateway_image):
    for directory in (tmp_path, *list(tmp_path.parents)[:2]):
        directory.chmod(0o755)
    before = world()
    made = Site(
        tmp_path / "state", stub_image, Gateway(image=gateway_image, drain_seconds=3), (free_port(), free_port())
    )
    yield made
    made.engine(gated=True).remove(NAME, ENV)
    assert world() == before
    assert [path for path in made.directory.rglob("*") if path.is_file()] == []


def dies_at(number: int, act) -> bool:
    """Whether a child that does `act` was killed before its engine call of that number; False when it has fewer."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _die_at(number)
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), f"the child ended with {status}"
    return status == signal.SIGKILL


def _die_at(number: int) -> None:
    from docker.api.client import APIClient

    calls = 0

    def counted(method):
        def call(self, *arguments, **named):
            nonlocal calls
            calls += not str(arguments[0]).endswith("/update")  # a restart policy alone leaves nothing to mend
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(self, *arguments, **named)

        return call

    for name in ("_post", "_put", "_delete"):  # _post_json calls _post
        setattr(APIClient, name, counted(getattr(APIClient, name)))


CHANGES = {
    "in place of another": (False, False, False),
    "behind a gateway": (True, True, False),
    "with another gateway": (True, True, True),
    "behind a new gateway": (False, True, False),
    "without a gateway again": (True, False, False),
}
"""Whether there is a gateway before, and after, and whether it is another one."""
WAYS = {
    **{change: (change,) for change in list(CHANGES)[:3]},
    "behind a new gateway and without one again": tuple(CHANGES)[3:],
}
"""Where a killed promotion is accepted already, the next one starts: to and fro between a gateway and none."""


@pytest.mark.parametrize("way", WAYS)
def test_a_promotion_that_is_killed_leaves_one_server_that_answers(site, way):
    starts = {CHANGES[change][0]: CHANGES[change] for change in WAYS[way]}
    numbers, gated = dict.fromkeys(starts, 0), min(starts)
    site.deploy(site.engine(gated=gated))
    while starts:
        if gated in starts:
            numbers[gated] += 1
            if not is_killed(site, numbers[gated], *starts[gated]):
                del starts[gated]
            gated = site.is_gated()
        else:
            gated = not gated
            site.deploy(site.engine(gated=gated))
    assert all(3 < number < MOST_CALLS for number in numbers.values())


def is_killed(site, number, gated, then_gated, another, *, lost=False):
    """Whether a promotion has so many calls; killed at that one, it leaves one server to the next command."""
    assert number < MOST_CALLS
    if lost:
        shutil.rmtree(site.directory)
    limits = {"max_connections": 100 + number} if another else {}
    candidate = site.stage(site.engine(gated=then_gated, **limits))
    if not dies_at(number, partial(promote, site.engine(gated=then_gated, **limits), candidate)):
        assert site.who_answers()
        return False
    engine = site.engine(gated=gated)
    foreseen = engine.foresee(NAME, ENV)
    notes = engine.recover(NAME, ENV)
    serving = engine.observe(NAME, ENV)
    assert serving.running
    assert foreseen == serving
    assert [note for note in notes if f"server {serving.release} was left" in note or "candidate" in note] == []
    assert [site.who_answers()] == running(f"deployer.release={serving.release}")
    assert_nothing_else(serving, engine)
    assert engine.recover(NAME, ENV) == ()
    return True


GATED = [change for change, (gated, *_) in CHANGES.items() if gated]


@pytest.mark.parametrize("change", GATED)
def test_a_promotion_without_the_state_directory_leaves_one_server_that_answers(site, change):
    gated, then_gated, another = CHANGES[change]
    number = 1
    site.deploy(site.engine(gated=gated))
    while is_killed(site, number, gated, then_gated, another, lost=True):
        if site.is_gated() is not gated:
            site.deploy(site.engine(gated=gated))
        number += 1
    assert number > 3


@pytest.mark.parametrize("change", GATED)
def test_what_is_not_accepted_leaves_the_old_server_also_without_the_state_directory(site, change):
    gated, then_gated, another = CHANGES[change]
    limits = {"max_connections": 100} if another else {}
    site.deploy(site.engine(gated=gated))
    before = site.who_answers()
    shutil.rmtree(site.directory)
    other = site.engine(gated=then_gated, **limits)
    candidate = site.stage(other)

    def refuse(_: Deployment) -> None:
        raise VerificationFailed("not as it should be")

    with pytest.raises(VerificationFailed):
        other.promote(candidate, 10.0, refuse)
    other.recover(NAME, ENV)
    assert site.who_answers() == before
    assert other.recover(NAME, ENV) == ()


def test_a_pair_without_its_state_directory_is_the_deployment(site):
    engine = site.engine(gated=True)
    bare = world()
    for slot in ("a", "b"):
        site.deploy(engine)
        before, answers = engine.observe(NAME, ENV), site.who_answers()
        assert before.slot == slot
    shutil.rmtree(site.directory)
    assert engine.recover(NAME, ENV) == ()
    seen = engine.observe(NAME, ENV)
    assert (seen.release, seen.role, seen.slot, seen.endpoints) == (before.release, "serving", "b", before.endpoints)
    assert (seen.gateway.running, seen.gateway.lost, seen.config_lost) == (True, True, True)
    assert urllib.request.urlopen(f"{seen.client_route[0].rest}/", timeout=60).read().decode() == answers
    engine.gateways.replace(seen, lambda _: None)
    again = engine.observe(NAME, ENV)
    assert (again.release, again.gateway.lost, site.who_answers()) == (before.release, False, answers)
    shutil.rmtree(site.directory)
    engine.remove(NAME, ENV)
    assert world() == bare


@pytest.mark.parametrize("gated", [True, False])
def test_a_removal_that_is_killed_anywhere_is_ended_by_the_next(site, gated):
    bare = world()
    for number in range(1, MOST_CALLS):
        site.deploy(site.engine(gated=gated))
        if not dies_at(number, partial(site.engine(gated=gated).remove, NAME, ENV)):
            break
        engine = site.engine(gated=gated)
        engine.recover(NAME, ENV)
        engine.remove(NAME, ENV)
        assert world() == bare
        assert [path for path in site.directory.rglob("*") if path.is_file()] == []
    assert number > 3
    assert world() == bare


@pytest.mark.parametrize("gated", [True, False])
def test_a_gateway_that_does_not_start_is_reported_in_its_own_words_and_leaves_all_as_it_was(site, gated, tmp_path):
    (tmp_path / "haproxy.cfg.j2").write_text("global\n    no such thing\n")
    engine, broken = site.engine(gated=gated), site.engine(gated=True)
    site.deploy(engine)
    before = site.who_answers()
    with pytest.raises(EngineError) as refusal:
        site.deploy(on(broken, templates_dir=tmp_path))
    assert "did not start" in refusal.value.message
    assert any("unknown keyword" in line for line in refusal.value.log)
    broken.recover(NAME, ENV)
    assert site.who_answers() == before
    assert_nothing_else(engine.observe(NAME, ENV), engine)
    assert engine.recover(NAME, ENV) == ()


def test_two_working_copies_mean_one_gateway(site, tmp_path):
    engine = site.engine(gated=True)
    site.deploy(engine)
    other = on(engine, state_dir=tmp_path / "elsewhere")
    seen = [each.observe(NAME, ENV) for each in (engine, other)]
    assert seen[0] == seen[1]
    site.deploy(other)
    assert other.recover(NAME, ENV) == ()
    after = [each.observe(NAME, ENV) for each in (engine, other)]
    assert after[0] == after[1]
    assert (after[0].slot, after[0].endpoints) == ("b", seen[0].endpoints)
    assert not (tmp_path / "elsewhere" / "gateway").exists()


def assert_nothing_else(serving, engine) -> None:
    name = f"deployer-{PROJECT}.{ENV}-{NAME}"
    gateway = [f"{name}-gateway"] if serving.slot else []
    slots = "-slots" if serving.slot else ""
    there = labelled(f"deployer.project={PROJECT}")
    assert there == ([name, *gateway], [f"{name}{slots}"])
    releases = [path.name for path in engine.traits.state_dir.glob(f"docker/{ENV}@{PROJECT}/{NAME}/*")]
    assert releases == ([] if serving.config_lost else [serving.release])
    generations = list((engine.traits.state_dir / "gateway").glob("*/*/run/2*/a.cfg"))
    assert len(generations) == (0 if serving.gateway and serving.gateway.lost else len(gateway))


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_accepted_at_its_address_leaves_all_as_it_was(site, change):
    gated, then_gated, another = CHANGES[change]
    limits = {"max_connections": 100} if another else {}
    engine, other = site.engine(gated=gated), site.engine(gated=then_gated, **limits)
    site.deploy(engine)
    before, candidate = site.who_answers(), site.stage(other)
    met = []

    def refuse(promoted: Deployment) -> None:
        met.append((promoted.endpoints.rest, site.who_answers()))
        raise VerificationFailed("not as it should be")

    with pytest.raises(VerificationFailed):
        other.promote(candidate, 10.0, refuse)
    ((address, answered),) = met
    assert address == f"http://127.0.0.1:{site.ports[0]}"
    assert answered != before
    other.recover(NAME, ENV)
    assert site.who_answers() == before
    assert_nothing_else(engine.observe(NAME, ENV), engine)
    assert engine.recover(NAME, ENV) == ()


def test_a_server_that_two_remove_at_once_is_gone_for_both(site):
    engine = site.engine(gated=False)
    bare = world()
    candidate = site.stage(engine)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(engine.discard, [candidate] * 4))
    assert world() == bare
