"""A gRPC server refuses calls beyond its threads, in TensorFlow Serving's words, instead of keeping them waiting."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from support.world import eventually, free_port

from deployer.server.grpc.limit import OwnThreadsHandler
from deployer.server.listeners import Address, GrpcOptions, grpc_server

SERVICE = "slow.Server"
SECONDS = 30.0
REFUSED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")


class Slow:
    """Calls that wait until they are released, and those that an unlimited service answers."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.entered = 0

    def wait(self, request: bytes, _context: Any) -> bytes:
        self.entered += 1
        self.released.wait(SECONDS)
        return request

    @property
    def handlers(self) -> list[Any]:
        return [grpc.method_handlers_generic_handler(SERVICE, {"Wait": grpc.unary_unary_rpc_method_handler(self.wait)})]


def ask(channel: grpc.Channel, method: str = f"{SERVICE}/Wait", request: bytes = b"answer") -> Any:
    """The answer, or the code and the text of the refusal."""
    try:
        return channel.unary_unary(f"/{method}")(request, timeout=SECONDS)
    except grpc.RpcError as error:
        return error.code(), error.details()


@contextlib.contextmanager
def running(slow: Slow, rules: GrpcOptions) -> Iterator[grpc.Channel]:
    port = free_port()
    server = grpc_server(slow.handlers, Address("127.0.0.1", port, 0), rules)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            yield channel
        finally:
            slow.released.set()
            server.stop(None).wait(SECONDS)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_calls_beyond_the_threads_are_refused_and_those_before_are_answered(threads: int) -> None:
    slow = Slow()
    with running(slow, GrpcOptions(threads)) as channel, ThreadPoolExecutor(threads) as clients:
        taken = [clients.submit(ask, channel) for _ in range(threads - 1)]
        eventually(lambda: slow.entered == threads - 1, "every thread but the one that polls has a call", SECONDS)
        assert [ask(channel) for _ in range(5)] == [REFUSED] * 5
        assert not any(each.done() for each in taken)
        slow.released.set()
        assert [each.result(SECONDS) for each in taken] == [b"answer"] * (threads - 1)
        eventually(lambda: ask(channel) == b"answer", "there is room again", SECONDS)


def test_one_thread_polls_and_answers_nothing() -> None:
    slow = Slow()
    slow.released.set()
    with running(slow, GrpcOptions(1)) as channel:
        assert ask(channel) == REFUSED
    assert slow.entered == 0


def test_a_large_request_is_refused_like_a_small_one() -> None:
    with running(Slow(), GrpcOptions(1)) as channel:
        assert ask(channel, request=bytes(8 << 20)) == REFUSED


def test_a_client_that_has_gone_leaves_its_thread_when_its_call_has_ended() -> None:
    slow = Slow()
    with running(slow, GrpcOptions(2)) as channel:
        gone = channel.unary_unary(f"/{SERVICE}/Wait").future(b"answer", timeout=SECONDS)
        eventually(lambda: slow.entered == 1, "the call is under way", SECONDS)
        gone.cancel()
        assert ask(channel) == REFUSED
        slow.released.set()
        eventually(lambda: ask(channel) == b"answer", "there is room again", SECONDS)


def test_a_service_beside_the_limit_answers_while_all_threads_are_taken() -> None:
    answer = OwnThreadsHandler(lambda request, _context: request, ThreadPoolExecutor(1))
    aside = grpc.method_handlers_generic_handler("aside", {"Ask": grpc.unary_unary_rpc_method_handler(answer)})
    slow = Slow()
    with (
        running(slow, GrpcOptions(2, extra_handlers=(aside,))) as channel,
        ThreadPoolExecutor(1) as clients,
    ):
        taken = clients.submit(ask, channel)
        eventually(lambda: slow.entered == 1, "the call is under way", SECONDS)
        assert ask(channel, "aside/Ask") == b"answer"
        assert ask(channel, "unknown/Ask")[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        slow.released.set()
        assert taken.result(SECONDS) == b"answer"
        eventually(lambda: ask(channel, "unknown/Ask")[0] is grpc.StatusCode.UNIMPLEMENTED, "room again", SECONDS)
