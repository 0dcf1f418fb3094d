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

from deployer.server.dtypes import Array, DType, by_number
from deployer.server.latency import LatencyTracker
from deployer.server.log import LOG
from deployer.server.runtime import Graph, OpError, SavedModelLoader, Session, config_pb2
from deployer.server.status import Code, ServingError, not_found
from deployer.server.tensors import TensorError, to_array

_CALLER_THREAD = -1
_ON = 1
_MAX_CALLABLES = 64
_LONGEST_SECONDS = 86400.0
_ENDLESS = frozenset(
    ("While", "StatelessWhile", "NextIteration", "RefNextIteration", "For", "IteratorGetNext", "Unstage", "MapUnstage")
)


@dataclasses.dataclass(frozen=True)
class Slot:
    """One input or output of a signature: the tensor in the graph, and its dtype."""

    tensor: str
    dtype: DType


@dataclasses.dataclass(frozen=True)
class Signature:
    """A named way to call a model; `defaults` are used for inputs that a request leaves out."""

    name: str
    method: str
    inputs: Mapping[str, Slot]
    outputs: Mapping[str, Slot]
    defaults: Mapping[str, Array]
    proto: Any

    @functools.cached_property
    def input_dtypes(self) -> dict[str, DType]:
        """The dtype of every input by name."""
        return {alias: slot.dtype for alias, slot in self.inputs.items()}

    @staticmethod
    def from_proto(name: str, proto: Any) -> Signature:
        """Read a SignatureDef."""
        return Signature(
            name=name,
            method=proto.method_name,
            inputs={key: _slot(info) for key, info in sorted(proto.inputs.items())},
            outputs={key: _slot(info) for key, info in sorted(proto.outputs.items())},
            defaults={key: to_array(value) for key, value in getattr(proto, "defaults", {}).items()},
            proto=proto,
        )


def _slot(info: Any) -> Slot:
    return Slot(info.name, by_number(info.dtype))


class Model(Protocol):
    """A loaded version as requests see it: `run` may be called from many threads."""

    signatures: Mapping[str, Signature]
    paces: Mapping[str, LatencyTracker]

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str], timeout_ms: int = 0, alone: bool = False) -> Any:
        """Feed arrays by tensor name and return the fetched ones in order; raises ServingError."""

    def close(self) -> None:
        """Free what the version holds; nobody may be running."""


def time_limit_ms(seconds: float) -> int:
    """A time-out for a run that somebody waits for so long; 0, for ever, when that is more than a day.

    It is a power of two, because a Session prepares itself anew for every time-out that it has not met.
    """
    return max(1024, 1 << int(seconds * 1000).bit_length()) if seconds <= _LONGEST_SECONDS else 0


class SavedModel:
    """A loaded version: its signatures, the Session that runs them, and whether every run is known to end."""

    def __init__(self, session: Any, signatures: Mapping[str, Signature], ends: bool) -> None:
        self.signatures = signatures
        self.ends = ends
        self.paces: Mapping[str, LatencyTracker] = {name: LatencyTracker(ends) for name in signatures}
        self._session = session
        self._callables: dict[tuple[Any, ...], Any] = {}
        self._making = threading.Lock()

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str], timeout_ms: int = 0, alone: bool = False) -> Any:
        """Feed arrays by tensor name and return the fetched ones in order.

        With `alone` every op runs on the calling thread: quickest for small models, and no time-out is kept.
        """
        names = tuple(feeds)
        key = (names, tuple(fetches), 0 if alone else timeout_ms, alone)
        call = self._callables.get(key) or self._make(key)
        try:
            outputs = call(*feeds.values())
        except OpError as error:
            raise _translated(error) from error
        return [_text(value) if isinstance(value, bytes) else value for value in outputs]

    def _make(self, key: tuple[Any, ...]) -> Any:
        names, fetches, timeout_ms, alone = key
        options = config_pb2.CallableOptions(feed=names, fetch=fetches)
        options.run_options.timeout_in_ms = timeout_ms
        options.run_options.inter_op_thread_pool = _CALLER_THREAD if alone else 0
        with self._making:
            if len(self._callables) >= _MAX_CALLABLES:
                del self._callables[next(iter(self._callables))]
            try:
                return self._callables.setdefault(key, self._session._make_callable_from_options(options))
            except OpError as error:
                raise _translated(error) from error

    def close(self) -> None:
        """Free the Session; nobody may be running."""
        self._callables.clear()
        self._session.close()


def _text(value: bytes) -> Array:
    """A Session gives a string without dimensions as bare bytes."""
    array: Array = np.empty((), object)
    array[()] = value
    return array


@dataclasses.dataclass(frozen=True)
class LoadOptions:
    """What the flags say about sessions and loading."""

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    gpu_memory_fraction: float = 0.0
    session_config: Any = None
    bfloat16: bool = False

    def config(self) -> Any:
        """Return the ConfigProto of every Session."""
        config = config_pb2.ConfigProto()
        if self.session_config is not None:
            config.CopyFrom(self.session_config)
        config.intra_op_parallelism_threads = self.intra_op_threads or config.intra_op_parallelism_threads
        config.inter_op_parallelism_threads = self.inter_op_threads or config.inter_op_parallelism_threads
        if self.gpu_memory_fraction:
            config.gpu_options.per_process_gpu_memory_fraction = self.gpu_memory_fraction
        if self.bfloat16:
            config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = _ON
        return config


def load(path: str, options: LoadOptions) -> SavedModel:
    """Load a version folder; every failure is a ServingError with the loader's code and text."""
    try:
        return _load(path, options)
    except ServingError:
        raise
    except OpError as error:
        raise _translated(error) from error
    except Exception as error:
        raise ServingError(Code.UNKNOWN, f"{type(error).__name__}: {error}") from error


def _load(path: str, options: LoadOptions) -> SavedModel:
    loader = _open(path)
    _require_tags(loader, options.tags)
    graph = Graph()
    session = Session(graph=graph, config=options.config())
    try:
        meta_graph = _fill(loader, session, graph, path, options)
        return SavedModel(session, _signatures(meta_graph), _ends(meta_graph.graph_def))
    except BaseException:
        session.close()
        raise


def _open(path: str) -> Any:
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
        raise _unreadable(file) from error


def _unreadable(file: Path) -> ServingError:
    """Tell a file that ends too early from one that is no SavedModel at all, as the C++ reader does."""
    if file.suffix == ".pbtxt":
        return ServingError(Code.DATA_LOSS, f"Can't parse {file} as text proto")
    if _ends_early(file.read_bytes()):
        return ServingError(Code.OUT_OF_RANGE, "Read less bytes than requested")
    return ServingError(Code.DATA_LOSS, f"Can't parse {file} as binary proto")


def _ends_early(data: bytes) -> bool:
    """Walk the outermost fields of a SavedModel proto; True when one says it is longer than what is left."""
    at = 0
    while at < len(data):
        if data[at] & 7 == 0:
            at = _skip_varint(data, at + 1)
        elif data[at] == 0x12:
            start = _skip_varint(data, at + 1)
            at = start + sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(data[at + 1 : start]))
        else:
            return False
    return at > len(data)


def _skip_varint(data: bytes, at: int) -> int:
    while at < len(data) and data[at] & 0x80:
        at += 1
    return at + 1


def _require_tags(loader: Any, tags: tuple[str, ...]) -> None:
    if not any(set(graph.meta_info_def.tags) == set(tags) for graph in loader.saved_model.meta_graphs):
        raise not_found(
            f"Could not find meta graph def matching supplied tags: {{ {' '.join(tags)} }}. To inspect available "
            "tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`"
        )


def _fill(loader: Any, session: Any, graph: Any, path: str, options: LoadOptions) -> Any:
    with graph.as_default():
        saver, _ = loader.load_graph(graph, list(options.tags))
        if Path(path, "variables", "variables.index").exists():
            loader.restore_variables(session, saver)
        else:
            LOG.info("The specified SavedModel has no variables; no checkpoints were restored: %s", path)
        loader.run_init_ops(session, list(options.tags))
        return loader.get_meta_graph_def_from_tags(list(options.tags))


def _ends(graph_def: Any) -> bool:
    """Tell whether a graph has no op that may go on, or wait, without end."""
    functions = (function.node_def for function in graph_def.library.function)
    ops = {node.op for nodes in (graph_def.node, *functions) for node in nodes}
    return not ops & _ENDLESS and not any("Queue" in op or "PyFunc" in op for op in ops)


def _signatures(meta_graph: Any) -> dict[str, Signature]:
    try:
        return {name: Signature.from_proto(name, proto) for name, proto in sorted(meta_graph.signature_def.items())}
    except TensorError as error:
        raise ServingError(Code.INVALID_ARGUMENT, "a default value of a signature is no tensor") from error


def _translated(error: Any) -> ServingError:
    return ServingError(Code(error.error_code), str(error.message))
