"""SIGTERM under load: requests under way are answered, and what comes later goes to the server that shares the port."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

from contract.server.server_process import HOST, MODELS, serving, until

HALF = ("--model_name=m", f"--model_base_path={MODELS / 'half_plus_two'}", "--reuse_port=true")
BODY = json.dumps({"instances": [0.0]})


def asked(connection: http.client.HTTPConnection) -> str:
    connection.request("POST", "/v1/models/m/versions/3:predict", body=BODY)
    answer = connection.getresponse()
    return f"{answer.status} {json.loads(answer.read())['predictions']}"


class Clients:
    """Threads that ask again and again: some with a new connection each time, some on one as long as it is kept."""

    def __init__(self, port: int) -> None:
        self.answers: Counter[str] = Counter()
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(keeps,)) for keeps in (False, False, True, True)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, keeps: bool) -> None:
        while not self._over.is_set():
            with closing(http.client.HTTPConnection(HOST, self._port, timeout=60)) as connection:
                self._count(connection)
                while keeps and connection.sock and not self._over.is_set():
                    self._count(connection)

    def _count(self, connection: http.client.HTTPConnection) -> None:
        try:
            self.answers[asked(connection)] += 1
        except (OSError, http.client.HTTPException) as error:
            self.answers[repr(error)] += 1


def settled(clients: Clients, more: int) -> None:
    goal = clients.answers.total() + more
    until(lambda: clients.answers.total() >= goal)


def test_a_server_that_stops_loses_no_request_to_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with serving(tmp_path / "old", *HALF) as old:
        old.wait_ready()
        with serving(tmp_path / "new", *HALF, rest_port=old.rest_port) as new, Clients(old.rest_port) as clients:
            new.wait_ready()
            settled(clients, 500)
            old.child.send_signal(signal.SIGTERM)
            assert old.wait_for_exit() == 0
            settled(clients, 500)
        assert set(clients.answers) == {"200 [0.0]"}


def test_a_server_alone_answers_what_is_under_way_and_refuses_the_rest(tmp_path: Path) -> None:
    with serving(tmp_path, *HALF) as server, Clients(server.rest_port) as clients:
        server.wait_ready()
        until(lambda: clients.answers["200 [0.0]"] > 200)
        clients.answers.clear()
        server.child.send_signal(signal.SIGTERM)
        assert server.wait_for_exit() == 0
        until(lambda: any("refused" in answer for answer in clients.answers))
        assert {answer.partition("(")[0] for answer in clients.answers} == {"200 [0.0]", "ConnectionRefusedError"}
