"""What holds for every test: no setting leaks in from the caller's environment, and in CI nothing is skipped."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings
from support.scheduling import FilesTogether, take_turns
from support.world import only_servers_below
from xdist.remote import Producer

from deployer.export import child

settings.register_profile("house", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("house")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether:
    """Have one process run the tests of a file."""
    return FilesTogether(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests of a test process; without them, files come in the order of their names."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        take_turns(items)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DEPLOYER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")  # a Docker Engine on this machine is for tests/docker alone


@pytest.fixture(autouse=True)
def _no_servers_of_others(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What else this user runs on this machine is no test's: `down --all --all-projects` would end it."""
    only_servers_below(monkeypatch, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session", autouse=True)
def _one_child_for_all_exports() -> Iterator[None]:
    """Commands that run in this process share the process that loads models: TensorFlow is imported once there."""
    with child.shared_child():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure: what was not run was not proven."""
    report = yield
    if report.skipped and _in_ci():
        report.outcome = "failed"
        report.longrepr = _no_skips(item, report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    if report.skipped and _in_ci():
        report.outcome = "failed"
        report.longrepr = _no_skips(collector, report.longrepr)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What could not be run is said, loudly."""
    ignored = terminalreporter.config.getoption("ignore") or ()
    if not os.environ.get("DEPLOYER_TEST_IMAGE") and "tests/docker" not in ignored:
        terminalreporter.section("left out: tests/docker and the Docker row of tests/contract/engines", yellow=True)
        terminalreporter.line("DEPLOYER_TEST_IMAGE names no image; `make test` makes one on Debian, as root")


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


def _no_skips(node: pytest.Collector | pytest.Item, reason: object) -> str:
    return f"{node.nodeid} was skipped, and in CI a skipped test counts as failed: {reason}"
