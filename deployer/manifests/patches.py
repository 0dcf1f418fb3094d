"""The difference of two objects as a JSON patch (RFC 6902), which kustomize applies."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.manifests.documents import Object

Operation = dict[str, object]


def difference(base: object, desired: object, path: str = "") -> Iterator[Operation]:
    """Yield the operations that turn one value into the other. Lists of another length are replaced as a whole."""
    if base == desired:
        return
    if isinstance(base, dict) and isinstance(desired, dict):
        yield from _of_tables(base, desired, path)
    elif _are_lists_of_tables(base, desired):
        for number, (one, other) in enumerate(zip(base, desired, strict=True)):  # type: ignore[call-overload]
            yield from difference(one, other, f"{path}/{number}")
    else:
        yield {"op": "replace", "path": path, "value": desired}


def _of_tables(base: Object, desired: Object, path: str) -> Iterator[Operation]:
    for key in base:
        if key not in desired:
            yield {"op": "remove", "path": f"{path}/{_escaped(key)}"}
    for key, value in desired.items():
        if key not in base:
            yield {"op": "add", "path": f"{path}/{_escaped(key)}", "value": value}
        else:
            yield from difference(base[key], value, f"{path}/{_escaped(key)}")


def _are_lists_of_tables(base: object, desired: object) -> bool:
    if not isinstance(base, list) or not isinstance(desired, list) or len(base) != len(desired):
        return False
    return all(isinstance(each, dict) for each in (*base, *desired))


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
