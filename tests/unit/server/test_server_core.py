"""Loading, unloading, labels and reloads, with a loader that the test holds in its hand. No TensorFlow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from deployer.server.core import Core
from deployer.server.manager import LoadSettings
from deployer.server.policy import State
from deployer.server.status import Code, ServingError

PATIENCE = 60.0


class Version:
    """A loaded version that remembers whether it was closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


class Loader:
    """Loads at once, unless the version is broken or held back."""

    def __init__(self) -> None:
        self.broken: set[int] = set()
        self.held: dict[int, threading.Event] = {}
        self.loaded: dict[int, Version] = {}
        self.tries: list[int] = []

    def __call__(self, _name: str, path: str) -> Version:
        version = int(Path(path).name)
        self.tries.append(version)
        if version in self.held:
            assert self.held[version].wait(PATIENCE)
        if version in self.broken:
            raise ServingError(Code.DATA_LOSS, f"Can't parse {path}/saved_model.pb as binary proto")
        self.loaded[version] = Version(version)
        return self.loaded[version]


class CoreFixture:
    """A core over a directory of empty versions."""

    def __init__(self, directory: Path, retries: int = 0, labels_for_unavailable: bool = False) -> None:
        self.directory = directory
        self.loader = Loader()
        rules = LoadSettings(retries=retries, retry_seconds=0.01)
        self.core: Core[Version] = Core(self.loader, rules, 0.02, labels_for_unavailable)

    def add(self, version: int, model: str = "m") -> None:
        (self.directory / model / str(version)).mkdir(parents=True)

    def remove(self, version: int, model: str = "m") -> None:
        (self.directory / model / str(version)).rmdir()

    def config(self, rest: str = "", model: str = "m") -> object:
        text = f'name: "{model}" base_path: "{self.directory / model}" model_platform: "tensorflow" {rest}'
        return self.message(f"config {{ {text} }}")

    def message(self, text: str) -> object:
        message = model_server_config_pb2.ModelServerConfig()
        return text_format.Parse(f"model_config_list {{ {text} }}", message)

    def states(self, model: str = "m") -> dict[int, State]:
        return {state.version: state.state for state in self.core.status(model)}

    def latest(self) -> int:
        with self.core.servable_handle("m") as (version, _):
            return version


@pytest.fixture
def fixture(tmp_path: Path) -> Iterator[CoreFixture]:
    made = CoreFixture(tmp_path)
    yield made
    made.core.stop()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)


def specific(*versions: int) -> str:
    return f"model_version_policy {{ specific {{ {' '.join(f'versions: {v}' for v in versions)} }} }}"


def test_start_returns_when_every_model_serves(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.add(2)
    fixture.core.start(fixture.config("model_version_policy { all {} }"))
    until(lambda: fixture.states() == {1: State.AVAILABLE, 2: State.AVAILABLE})
    assert fixture.latest() == 2


def test_a_version_that_appears_is_served_and_the_old_one_leaves(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    fixture.add(2)
    until(lambda: fixture.states() == {2: State.AVAILABLE, 1: State.END})
    assert fixture.loader.loaded[1].closed.is_set()


def test_a_version_that_fails_leaves_the_old_one_in_service(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    fixture.loader.broken.add(2)
    fixture.add(2)
    until(lambda: fixture.states().get(2) is State.END)
    assert fixture.states()[1] is State.AVAILABLE
    assert fixture.latest() == 1
    error = fixture.core.status("m")[0].error
    assert error is not None
    assert error.code is Code.DATA_LOSS


def test_start_fails_with_the_loaders_words(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.loader.broken.add(1)
    with pytest.raises(ServingError) as caught:
        fixture.core.start(fixture.config())
    assert str(caught.value) == (
        "UNKNOWN: 1 servable(s) did not become available: {{{name: m version: 1} due to error: DATA_LOSS: "
        f"Can't parse {fixture.directory}/m/1/saved_model.pb as binary proto}}, }}"
    )


def test_a_load_is_tried_again_as_often_as_the_flag_says(tmp_path: Path) -> None:
    fixture = CoreFixture(tmp_path, retries=3)
    fixture.add(1)
    fixture.loader.broken.add(1)
    with pytest.raises(ServingError):
        fixture.core.start(fixture.config())
    fixture.core.stop()
    assert fixture.loader.tries == [1, 1, 1, 1]


def test_a_request_in_flight_keeps_its_version_alive(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    with fixture.core.servable_handle("m") as (_, version):
        fixture.add(2)
        until(lambda: fixture.states() == {2: State.AVAILABLE, 1: State.UNLOADING})
        assert fixture.latest() == 2
        assert not version.closed.is_set()
    until(version.closed.is_set)
    until(lambda: fixture.states()[1] is State.END)


def test_with_two_configured_the_oldest_leaves_before_the_new_one_loads(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.add(2)
    fixture.core.start(fixture.config("model_version_policy { latest { num_versions: 2 } }"))
    until(lambda: fixture.states() == {1: State.AVAILABLE, 2: State.AVAILABLE})
    fixture.loader.held[3] = threading.Event()
    with fixture.core.servable_handle("m", 1):
        fixture.add(3)
        until(lambda: fixture.states() == {3: State.START, 2: State.AVAILABLE, 1: State.UNLOADING})
    until(lambda: fixture.states() == {3: State.LOADING, 2: State.AVAILABLE, 1: State.END})
    fixture.loader.held[3].set()
    until(lambda: fixture.states() == {3: State.AVAILABLE, 2: State.AVAILABLE, 1: State.END})


def test_a_deleted_version_gives_way_to_the_one_before_it(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.add(2)
    fixture.core.start(fixture.config())
    fixture.loader.held[1] = threading.Event()
    fixture.remove(2)
    until(lambda: fixture.states() == {1: State.LOADING, 2: State.AVAILABLE})
    fixture.loader.held[1].set()
    until(lambda: fixture.states() == {1: State.AVAILABLE, 2: State.END})
    fixture.remove(1)
    until(lambda: fixture.states() == {1: State.END, 2: State.END})


def test_a_failed_version_is_tried_again_only_when_it_has_left_and_come_back(fixture: CoreFixture) -> None:
    every = "model_version_policy { all {} }"
    fixture.add(1)
    fixture.core.start(fixture.config(every))
    fixture.loader.broken.add(2)
    fixture.add(2)
    until(lambda: fixture.states().get(2) is State.END)
    fixture.loader.broken.clear()
    fixture.add(3)
    until(lambda: fixture.states().get(3) is State.AVAILABLE)
    assert fixture.loader.tries == [1, 2, 3]
    fixture.remove(2)
    fixture.add(4)
    until(lambda: fixture.states().get(4) is State.AVAILABLE)
    fixture.add(2)
    until(lambda: fixture.states() == dict.fromkeys((1, 2, 3, 4), State.AVAILABLE))


def test_under_latest_a_failed_version_is_tried_again_when_its_directory_has_left_and_come_back(
    fixture: CoreFixture,
) -> None:
    """The version that serves in its place is wanted meanwhile, and never leaves."""
    fixture.add(1)
    fixture.core.start(fixture.config())
    first = fixture.loader.loaded[1]
    fixture.loader.broken.add(2)
    fixture.add(2)
    until(lambda: fixture.states().get(2) is State.END)
    fixture.loader.broken.clear()
    fixture.remove(2)
    fixture.core._source.poll()
    until(lambda: not fixture.core._manager._pending)
    fixture.add(2)
    until(lambda: fixture.states() == {1: State.END, 2: State.AVAILABLE})
    assert fixture.loader.tries == [1, 2, 2]
    assert first.closed.is_set()
    assert fixture.latest() == 2


def _entry(fixture: CoreFixture, model: str) -> str:
    return f'config {{ name: "{model}" base_path: "{fixture.directory / model}" model_platform: "tensorflow" }} '


def _both(fixture: CoreFixture) -> str:
    return _entry(fixture, "m") + _entry(fixture, "other")


def test_a_base_path_that_disappears_unloads_nothing_and_holds_back_the_others(
    fixture: CoreFixture, caplog: pytest.LogCaptureFixture
) -> None:
    fixture.add(1)
    fixture.add(1, "other")
    fixture.core.start(fixture.message(_both(fixture)))
    (fixture.directory / "m").rename(fixture.directory / "away")
    until(lambda: any("filesystem access error: Could not find base path" in text for text in caplog.messages))
    fixture.add(2, "other")
    seen = len(caplog.messages)
    until(lambda: len(caplog.messages) > seen + 2)
    assert (fixture.states(), fixture.states("other")) == ({1: State.AVAILABLE}, {1: State.AVAILABLE})
    (fixture.directory / "away").rename(fixture.directory / "m")
    until(lambda: fixture.states("other") == {2: State.AVAILABLE, 1: State.END})


def test_another_base_path_leaves_what_is_loaded_as_it_is(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    fixture.add(1, "elsewhere")
    fixture.add(2, "elsewhere")
    moved = f'name: "m" base_path: "{fixture.directory / "elsewhere"}" model_platform: "tensorflow"'
    first = fixture.loader.loaded[1]
    fixture.core.reload(fixture.message(f"config {{ {moved} model_version_policy {{ all {{}} }} }}"))
    until(lambda: fixture.states() == {1: State.AVAILABLE, 2: State.AVAILABLE})
    assert fixture.loader.loaded[1] is first


def test_a_version_may_come_back(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.add(2)
    fixture.core.start(fixture.config(specific(1)))
    for wanted in (2, 1, 2):
        fixture.core.reload(fixture.config(specific(wanted)))
        until(lambda wanted=wanted: fixture.states() == {wanted: State.AVAILABLE, 3 - wanted: State.END})


def test_a_reload_to_a_version_that_is_not_there_unloads_everything(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    fixture.core.reload(fixture.config(specific(9)))
    until(lambda: fixture.states() == {1: State.END})
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"):
        fixture.latest()


def test_a_model_that_leaves_the_config_is_unloaded(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    fixture.add(1, "other")
    fixture.core.reload(fixture.config(model="other"))
    until(lambda: fixture.states() == {1: State.END})
    assert fixture.states("other") == {1: State.AVAILABLE}


def test_a_reload_with_a_broken_model_keeps_its_other_changes(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.add(7, "bad")
    fixture.add(8, "good")
    fixture.core.start(fixture.config())
    fixture.loader.broken.add(7)
    both = "".join(
        f'config {{ name: "{name}" base_path: "{fixture.directory / name}" model_platform: "tensorflow" }}'
        for name in ("bad", "good")
    )
    with pytest.raises(ServingError, match=r"1 model\(s\) did not become available: {{{name: bad version: 7} due to"):
        fixture.core.reload(fixture.message(both))
    assert fixture.states("good") == {8: State.AVAILABLE}
    assert fixture.states("bad") == {7: State.END}


def test_a_reload_waits_for_a_base_path_and_is_carried_out_when_it_comes(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    reload = threading.Thread(target=fixture.core.reload, args=(fixture.config(model="late"),))
    reload.start()
    reload.join(0.05)
    assert reload.is_alive()
    fixture.add(1, "late")
    reload.join(PATIENCE)
    assert fixture.states("late") == {1: State.AVAILABLE}


def test_a_label_in_the_first_config_is_refused_without_the_flag(fixture: CoreFixture) -> None:
    fixture.add(3)
    with pytest.raises(ServingError) as caught:
        fixture.core.start(fixture.config('version_labels { key: "stable" value: 3 }'))
    assert str(caught.value) == (
        "FAILED_PRECONDITION: Request to assign label to version 3 of model m, "
        "which is not currently available for inference"
    )


def test_a_label_moves_only_to_a_version_that_serves(tmp_path: Path) -> None:
    fixture = CoreFixture(tmp_path, labels_for_unavailable=True)
    fixture.add(1)
    fixture.add(2)
    stable = 'version_labels { key: "stable" value: %d } '
    fixture.core.start(fixture.config(stable % 1 + specific(1)))
    fixture.core.reload(fixture.config(stable % 1 + 'version_labels { key: "next" value: 2 }' + specific(1)))
    with pytest.raises(ServingError, match=r"NOT_FOUND: Servable not found for request: Specific\(m, 2\)"):
        fixture.core.servable_handle("m", label="next")
    with pytest.raises(ServingError, match="assign label to version 2"):
        fixture.core.reload(fixture.config(stable % 2 + specific(1, 2)))
    fixture.core.reload(fixture.config(stable % 1 + specific(1, 2)))
    until(lambda: fixture.states() == {1: State.AVAILABLE, 2: State.AVAILABLE})
    fixture.core.reload(fixture.config(stable % 2 + specific(1, 2)))
    with fixture.core.servable_handle("m", label="stable") as (version, _):
        assert version == 2
    fixture.core.stop()


@pytest.mark.parametrize(
    ("version", "label", "said"),
    [
        (9, None, "NOT_FOUND: Servable not found for request: Specific(m, 9)"),
        (None, "nope", "INVALID_ARGUMENT: Unrecognized servable version label: nope"),
    ],
)
def test_what_is_not_served_is_said(fixture: CoreFixture, version: int | None, label: str | None, said: str) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    with pytest.raises(ServingError) as caught, fixture.core.servable_handle("m", version, label):
        pass
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('config { name: "m" base_path: "/a" } config { name: "m" base_path: "/a" }', "list model m multiple times"),
        ('config { name: "m" base_path: "a" model_platform: "tensorflow" }', "absolute path or URI; got base_path()=a"),
        ('config { name: "m" base_path: "/a" }', "neither ModelServerConfig::model_type (deprecated) nor"),
        ('config { name: "m" base_path: "/a" model_platform: "x" }', "Model m requests unsupported platform x"),
        (
            'config { name: "m" base_path: "/a" model_platform: "tensorflow" model_type: TENSORFLOW }',
            "both ModelServerConfig::model_type (deprecated) and",
        ),
    ],
)
def test_configs_are_checked_with_the_texts_of_the_original(fixture: CoreFixture, text: str, said: str) -> None:
    with pytest.raises(ServingError) as caught:
        fixture.core.start(fixture.message(text))
    assert said in caught.value.message


def test_a_model_keeps_its_platform(fixture: CoreFixture) -> None:
    fixture.add(1)
    fixture.core.start(fixture.config())
    changed = fixture.message(f'config {{ name: "m" base_path: "{fixture.directory}/m" model_platform: "x" }}')
    with pytest.raises(
        ServingError, match=r"Illegal to change a model's platform\. For model m platform was tensorflow"
    ):
        fixture.core.reload(changed)
    assert fixture.latest() == 1
