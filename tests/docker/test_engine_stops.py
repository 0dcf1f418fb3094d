"""The engine goes away in the middle of `up`: a clear error, and the next `up` works.

Its image is a small one that becomes ready when a test wants it: to bring a whole server over takes half a minute.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import ANY_PORTS
from support.own_engine import OwnEngine, can_be_had, ended, own_engine
from support.quick_server import ANSWERS, quick_server
from support.stores import copy_store
from support.world import eventually

ENGINE_FAILED = 6
MOST_NETWORKS = 100
LABEL = "label=deployer.name=half_plus_two"


@pytest.fixture(scope="module")
def waiting_image(gateway_image: str) -> str:
    return quick_server(gateway_image, waits=True)


@pytest.fixture(scope="module")
def engine(waiting_image: str) -> Iterator[OwnEngine]:
    if not can_be_had():
        pytest.skip("an engine of one's own takes root and dockerd")
    directory = Path(tempfile.mkdtemp(prefix="deployer-engine-"))  # a socket's path must be short
    with own_engine(directory) as made:
        made.load(waiting_image)
        yield made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, store: Path, waiting_image: str) -> Path:
    made = tmp_path_factory.mktemp("project")
    for directory in (made, *list(made.parents)[:2]):
        directory.chmod(0o755)
    copy_store(store, made)
    (made / "deployer.toml").write_text(
        f'engine = "docker"\n[docker]\nimage = "{waiting_image}"\n[gate]\nskip = true\n'
    )
    return made


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_engine_ends_in_the_middle_of_up_and_the_next_one_works(
    engine: OwnEngine, project: Path, how: signal.Signals
) -> None:
    answers = project / "models" / ANSWERS
    answers.unlink(missing_ok=True)
    reloading_to = engine.launch("up", "half_plus_two", *ANY_PORTS, cwd=project)
    eventually(lambda: engine.docker("ps", "-q", "--filter", LABEL) != "", "the candidate's container runs", 60)
    engine.end(how)
    failed = ended(reloading_to)
    assert failed.code == ENGINE_FAILED, failed.err
    assert "Docker Engine" in failed.err
    assert "hint:" in failed.err
    assert "Traceback" not in failed.err

    answers.touch()
    engine.start()
    mended = engine.deployer("up", "half_plus_two", *ANY_PORTS, "--json", cwd=project)
    assert mended.code == 0, mended.err
    assert mended.json["report"]["ok"]
    assert len(engine.docker("ps", "-aq", "--filter", LABEL).split()) == 1

    assert engine.deployer("down", "half_plus_two", cwd=project).code == 0
    assert engine.docker("ps", "-aq", "--filter", LABEL) == ""
    assert engine.docker("network", "ls", "-q", "--filter", LABEL) == ""


def test_behind_a_gateway_the_engine_ends_and_all_comes_back_where_it_was(
    engine: OwnEngine, project: Path, waiting_image: str, gateway_image: str
) -> None:
    engine.load(gateway_image)
    (project / "models" / ANSWERS).touch()
    (project / "behind.toml").write_text(
        f'engine = "docker"\nmodels_dir = "models"\n[docker]\nimage = "{waiting_image}"\n[gate]\nskip = true\n'
        f'[gateway]\nenabled = true\nimage = "{gateway_image}"\n[models.half_plus_two]\nversions = [1]\n'
    )
    behind = ("--config", "behind.toml", "--json")
    first = engine.deployer("up", *behind, cwd=project)
    assert first.code == 0, first.err
    engine.end(signal.SIGTERM)
    engine.start()

    def healthy() -> bool:
        found = engine.deployer("status", *behind, cwd=project).json["deployments"]
        return [each["healthy"] for each in found] == [True]

    eventually(healthy, "the gateway and its server are back", 60)
    again = engine.deployer("up", *behind, cwd=project)
    assert (again.json["plan"]["change"], again.json["endpoints"]) == ("nothing", first.json["endpoints"])
    assert engine.deployer("down", *behind, cwd=project).code == 0


@pytest.fixture
def without_addresses(engine: OwnEngine) -> Iterator[None]:
    """The engine has as many networks as its address pools hold."""
    made: list[str] = []
    with contextlib.suppress(AssertionError):
        while len(made) < MOST_NETWORKS:
            made.append(engine.docker("network", "create", f"full-{len(made)}"))
    assert 0 < len(made) < MOST_NETWORKS
    yield
    engine.docker("network", "rm", *made)


@pytest.mark.usefixtures("without_addresses")
def test_an_engine_without_addresses_for_a_network_says_how_to_get_more(engine: OwnEngine, project: Path) -> None:
    failed = engine.deployer("up", "half_plus_two", *ANY_PORTS, "--json", cwd=project)
    assert failed.code == ENGINE_FAILED, failed.err
    assert "default-address-pools" in failed.json["error"]["hint"]
    assert engine.docker("ps", "-aq", "--filter", LABEL) == ""
