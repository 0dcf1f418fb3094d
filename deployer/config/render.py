"""Renders the files that a server reads, and parses each with TensorFlow Serving's own messages before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.config.spec import Batching, Monitoring
from deployer.config.templates import render_template
from deployer.errors import TemplateError
from deployer.results.launch import BATCHING_CONFIG, MODEL_CONFIG, MONITORING_CONFIG, Rendered
from deployer.results.served import ServedModel
from deployer.savedmodel.messages import message_class
from deployer.server import declared, text_syntax

if TYPE_CHECKING:
    from google.protobuf.message import Message


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
    files = {MODEL_CONFIG: render_template(MODEL_CONFIG, templates_dir, models=entries)}
    _check_models(files[MODEL_CONFIG], models, models_root)
    if batching:
        files[BATCHING_CONFIG] = render_template(BATCHING_CONFIG, templates_dir, batching=batching)
        _parse(BATCHING_CONFIG, files[BATCHING_CONFIG], declared.message_class(declared.BATCHING))
    if monitoring and monitoring.enabled:
        files[MONITORING_CONFIG] = render_template(MONITORING_CONFIG, templates_dir, monitoring=monitoring)
        _parse(MONITORING_CONFIG, files[MONITORING_CONFIG], declared.message_class(declared.MONITORING))
    return Rendered(files)


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
            hint="compare `deployer render NAME` with the template in your templates directory",
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
