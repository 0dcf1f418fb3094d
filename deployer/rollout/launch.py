"""Turns a spec into the launch of a server: exact versions, rendered files, flags as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from contextlib import suppress

from deployer.config import capabilities, render
from deployer.config.interpolation import reveal
from deployer.config.origins import Origins
from deployer.config.spec import ModelSpec, Spec
from deployer.config.threads import with_default_threads
from deployer.engines import flags
from deployer.engines.base import Engine, Traits
from deployer.errors import ConfigError, GoldenError, InvalidValue, ModelNotFound
from deployer.results.launch import Launch
from deployer.results.model import Model
from deployer.results.served import ResolvedModel, ServedModel
from deployer.store.store import Store
from deployer.verification import batchable, golden
from deployer.verification.golden import GoldenCase


def resolve_models(spec: Spec, store: Store) -> tuple[ResolvedModel, ...]:
    """Resolve every model of the spec to versions of the store.

    Raises ModelNotFound; ConfigError for a label of a version that is not served, and for a model that `[batching]`
    does not fit.
    """
    resolved = tuple(_resolve(name, model, store) for name, model in spec.models.items())
    for each in resolved:
        check_batching(spec, each.models)
    return resolved


def spec_serving(spec: Spec, name: str, models: tuple[ServedModel, ...]) -> Spec:
    """Return the spec with these models only, at these versions and labels, from the store."""
    listed = {
        model.name: dataclasses.replace(
            spec.models.get(model.name, ModelSpec()), source=None, versions=model.versions, labels=dict(model.labels)
        )
        for model in models
    }
    return dataclasses.replace(spec, name=name, models=listed)


def check_batching(spec: Spec, models: tuple[Model, ...]) -> None:
    """Refuse `[batching]` for a model whose requests cannot be joined. Raises ConfigError."""
    for model in models if spec.batching else ():
        if reason := batchable.problem(model.info.signatures, _golden_cases(model)):
            raise ConfigError(
                f"[batching] cannot be used for {model.name}:{model.version}: {reason}",
                hint="give every input and output as many rows as are asked, or serve it without [batching]",
            )


def _golden_cases(model: Model) -> tuple[GoldenCase, ...]:
    with suppress(GoldenError, OSError):  # the gate reports answers that cannot be read
        return golden.read(model.path)
    return ()


def _resolve(name: str, spec: ModelSpec, store: Store) -> ResolvedModel:
    models = tuple(get_version(store, name, version) for version in sorted(set(spec.versions))) or (
        get_version(store, name),
    )
    return ResolvedModel(served_model(name, models, spec, store.versions(name)), models)


def get_version(store: Store, name: str, version: int | None = None) -> Model:
    """Return a version of a model that `deployer.toml` lists without a source. Raises ModelNotFound."""
    try:
        return store.get(name, version)
    except ModelNotFound as error:
        if error.hint and error.hint.startswith("deployer export"):
            error.hint = f"say what to export: models.{name}.source in deployer.toml; or {error.hint}"
        raise


def served_model(name: str, models: tuple[Model, ...], spec: ModelSpec, existing: Collection[int]) -> ServedModel:
    """Return how a server serves these versions, of the `existing` ones.

    Raises ConfigError for a label of a version that is not served.
    """
    versions = tuple(model.version for model in models)
    check_labels(name, versions, spec, existing)
    return ServedModel(name, versions, tuple(sorted(spec.labels.items())), tuple(model.digest for model in models))


def check_labels(name: str, versions: tuple[int, ...], spec: ModelSpec, existing: Collection[int]) -> None:
    """Refuse a label of a version that is not served; only an `existing` one can be. Raises ConfigError."""
    for label, version in spec.labels.items():
        if version not in versions:
            served = ", ".join(map(str, versions))
            hint = f"list {version} under models.{name}.versions, and deploy {name} without a version"
            if version not in existing:
                hint = f"there is no version {version}: point {label} to one that is served, or remove it"
            reason = f"{label} = {version}, but only {served} is served"
            raise ConfigError(reason, key=f"models.{name}.labels", hint=hint)


def check_settings(spec: Spec, engine: Engine, origins: Origins) -> None:
    """Refuse settings and server flags that the engine does not support. Raises SettingRefused.

    Settings of containers in `deployer.toml` are accepted by every engine: they may be for another one.
    """
    flags.check(engine.traits.name, _flags(spec))
    capabilities.check(capability_row(engine), spec, origins)


def capability_row(engine: Engine) -> str:
    """Return whose capabilities an engine has: its own, or those of the engine that is most like it."""
    name = engine.traits.name
    if name in capabilities.ENGINES:
        return name
    if engine.traits.replicated:
        return capabilities.SWARM
    return capabilities.DOCKER if engine.traits.image else capabilities.EMBEDDED


def check_variables(spec: Spec, engine: Engine) -> None:
    """Refuse variables of containers that are not set, on an engine with containers. Raises ConfigError."""
    if engine.traits.image:
        reveal(spec.docker.environment)


def check_gpus(spec: Spec) -> None:
    """Refuse GPUs with an image without support for them. Raises ConfigError."""
    try:
        spec.docker.check_gpus()
    except InvalidValue as error:
        raise ConfigError(error.message, key="docker.gpus", hint=error.hint) from error


def build_launch(spec: Spec, engine: Engine, models: tuple[ServedModel, ...]) -> Launch:
    """Return what the engine starts for these models. Raises TemplateError, SettingRefused."""
    return launch_with(spec, engine.traits, models)


def launch_with(spec: Spec, traits: Traits, models: tuple[ServedModel, ...]) -> Launch:
    """Return what a platform with these traits starts. Raises TemplateError, SettingRefused."""
    flags.check(traits.name, _flags(spec))
    root = traits.models_root(spec.models_dir)
    return Launch(
        name=spec.deployment,
        env=spec.env,
        host=spec.server.address,
        rest_port=spec.server.rest_port,
        grpc_port=spec.server.grpc_port,
        flags=_flags(spec),
        models=models,
        models_root=root,
        rendered=render.render(models, root, spec.batching, spec.monitoring, spec.templates_dir),
        traits=traits.fingerprint,
        project=traits.project,
        in_image=traits.in_image,
        replicas=(spec.swarm.replicas or 1) if traits.replicated else None,
    )


def resolve_launch(spec: Spec, engine: Engine, models: tuple[ServedModel, ...]) -> Launch:
    """Build the launch with the image and gateway that the engine has now.

    Raises EngineError, TemplateError, ConfigError.
    """
    gateway = engine.gateways.digest(spec.deployment, spec.env, spec.server.address)
    return dataclasses.replace(
        build_launch(spec, engine, models),
        image=engine.images.current(),
        gateway_digest=gateway,
        gateway_image=engine.images.gateway(),
        gateway_settings=spec.gateway.plain,
        changed_variables=engine.changed_variables(spec.deployment, spec.env),
    )


def _flags(spec: Spec) -> tuple[tuple[str, str], ...]:
    return tuple((name, _flag_text(value)) for name, value in sorted(with_default_threads(spec.server.flags).items()))


def _flag_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
