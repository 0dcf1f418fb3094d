"""The files of manifests: one document to apply, or a base and overlays for kustomize."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from deployer.manifests.documents import Object, kind_and_name, to_yaml
from deployer.manifests.objects import Manifest
from deployer.manifests.patches import difference

BASE, OVERLAYS = "base", "overlays"
KUSTOMIZATION = "kustomization.yaml"
HEADER = "# Written by deployer. Change deployer.toml and render again, or patch it in an overlay of your own.\n"


def document(manifests: Iterable[Manifest], namespace: str | None) -> str:
    """Return all objects as documents of one file."""
    return to_yaml(*(_in_namespace(each.content, namespace) for each in manifests))


def directory(
    base: Sequence[Manifest], namespace: str | None, overlays: Mapping[str, tuple[Sequence[Manifest], str | None]]
) -> dict[str, str]:
    """Return the files of a base, and of an overlay for each environment: its objects and its namespace."""
    files = _objects(BASE, base)
    files[f"{BASE}/{KUSTOMIZATION}"] = _kustomization({"namespace": namespace, "resources": _names(base)})
    for env, (manifests, own_namespace) in overlays.items():
        files |= _overlay(f"{OVERLAYS}/{env}", base, manifests, own_namespace)
    return files


def _overlay(path: str, base: Sequence[Manifest], desired: Sequence[Manifest], namespace: str | None) -> dict[str, str]:
    """Return the files that turn the base into the objects of an environment."""
    before = {kind_and_name(each.content): each for each in base}
    after = {kind_and_name(each.content): each for each in desired}
    added = [each for key, each in after.items() if key not in before]
    files = _objects(path, added)
    patches: list[Object] = [_deletion(each.content) for key, each in before.items() if key not in after]
    for key, each in after.items():
        operations = list(difference(before[key].content, each.content)) if key in before else []
        if operations:
            kind, name = key
            file = f"{kind.lower()}-{name}-patch.yaml"
            files[f"{path}/{file}"] = HEADER + to_yaml(operations)
            patches.append({"target": {"kind": kind, "name": name}, "path": file})
    content = {"namespace": namespace, "resources": [f"../../{BASE}", *_names(added)], "patches": patches}
    files[f"{path}/{KUSTOMIZATION}"] = _kustomization(content)
    return files


def _objects(path: str, manifests: Sequence[Manifest]) -> dict[str, str]:
    return {
        f"{path}/{name}": HEADER + to_yaml(*(each.content for each in manifests if each.file == name))
        for name in _names(manifests)
    }


def _names(manifests: Iterable[Manifest]) -> list[str]:
    return list(dict.fromkeys(each.file for each in manifests))


def _kustomization(content: Object) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return HEADER + to_yaml({**head, **{key: value for key, value in content.items() if value}})


def _deletion(content: Object) -> Object:
    """Return the patch that removes an object. Its target finds the object in any namespace."""
    kind, name = kind_and_name(content)
    removal = {"$patch": "delete", "apiVersion": content["apiVersion"], "kind": kind, "metadata": {"name": name}}
    return {"target": {"kind": kind, "name": name}, "patch": to_yaml(removal)}


def _in_namespace(content: Object, namespace: str | None) -> Object:
    if namespace is None:
        return content
    name, *rest = content["metadata"].items()
    return {**content, "metadata": dict((name, ("namespace", namespace), *rest))}
