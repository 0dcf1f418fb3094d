"""Renders the files that a server reads, and parses each with TensorFlow Serving's own messages before it is used.

Templates in the user's directory override those of deployer. Filters quote every string, so that no name can inject a
field.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.config.quoting import FILTERS
from deployer.config.spec import Batching, Monitoring
from deployer.errors import TemplateError
from deployer.results.deployment import MODEL_CONFIG, Rendered, ServedModel
from deployer.savedmodel.messages import message_class
from deployer.server import declared, text_syntax

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from jinja2 import Environment

BATCHING = "batching_parameters.config"
MONITORING = "monitoring.config"


def render(
    models: Sequence[ServedModel],
    models_root: str,
    batching: Batching | None = None,
    monitoring: Monitoring | None = None,
    templates_dir: Path | None = None,
) -> Rendered:
    """Render the config directory of a server with its models in `models_root`. Raises TemplateError."""
    entries = [
        {
            "name": model.name,
            "base_path": f"{models_root}/{model.name}",
            "versions": model.versions,
            "labels": model.labels,
        }
        for model in models
    ]
    environment = _environment(templates_dir)
    files = {MODEL_CONFIG: _render(environment, MODEL_CONFIG, models=entries)}
    _check_models(files[MODEL_CONFIG], models, models_root)
    if batching:
        files[BATCHING] = _render(environment, BATCHING, batching=batching)
        _parse(BATCHING, files[BATCHING], declared.message_class(declared.BATCHING))
    if monitoring and monitoring.enabled:
        files[MONITORING] = _render(environment, MONITORING, monitoring=monitoring)
        _parse(MONITORING, files[MONITORING], declared.message_class(declared.MONITORING))
    return Rendered(files)


def text(template: str, /, templates_dir: Path | None = None, **values: object) -> str:
    """Render a file that no server reads, such as `deployer.toml`. Raises TemplateError."""
    return _render(_environment(templates_dir), template, **values)


def builtin_templates() -> Path:
    """Return the directory of deployer's templates: in the installed package, or next to it in a checkout."""
    package = Path(__file__).parents[1]
    return next(path for path in (package / "_templates", package.parent / "templates") if path.is_dir())


@lru_cache(maxsize=8)
def _environment(templates_dir: Path | None) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if templates_dir and not templates_dir.is_dir():
        raise TemplateError(f"the templates folder {templates_dir} does not exist", hint="check templates_dir")
    directories = [path for path in (templates_dir, builtin_templates()) if path]
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(directories),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # text proto, YAML and shell, not HTML: filters quote
    )
    environment.filters.update(FILTERS)
    return environment


def _render(environment: Environment, template: str, /, **values: object) -> str:
    import jinja2

    try:
        return environment.get_template(f"{template}.j2").render(values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or template + '.j2'}, line {error.lineno}: {error.message}") from error
    except jinja2.TemplateError as error:
        raise TemplateError(f"{template}.j2: {error.message}") from error
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise TemplateError(f"{template}.j2: {error}") from error


def _check_models(text: str, models: Sequence[ServedModel], models_root: str) -> None:
    """Raise TemplateError unless the text has exactly these models, versions and labels."""
    expected = _model_server_config(models, models_root)
    # protobuf prints a message in C code; parsing text is fifty times slower. Several labels of a model are printed in
    # no fixed order: then the text is parsed.
    if text == str(expected):
        return
    if _served_models(_parse(MODEL_CONFIG, text, type(expected))) != _served_models(expected):
        raise TemplateError(
            f"{MODEL_CONFIG}.j2 renders other models, versions or labels than requested",
            hint="compare `deployer render NAME` with the template in your templates folder",
        )


def _model_server_config(models: Sequence[ServedModel], models_root: str) -> Message:
    message = message_class("tensorflow.serving.ModelServerConfig")()
    for model in models:
        entry = message.model_config_list.config.add(
            name=model.name,
            base_path=f"{models_root}/{model.name}",
            model_platform="tensorflow",
            version_labels=dict(model.labels),
        )
        entry.model_version_policy.specific.versions.extend(model.versions)
    return message


def _served_models(config: Message) -> list[ServedModel]:
    """Return the models, versions and labels of a ModelServerConfig. Templates may choose base paths and platforms."""
    return [
        ServedModel(
            entry.name,
            tuple(entry.model_version_policy.specific.versions),
            tuple(sorted(entry.version_labels.items())),
        )
        for entry in config.model_config_list.config
    ]


def _parse(name: str, text: str, message_class: type[Message]) -> Message:
    try:
        return text_syntax.parse(text.encode(), message_class())
    except (text_syntax.TextSyntaxError, UnicodeEncodeError) as error:
        raise TemplateError(f"{name}.j2 renders what TensorFlow Serving cannot parse: {error}") from error
