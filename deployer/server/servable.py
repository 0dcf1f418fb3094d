"""A SavedModel in a classic Session, as TensorFlow Serving runs it. Each version has its own.

Sources: `tensorflow/cc/saved_model/loader.cc`, `servables/tensorflow/saved_model_bundle_factory.cc`.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from google.protobuf.message import Message

from deployer.server.dtypes import Array, DType, by_number
from deployer.server.latency import LatencyTracker
from deployer.server.log import LOG
from deployer.server.runtime import Graph, OpError, SavedModelLoader, Session, config_pb2
from deployer.server.status import Code, ServingError, not_found
from deployer.server.tensors import TensorError, to_array

_CALLER_THREAD = -1
_REWRITE_ON = 1
_MAX_CALLABLES = 64
_MAX_TIMEOUT_SECONDS = 86400.0
_UNBOUNDED_OPS = frozenset(
    ("While", "StatelessWhile", "NextIteration", "RefNextIteration", "For", "IteratorGetNext", "Unstage", "MapUnstage")
)


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input or output of a signature: tensor name in the graph and dtype."""

    tensor: str
    dtype: DType


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature; `defaults` are the values of inputs that a request may omit."""

    name: str
    method: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    defaults: Mapping[str, Array]
    proto: Message

    @functools.cached_property
    def input_dtypes(self) -> dict[str, DType]:
        """The dtype of every input by name."""
        return {alias: info.dtype for alias, info in self.inputs.items()}

    @staticmethod
    def from_proto(name: str, proto: Message) -> Signature:
        """Return the signature of a SignatureDef. Raises TensorError for an invalid default value."""
        return Signature(
            name=name,
            method=proto.method_name,
            inputs={key: _tensor_info(info) for key, info in sorted(proto.inputs.items())},
            outputs={key: _tensor_info(info) for key, info in sorted(proto.outputs.items())},
            defaults={key: to_array(value) for key, value in getattr(proto, "defaults", {}).items()},
            proto=proto,
        )


def _tensor_info(info: Message) -> TensorInfo:
    return TensorInfo(info.name, by_number(info.dtype))


class Model(Protocol):
    """A loaded version; `run` may be called from several threads."""

    signatures: Mapping[str, Signature]
    latencies: Mapping[str, LatencyTracker]

    def run(
        self, feeds: Mapping[str, Array], fetches: Sequence[str], timeout_ms: int = 0, on_caller_thread: bool = False
    ) -> Any:
        """Feed arrays by tensor name and return the fetched ones in order. Raises ServingError."""

    def close(self) -> None:
        """Free the version's resources; no call may be running."""


def time_limit_ms(seconds: float) -> int:
    """Return a time-out in milliseconds that covers `seconds`; 0, no limit, for more than a day.

    It is a power of two, because a Session prepares a new executor for every new time-out.
    """
    return max(1024, 1 << int(seconds * 1000).bit_length()) if seconds <= _MAX_TIMEOUT_SECONDS else 0


class SavedModel:
    """A loaded version: its signatures, its Session, and whether every run is known to terminate."""

    def __init__(self, session: Any, signatures: Mapping[str, Signature], terminates: bool) -> None:
        self.signatures = signatures
        self.terminates = terminates
        self.latencies: Mapping[str, LatencyTracker] = {name: LatencyTracker(terminates) for name in signatures}
        self._session = session
        self._callables: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()

    def run(
        self, feeds: Mapping[str, Array], fetches: Sequence[str], timeout_ms: int = 0, on_caller_thread: bool = False
    ) -> Any:
        """Feed arrays by tensor name and return the fetched ones in order. Raises ServingError.

        With `on_caller_thread` every op runs on the calling thread: fastest for small models, but without time-out.
        """
        names = tuple(feeds)
        key = (names, tuple(fetches), 0 if on_caller_thread else timeout_ms, on_caller_thread)
        call = self._callables.get(key) or self._make(key)
        try:
            outputs = call(*feeds.values())
        except OpError as error:
            raise _serving_error(error) from error
        return [_string_scalar(value) if isinstance(value, bytes) else value for value in outputs]

    def _make(self, key: tuple[Any, ...]) -> Any:
        names, fetches, timeout_ms, on_caller_thread = key
        options = config_pb2.CallableOptions(feed=names, fetch=fetches)
        options.run_options.timeout_in_ms = timeout_ms
        options.run_options.inter_op_thread_pool = _CALLER_THREAD if on_caller_thread else 0
        with self._lock:
            if len(self._callables) >= _MAX_CALLABLES:
                del self._callables[next(iter(self._callables))]
            try:
                return self._callables.setdefault(key, self._session._make_callable_from_options(options))
            except OpError as error:
                raise _serving_error(error) from error

    def close(self) -> None:
        """Free the Session; no call may be running."""
        self._callables.clear()
        self._session.close()


def _string_scalar(value: bytes) -> Array:
    """Return an array for a scalar string, which a Session returns as bare bytes."""
    array: Array = np.empty((), object)
    array[()] = value
    return array


@dataclasses.dataclass(frozen=True)
class LoadOptions:
    """Options for sessions and loading, from the flags."""

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    gpu_memory_fraction: float = 0.0
    session_config: Message | None = None
    bfloat16: bool = False

    def config(self) -> Message:
        """Return the ConfigProto of every Session."""
        config = config_pb2.ConfigProto()
        if self.session_config is not None:
            config.CopyFrom(self.session_config)
        config.intra_op_parallelism_threads = self.intra_op_threads or config.intra_op_parallelism_threads
        config.inter_op_parallelism_threads = self.inter_op_threads or config.inter_op_parallelism_threads
        if self.gpu_memory_fraction:
            config.gpu_options.per_process_gpu_memory_fraction = self.gpu_memory_fraction
        if self.bfloat16:
            config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = _REWRITE_ON
        return config


def load(path: str, options: LoadOptions) -> SavedModel:
    """Load a version directory. Raises ServingError with the code and message of TensorFlow's loader."""
    try:
        return _load(path, options)
    except ServingError:
        raise
    except OpError as error:
        raise _serving_error(error) from error
    except Exception as error:
        raise ServingError(Code.UNKNOWN, f"{type(error).__name__}: {error}") from error


def _load(path: str, options: LoadOptions) -> SavedModel:
    loader = _open_loader(path)
    _require_tags(loader, options.tags)
    graph = Graph()
    session = Session(graph=graph, config=options.config())
    try:
        meta_graph = _restore(loader, session, graph, path, options)
        return SavedModel(session, _signatures(meta_graph), _terminates(meta_graph.graph_def))
    except BaseException:
        session.close()
        raise


def _open_loader(path: str) -> Any:
    files = (Path(path, "saved_model.pb"), Path(path, "saved_model.pbtxt"))
    file = next((file for file in files if file.exists()), None)
    if file is None:
        raise not_found(
            "Specified file path does not appear to contain a SavedModel bundle (should have a file called "
            f"`saved_model.pb`)\nSpecified file path: {path}"
        )
    try:
        return SavedModelLoader(path)
    except (OSError, RecursionError, UnicodeDecodeError) as error:
        raise _parse_error(file) from error


def _parse_error(file: Path) -> ServingError:
    """Distinguish a truncated file from one that is not a SavedModel, as the C++ reader does."""
    if file.suffix == ".pbtxt":
        return ServingError(Code.DATA_LOSS, f"Can't parse {file} as text proto")
    if _is_truncated(file.read_bytes()):
        return ServingError(Code.OUT_OF_RANGE, "Read less bytes than requested")
    return ServingError(Code.DATA_LOSS, f"Can't parse {file} as binary proto")


def _is_truncated(data: bytes) -> bool:
    """Return whether a top-level field of a SavedModel message is longer than the rest of the data."""
    offset = 0
    while offset < len(data):
        if data[offset] & 7 == 0:
            offset = _skip_varint(data, offset + 1)
        elif data[offset] == 0x12:
            start = _skip_varint(data, offset + 1)
            offset = start + sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(data[offset + 1 : start]))
        else:
            return False
    return offset > len(data)


def _skip_varint(data: bytes, offset: int) -> int:
    while offset < len(data) and data[offset] & 0x80:
        offset += 1
    return offset + 1


def _require_tags(loader: Any, tags: tuple[str, ...]) -> None:
    if not any(set(graph.meta_info_def.tags) == set(tags) for graph in loader.saved_model.meta_graphs):
        raise not_found(
            f"Could not find meta graph def matching supplied tags: {{ {' '.join(tags)} }}. To inspect available "
            "tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`"
        )


def _restore(loader: Any, session: Any, graph: Any, path: str, options: LoadOptions) -> Any:
    with graph.as_default():
        saver, _ = loader.load_graph(graph, list(options.tags))
        if Path(path, "variables", "variables.index").exists():
            loader.restore_variables(session, saver)
        else:
            LOG.info("The specified SavedModel has no variables; no checkpoints were restored: %s", path)
        loader.run_init_ops(session, list(options.tags))
        return loader.get_meta_graph_def_from_tags(list(options.tags))


def _terminates(graph_def: Message) -> bool:
    """Return whether no op of the graph can run or wait forever."""
    functions = (function.node_def for function in graph_def.library.function)
    ops = {node.op for nodes in (graph_def.node, *functions) for node in nodes}
    return not ops & _UNBOUNDED_OPS and not any("Queue" in op or "PyFunc" in op for op in ops)


def _signatures(meta_graph: Message) -> dict[str, Signature]:
    try:
        return {name: Signature.from_proto(name, proto) for name, proto in sorted(meta_graph.signature_def.items())}
    except TensorError as error:
        raise ServingError(Code.INVALID_ARGUMENT, "a default value of a signature is no tensor") from error


def _serving_error(error: OpError) -> ServingError:
    return ServingError(Code(error.error_code), str(error.message))
