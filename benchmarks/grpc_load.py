"""Asks a Predict again and again on so many gRPC channels: `python grpc_load.py PORT CONNECTIONS SECONDS ROWS`.

Prints calls a second and the 99th percentile in milliseconds; the client is Python's own, as most users have it.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import grpc
import numpy as np

from deployer.savedmodel.messages import message_class

METHOD = "/tensorflow.serving.PredictionService/Predict"
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


def request(rows: list[object]) -> bytes:
    """A Predict of model `m` with these rows of float."""
    message = message_class("tensorflow.serving.PredictRequest")()
    message.model_spec.name = "m"
    array = np.array(rows, np.float32)
    tensor = message.inputs["x"]
    tensor.dtype = 1
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = array.tobytes()
    return bytes(message.SerializeToString())


def main(port: int, connections: int, seconds: float, rows: list[object]) -> None:
    """Ask, and print what was seen."""
    asked, over = request(rows), threading.Event()
    took: list[list[float]] = [[] for _ in range(connections)]

    def ask(mine: list[float]) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}", OWN_CONNECTION) as channel:
            call = channel.unary_unary(METHOD)
            while not over.is_set():
                began = time.perf_counter()
                call(asked, timeout=60)
                mine.append(time.perf_counter() - began)

    clients = [threading.Thread(target=ask, args=(mine,)) for mine in took]
    for client in clients:
        client.start()
    time.sleep(seconds)
    over.set()
    for client in clients:
        client.join()
    every = sorted(value for mine in took for value in mine)
    print(len(every) / seconds, every[len(every) * 99 // 100] * 1000)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), json.loads(sys.argv[4]))
