"""Builds a kustomization as `kustomize build` does, as far as rendered manifests use it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import jsonpatch
import yaml

Object = dict[str, Any]


def build(files: Mapping[str, str], directory: str) -> list[Object]:
    """The objects of a directory with a kustomization.yaml. Fails for keys and patches that it does not know."""
    kustomization = yaml.safe_load(files[f"{directory}/kustomization.yaml"])
    assert (kustomization.pop("apiVersion"), kustomization.pop("kind")) == (
        "kustomize.config.k8s.io/v1beta1",
        "Kustomization",
    )
    objects: list[Object] = []
    for name in kustomization.pop("resources"):
        objects += (
            build(files, name.removeprefix("../../"))
            if name.startswith("../../")
            else load(files[f"{directory}/{name}"])
        )
    for patch in kustomization.pop("patches", []):
        objects = _patched(objects, patch, files, directory)
    namespace = kustomization.pop("namespace", None)
    assert kustomization == {}
    for each in objects:
        if namespace is not None:
            each["metadata"]["namespace"] = namespace
    keys = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(keys)) == len(keys), keys
    return objects


def load(text: str) -> list[Object]:
    return list(yaml.safe_load_all(text))


def _patched(objects: list[Object], patch: Object, files: Mapping[str, str], directory: str) -> list[Object]:
    kind, name = patch["target"]["kind"], patch["target"]["name"]
    (target,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    others = [each for each in objects if each is not target]
    if "path" not in patch:
        removal = yaml.safe_load(patch["patch"])
        assert removal.pop("$patch") == "delete"
        assert removal == {key: target[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": name}}
        return others
    operations = yaml.safe_load(files[f"{directory}/{patch['path']}"])
    return [*others, jsonpatch.apply_patch(copy.deepcopy(target), operations)]
