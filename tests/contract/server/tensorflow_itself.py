"""TensorFlow as the judge: a child that runs signatures of SavedModels in a Session of its own, asked over a pipe.

The child has the whole of TensorFlow; the process of the tests has not.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np


class TensorFlowItself:
    """The child; arrays by input name go in, arrays by output name come back."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def signatures(self, path: Path) -> dict[str, dict[str, tuple[Any, list[int | None] | None]]]:
        """The inputs of every signature: dtype and shape, where None is any size, or any rank."""
        return self._ask(("signatures", str(path)))

    def run(self, path: Path, signature: str, inputs: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The outputs, and the inputs as TensorFlow writes them into serialized TensorProtos; raises RuntimeError."""
        return self._ask(("run", str(path), signature, inputs))

    def stop(self) -> None:
        self._child.kill()
        self._child.wait(60)

    def _ask(self, question: tuple[Any, ...]) -> Any:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        pickle.dump(question, self._child.stdin)
        self._child.stdin.flush()
        answer = pickle.load(self._child.stdout)
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


class Judge:
    """What happens in the child."""

    def __init__(self) -> None:
        import tensorflow as tf

        self._tf = tf
        self._loaded: dict[str, tuple[Any, Any]] = {}

    def signatures(self, path: str) -> Any:
        _, signatures = self._load(path)
        return {
            name: {alias: (self._dtype(info), self._shape(info)) for alias, info in signature.inputs.items()}
            for name, signature in signatures.items()
            if signature.inputs
        }

    def run(self, path: str, signature: str, inputs: dict[str, np.ndarray]) -> Any:
        session, signatures = self._load(path)
        fetches = {alias: info.name for alias, info in signatures[signature].outputs.items()}
        feeds = {signatures[signature].inputs[alias].name: array for alias, array in inputs.items()}
        try:
            outputs = session.run(fetches, feeds)
        except self._tf.errors.OpError as error:
            return str(error.message)
        return outputs, {
            alias: self._tf.make_tensor_proto(array).SerializeToString() for alias, array in inputs.items()
        }

    def _load(self, path: str) -> tuple[Any, Any]:
        if path not in self._loaded:
            v1 = self._tf.compat.v1
            session = v1.Session(graph=v1.Graph())
            with session.graph.as_default():
                loaded = v1.saved_model.loader.load(session, ["serve"], path)
            self._loaded[path] = (session, loaded.signature_def)
        return self._loaded[path]

    def _dtype(self, info: Any) -> np.dtype:
        return np.dtype(self._tf.as_dtype(info.dtype).as_numpy_dtype)

    def _shape(self, info: Any) -> list[int | None] | None:
        return self._tf.TensorShape(info.tensor_shape).as_list() if not info.tensor_shape.unknown_rank else None


def answer_all(questions: IO[bytes], answers: IO[bytes]) -> None:
    judge = Judge()
    while True:
        what, *details = pickle.load(questions)
        pickle.dump(getattr(judge, what)(*details), answers)
        answers.flush()


if __name__ == "__main__":
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
