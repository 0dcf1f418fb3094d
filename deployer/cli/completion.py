"""Completion of names for shells: deployments, models, versions, environments.

They are read from files of this machine: no engine is asked, and what cannot be read completes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from deployer.config.options import Settings
    from deployer.config.spec import Spec

MODEL_VARIABLE = "_DEPLOYER_COMPLETE_MODEL"
"""Has the model whose version bash completes as a word of its own."""


def deployments(ctx: typer.Context) -> list[str]:
    """Return the deployments of the project and the environment."""
    return _quietly(lambda: sorted(_deployments(_spec(ctx))))


def models(ctx: typer.Context) -> list[str]:
    """Return the models of the store and of deployer.toml."""
    return _quietly(lambda: sorted(_models(_spec(ctx))))


def models_with_versions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the models, and behind `NAME:` the versions of one."""
    if split := os.environ.get(MODEL_VARIABLE):
        return _quietly(lambda: map(str, _versions(_spec(ctx), split)))
    name, colon, _ = incomplete.partition(":")
    if not colon:
        return models(ctx)
    return _quietly(lambda: [f"{name}:{version}" for version in _versions(_spec(ctx), name)])


def forms_or_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return what `render` takes: a form, or models."""
    import deployer

    return [*deployer.RENDER_FORMS, *models_with_versions(ctx, incomplete)]


def versions(ctx: typer.Context) -> list[str]:
    """Return the versions of the model that the command names, else of all models."""
    typed = ctx.params.get("model") or ctx.params.get("name")
    return _quietly(lambda: map(str, _versions(_spec(ctx), typed) or _versions(_spec(ctx))))


def labels(ctx: typer.Context) -> list[str]:
    """Return the labels that deployer.toml gives to versions."""
    return _quietly(lambda: [label for model in _spec(ctx).models.values() for label in sorted(model.labels)])


def environments(ctx: typer.Context) -> list[str]:
    """Return the environments of deployer.toml, and the default one."""
    from deployer.config import loader
    from deployer.results.deployment import DEFAULT_ENV

    return _quietly(lambda: (DEFAULT_ENV, *loader.environments(_settings(ctx).config)))


def engines() -> list[str]:
    """Return the names of the engines."""
    from typing import get_args

    from deployer.config.spec import EngineName

    return list(get_args(EngineName))


Completer = Callable[..., list[str]]
BY_OPTION: dict[str, Completer] = {"env": environments, "engine": engines}
"""The completion of options that many commands take."""
BY_PARAMETER: dict[str, Completer] = {
    "name": deployments,
    "target": models_with_versions,
    "model": models,
    "version": versions,
    "label": labels,
}
"""The completion of the parameters of commands, by their name."""
OF_COMMANDS: dict[tuple[str, str], Completer | None] = {
    ("versions", "name"): models,
    ("prune", "name"): models,
    ("diff", "name"): models,
    ("diff", "before"): versions,
    ("diff", "after"): versions,
    ("render", "form"): forms_or_models,
    ("init", "name"): None,
    ("token", "name"): None,
}
"""The completion of those parameters that have another meaning in a command."""


def of_parameter(command: str, name: str) -> Completer | None:
    """Return what completes a parameter of a command's function."""
    return OF_COMMANDS.get((command, name), BY_PARAMETER.get(name))


def _quietly(names: Callable[[], Iterable[str]]) -> list[str]:
    """Return names, each once; none where they cannot be read: a message would end up in the command line."""
    try:
        return list(dict.fromkeys(names()))
    except Exception:  # noqa: BLE001 - whatever is wrong, the command itself reports it
        return []


def _settings(ctx: typer.Context) -> Settings:
    from deployer.config.options import Settings

    def path(name: str) -> Path | None:
        return Path(ctx.params[name]) if ctx.params.get(name) else None

    return Settings(
        config=path("config"),
        env=ctx.params.get("env"),
        project=ctx.params.get("project"),
        models_dir=path("models_dir"),
        state_dir=path("state_dir"),
    )


def _spec(ctx: typer.Context) -> Spec:
    from deployer.config import loader

    settings = _settings(ctx)
    return loader.load(settings.config, settings.env, settings.overrides())


def _models(spec: Spec) -> tuple[str, ...]:
    from deployer.store.store import Store

    return (*Store(spec.models_dir).names(), *spec.models)


def _versions(spec: Spec, name: str | None = None) -> list[int]:
    """Return the versions of a model, or of all models."""
    from deployer.store.store import Store

    store = Store(spec.models_dir)
    return sorted({version for each in store.names() if name in (None, each) for version in store.versions(each)})


def _deployments(spec: Spec) -> Iterable[str]:
    """Return those that the history does not know to be removed, and those with a directory."""
    from deployer.engines import run_dir
    from deployer.results.plan import Change
    from deployer.rollout.ledger import LEDGER_FILE, Ledger

    newest_first = Ledger(spec.state_dir / LEDGER_FILE, spec.project or "").releases(env=spec.env)
    last = {release.name: release.change for release in reversed(newest_first)}
    yield from (name for name, change in last.items() if change != Change.REMOVE.value)
    for directory in spec.state_dir.glob("*/"):
        for project, name, env in run_dir.list_deployments(directory):
            if env == spec.env and project in ("", spec.project):
                yield name


def split_versions(environ: MutableMapping[str, str]) -> None:
    """Let bash complete a version: it takes `NAME:VERSION` for three words, and replaces the last one only.

    Name and colon leave the words of the command line that Typer reads, and MODEL_VARIABLE has the name.
    """
    words, place = environ.get("COMP_WORDS", "").split("\n"), environ.get("COMP_CWORD", "")
    current = int(place) if place.isdecimal() else 0
    colon = current if words[current : current + 1] == [":"] else current - 1
    if colon < 2 or words[colon : colon + 1] != [":"]:
        return
    typed = words[current] if colon < current < len(words) else ""
    environ[MODEL_VARIABLE] = words[colon - 1]
    environ["COMP_WORDS"] = "\n".join((*words[: colon - 1], typed))
    environ["COMP_CWORD"] = str(colon - 1)
