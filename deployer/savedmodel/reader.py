"""Read a SavedModel directory without TensorFlow, and reject models that would load and then fail every request."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from google.protobuf.message import DecodeError, Message

from deployer.errors import BrokenModel, MalformedTensor
from deployer.results.model import MAX_VERSION, SavedModelInfo, Shape, Signature, TensorSpec
from deployer.savedmodel import lfs_pointers, pbtxt, tensors
from deployer.savedmodel.layout import PB_FILE, PBTXT_FILE, WARMUP_FILE, is_saved_model, served_files
from deployer.savedmodel.messages import message_class
from deployer.savedmodel.recognise import recognise
from deployer.server.version_names import is_too_large, numbered, version_number

INIT_SIGNATURE = "__saved_model_init_op"
SERVE = ("serve",)
"""The tags of the graph that TensorFlow Serving loads by default (`--saved_model_tags`)."""
VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})
KERAS_VERSION = re.compile(rb'"keras_version": ?"([0-9][0-9A-Za-z.]{0,20})"')
SHARD = re.compile(r"variables\.data-([0-9]{5})-of-([0-9]{5})")


def newest_version(directory: Path) -> Path | None:
    """Return the version directory of a base path that TensorFlow Serving would load first; None for other directories.

    Raises BrokenModel if it would load none because no version number fits into 64 bits.
    """
    if is_saved_model(directory) or not directory.is_dir():
        return None
    children = [child.name for child in directory.iterdir() if child.is_dir()]
    found, _ = numbered(children)
    if any(is_saved_model(directory / name) for name in found.values()):
        return directory / found[max(found)]
    large = next((name for name in sorted(children) if is_too_large(name) and is_saved_model(directory / name)), None)
    if large is not None:
        raise BrokenModel(
            f"{directory} has no version that TensorFlow Serving would load: {large} is more than {MAX_VERSION}",
            hint=f"name the directory itself: {directory / large}",
        )
    return None


def version_notes(source: Path) -> tuple[str, ...]:
    """Return notes on the version directory that was chosen and on those that TensorFlow Serving ignores.

    `source` is a base path or the version directory itself.
    """
    newest = newest_version(source)
    name = (newest or source.absolute()).name
    number = version_number(name)
    notes = []
    if number is not None and name != str(number):
        notes.append(f"the version directory {name!r} is version {number} to TensorFlow Serving")
    if is_too_large(name) or (number is not None and number < 1):
        notes.append(f"the number of the version directory {name!r} is not kept: versions are 1 to {MAX_VERSION}")
    if newest is not None:
        children = sorted(child.name for child in source.iterdir() if child.is_dir())
        found, unread = numbered(children)
        if others := sorted(set(found) - {number}, reverse=True):
            more = f" and {len(others) - 5} more" if len(others) > 5 else ""
            named = ", ".join(map(str, others[:5]))
            notes.append(f"{source.name} holds several versions: {number} was taken, not {named}{more}")
        skipped = [*unread, *filter(is_too_large, children)]
        if skipped:
            notes.append(f"left out, as TensorFlow Serving does: {', '.join(map(repr, skipped[:5]))}")
    return tuple(notes)


def read(directory: Path, tags: Collection[str] = SERVE) -> SavedModelInfo:
    """Return what the SavedModel in `directory` declares.

    Raises BrokenModel if `saved_model.pb` is missing or truncated, no MetaGraph has exactly these tags, files are Git
    LFS pointers, or variables that the graph uses are missing: TensorFlow Serving would report such a version as
    AVAILABLE and fail every predict, or answer wrongly.
    """
    graph = meta_graph(parse(directory), tags, directory)
    check_files(directory, graph)
    return _info(directory, graph)


def read_incomplete(directory: Path, tags: Collection[str] = SERVE) -> tuple[SavedModelInfo, BrokenModel | None]:
    """Return the declarations of a SavedModel that may lack files, and the error that `read` would raise for them."""
    graph = meta_graph(parse(directory), tags, directory)
    try:
        check_files(directory, graph)
    except BrokenModel as error:
        return _info(directory, graph), error
    return _info(directory, graph), None


def check_files(directory: Path, graph: Message) -> None:
    """Raise BrokenModel if files beside the graph are missing or are Git LFS pointers."""
    _check_variables(directory, graph)
    lfs_pointers.check((*served_files(directory), directory / WARMUP_FILE))


def _info(directory: Path, graph: Message) -> SavedModelInfo:
    return SavedModelInfo(
        signatures=tuple(_signature(name, graph.signature_def[name]) for name in _serving_names(graph)),
        tags=tuple(sorted(graph.meta_info_def.tags)),
        tensorflow=graph.meta_info_def.tensorflow_version or "unknown",
        keras=_keras_version(directory),
        fingerprint=_fingerprint(directory),
        size_bytes=sum(path.stat().st_size for path in served_files(directory)),
    )


def parse(directory: Path) -> Message:
    """Return the SavedModel message of `saved_model.pb`, or else of `saved_model.pbtxt`. Raises BrokenModel."""
    path = next((directory / name for name in (PB_FILE, PBTXT_FILE) if (directory / name).is_file()), None)
    if path is None:
        raise _no_saved_model(directory)
    lfs_pointers.check((path,))
    message = message_class("tensorflow.SavedModel")()
    _parse_binary(path, message) if path.name == PB_FILE else pbtxt.parse(path, message)
    if not message.meta_graphs:
        raise BrokenModel(f"{path} holds no graph: it is empty or cut short", hint="copy or export the model again")
    return message


def _parse_binary(path: Path, message: Message) -> None:
    try:
        message.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise BrokenModel(
            f"{path} cannot be parsed: it is cut short or not a SavedModel", hint="copy or export the model again"
        ) from error


def _no_saved_model(directory: Path) -> BrokenModel:
    if hint := _children_hint(directory):
        return BrokenModel(f"{directory} is not a SavedModel: it has no {PB_FILE}", hint=hint)
    if seen := recognise(directory):
        return BrokenModel(f"{directory} is not a SavedModel: it is {seen.what}", hint=seen.hint)
    what = f"it has no {PB_FILE}" if directory.is_dir() else "there is no such directory"
    return BrokenModel(f"{directory} is not a SavedModel: {what}")


def _children_hint(directory: Path) -> str | None:
    children = (
        sorted(child.name for child in directory.iterdir() if is_saved_model(child)) if directory.is_dir() else []
    )
    return f"it holds SavedModels in {', '.join(children[:5])}: name one of them" if children else None


def meta_graph(message: Message, tags: Collection[str], directory: Path) -> Message:
    """Return the MetaGraph that has exactly these tags. Raises BrokenModel with the tags that exist."""
    found = {frozenset(graph.meta_info_def.tags): graph for graph in reversed(message.meta_graphs)}
    if graph := found.get(frozenset(tags)):
        return graph
    default_note = ", which TensorFlow Serving loads" if tuple(tags) == SERVE else ""
    listed = ", ".join(sorted(_listed(others) for others in found))
    first = ",".join(min(sorted(others) for others in found))
    raise BrokenModel(
        f"{directory} has no graph tagged {_listed(tags)}{default_note}; it has {listed}",
        hint=f"--tags {first or repr('')} takes one of them, and has it served",
    )


def _listed(tags: Collection[str]) -> str:
    return f"{{{', '.join(sorted(tags))}}}"


def _check_variables(directory: Path, graph: Message) -> None:
    uses_variables = any(node.op in VARIABLE_OPS for node in graph.graph_def.node)
    if uses_variables and not (directory / "variables" / "variables.index").is_file():
        raise BrokenModel(
            f"{directory} has no variables/variables.index, but its graph uses variables: "
            "TensorFlow Serving would load it and then fail every request",
            hint="copy or export the model again, with its variables directory",
        )
    missing = sorted(_missing_shards(directory / "variables"))
    if missing:
        raise BrokenModel(f"{directory / 'variables'} lacks {missing[0]}", hint="copy or export the model again, whole")


def _missing_shards(variables: Path) -> Iterable[str]:
    names = {path.name for path in variables.glob("variables.data-*")}
    totals = {match[2] for match in map(SHARD.fullmatch, names) if match}
    expected = {f"variables.data-{number:05d}-of-{total}" for total in totals for number in range(int(total))}
    if not names and (variables / "variables.index").is_file():
        return {"variables.data-00000-of-00001"}
    return expected - names


def _serving_names(graph: Message) -> list[str]:
    return sorted(name for name in graph.signature_def if name != INIT_SIGNATURE)


def _signature(name: str, definition: Message) -> Signature:
    return Signature(name, definition.method_name, _specs(definition.inputs), _specs(definition.outputs))


def _specs(infos: Mapping[str, Message]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, _dtype(infos[name]), shape_of(infos[name].tensor_shape)) for name in sorted(infos))


def _dtype(info: Message) -> str:
    if info.WhichOneof("encoding") == "composite_tensor":
        return "composite"
    try:
        return tensors.dtype_name(info.dtype)
    except MalformedTensor as error:
        raise BrokenModel(f"tensor {info.name!r} of a signature: {error.message}") from error


def shape_of(message: Message) -> Shape:
    """Return a TensorShapeProto as a shape: None for an unknown rank, None for an open dimension."""
    if message.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else int(dim.size) for dim in message.dim)


def _keras_version(directory: Path) -> str | None:
    metadata = directory / "keras_metadata.pb"
    if not metadata.is_file():
        return None
    match = KERAS_VERSION.search(metadata.read_bytes())
    return match[1].decode() if match else "2.x"


def _fingerprint(directory: Path) -> str | None:
    """Return TensorFlow's hashes of program, signatures, objects and checkpoint."""
    path = directory / "fingerprint.pb"
    if not path.is_file():
        return None
    message = message_class("tensorflow.FingerprintDef")()
    try:
        message.ParseFromString(path.read_bytes())
    except Exception as error:
        raise BrokenModel(f"{path} cannot be parsed") from error
    parts = (message.graph_def_program_hash, message.signature_def_hash, message.saved_object_graph_hash)
    return "/".join(f"{part:016x}" for part in (*parts, message.checkpoint_hash))
