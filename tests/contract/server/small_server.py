"""The server's ports without a model behind them: `small_server.py NAME PORT REST_PORT` answers with its name.

It starts ten times as fast as a whole server, so that a test can have many of them.
"""

from __future__ import annotations

import os
import signal
import sys

import grpc

from deployer.server import log
from deployer.server.http.message import Reply, Request
from deployer.server.http.reader import Limits
from deployer.server.http.server import HttpServer
from deployer.server.listeners import Address, GrpcOptions, Listeners

METHOD = "/small.Server/Name"


def main(name: bytes, port: int, rest_port: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    log.set_up()

    def reply(_: Request) -> Reply:
        return Reply(200, name)

    _, service, method = METHOD.split("/")
    handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: name)
    handlers = [grpc.method_handlers_generic_handler(service, {method: handler})]
    listeners = Listeners(handlers, HttpServer(reply, Limits()), GrpcOptions(threads=8), drain_seconds=10)
    listeners.open_private(Address("127.0.0.1", port, rest_port), reuse_port=True)
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM])
    listeners.close()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1].encode(), int(sys.argv[2]), int(sys.argv[3]))
