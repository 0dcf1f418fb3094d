"""A server that refuses requests for load is asked again, and a refusal is no wrong answer."""

from __future__ import annotations

import grpc
from support.fake_model import Outputs, Served, signature
from support.proving import ALL, CASE, GRPC, REST, another_model, failed

from deployer.client.client import Client
from deployer.client.overload import THREADS_EXHAUSTED
from deployer.results.model import GoldenSummary
from deployer.verification import smoke
from deployer.verification.golden import Tolerance


class Busy(Served):
    """Refuses the first of each kind of request, so often as it is told to, and then answers."""

    def refuse(self, rest: int = 0, over_grpc: int = 0) -> Busy:
        self.left = {"rest": rest, "grpc": over_grpc}
        return self

    def rest(self, asked):
        if asked.method == "POST" and self._refuses("rest"):
            return 503, b'{"error": "the batching queue is full"}'
        return super().rest(asked)

    def call(self, method, message, context):
        if self._refuses("grpc"):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, THREADS_EXHAUSTED)
        return super().call(method, message, context)

    def _refuses(self, api):
        self.left[api] -= 1
        return self.left[api] >= 0


def test_what_is_refused_for_load_is_asked_again_and_counted(world):
    report = world.proof(Busy().refuse(rest=2, over_grpc=3))
    assert failed(report) == []
    assert {check.name: check.retried for check in report.checks if check.retried} == {REST[0]: 2, GRPC[0]: 3}
    details = {check.name: check.detail for check in report.checks}
    assert details[GRPC[0]].endswith("max diff 0 (tolerance 0.0001); 3 retried: server at its thread limit")
    assert "retried" not in details[GRPC[1]]


def test_a_wrong_answer_behind_a_refusal_is_wrong_and_asked_once(world):
    answers = []

    def wrong(inputs: Outputs) -> Outputs:
        answers.append(inputs)
        return another_model(inputs)

    report = world.proof(Busy(over_grpc=wrong).refuse(over_grpc=1))
    assert failed(report) == GRPC
    assert not report.overloaded
    assert len(answers) == 1 + 4 + 1


def test_a_server_that_refuses_to_the_end_is_overloaded_and_asked_no_more_over_that_api(world):
    hasty = Client(world.client.endpoints, 5.0, retry_seconds=0.1)
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    busy = Busy().refuse(over_grpc=1_000_000)
    world.server.rest, world.server.call = busy.rest, busy.call
    report = smoke.verify(hasty, [model], Tolerance())
    hasty.close()
    assert [check.name for check in report.checks] == [*ALL[: ALL.index(GRPC[0])], GRPC[0]]
    assert failed(report) == [GRPC[0]]
    assert report.overloaded
    assert report.failed[0].overloaded
    assert report.failed[0].retried > 1
    assert "refused for load" in report.failed[0].detail


def test_a_pace_is_measured_without_what_was_refused(world):
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    busy = Busy().refuse(rest=3)
    world.server.rest, world.server.call = busy.rest, busy.call
    check = smoke.compare_latency((world.client, model), (world.client, model), 1000.0)
    assert check.ok
    assert check.retried == 3
    assert f"of {smoke.LATENCY_ROUNDS} rounds left out" in check.detail
