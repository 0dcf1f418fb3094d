"""The layers of an image with models inside: one for each version, and one with the server's configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deployer.config.spec import Docker
from deployer.config.templates import render_template
from deployer.engines.docker.model_image.assembly import ModelImage
from deployer.engines.docker.model_image.base_image import BaseImage
from deployer.engines.docker.model_image.description import HEALTH_CHECK, ImageDescription, describe
from deployer.engines.docker.model_image.layers import Layer, LayerFile
from deployer.results.deployment import REST_PORT
from deployer.results.launch import Launch
from deployer.results.model import Model
from deployer.store.contents import StoredFile, files_of

MAX_MODEL_LAYERS = 32
"""An image has at most 127 layers, some of which are the base image's: many versions share layers."""


def build(
    launch: Launch, models: Sequence[Model], settings: Docker, base: BaseImage, templates_dir: Path | None
) -> ModelImage:
    """Return the image of a launch; nothing is read of the versions' large files yet.

    Raises BrokenModel, TemplateError.
    """
    description = describe(launch, settings)
    ports = {**base.config.get("ExposedPorts", {}), **{port: {} for port in description.ports}}
    files = _config_layer(description, config_files(launch, templates_dir))
    return ModelImage(
        base=base,
        layers=(*_model_layers(description, models), files),
        config={**description.config, "ExposedPorts": ports},
        labels=description.labels,
    )


def config_files(launch: Launch, templates_dir: Path | None) -> dict[str, str]:
    """Return the texts of the configuration directory: the server's files and the health check. Raises TemplateError.

    The script ends with 0 once every version is loaded.
    """
    script = render_template(HEALTH_CHECK, templates_dir, models=launch.models, port=REST_PORT)
    return {**launch.rendered.files, HEALTH_CHECK: script}


def _model_layers(description: ImageDescription, models: Sequence[Model]) -> Iterator[Layer]:
    """Yield a layer for each version, so that images share those that they have in common."""
    together = max(1, math.ceil(len(models) / MAX_MODEL_LAYERS))
    for start in range(0, len(models), together):
        chosen = models[start : start + together]
        files = (
            LayerFile(_path(description.root, model.name, str(model.version), file.path), *_source(file))
            for model in chosen
            for file in files_of(model)
        )
        yield Layer(tuple(files), ", ".join(f"{model.name}:{model.version}" for model in chosen))


def _config_layer(description: ImageDescription, texts: Mapping[str, str]) -> Layer:
    files = (LayerFile.of_bytes(_path(description.config_dir, name), text.encode()) for name, text in texts.items())
    return Layer(tuple(files), "the server's configuration")


def _source(file: StoredFile) -> tuple[bytes | Path, int, str]:
    return file.content, file.size, file.sha256


def _path(*parts: str) -> str:
    """Return a path in a layer, which has no slash in front."""
    return "/".join(parts).removeprefix("/")
