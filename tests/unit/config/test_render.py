"""Rendering: exact text protos that TensorFlow Serving's own messages read back, whatever the strings hold."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from deployer.config import render, templates
from deployer.config.spec import Batching, Monitoring
from deployer.errors import TemplateError
from deployer.results.launch import BATCHING_CONFIG, MODEL_CONFIG, MONITORING_CONFIG
from deployer.results.served import ServedModel
from deployer.savedmodel.messages import message_class
from deployer.server import declared


def config_of(text: str):
    return text_format.Parse(text, message_class("tensorflow.serving.ModelServerConfig")())


def test_models_versions_and_labels_are_rendered_exactly():
    models = [ServedModel("a", (1, 3), (("canary", 3), ("stable", 1))), ServedModel("b", (7,))]
    config = config_of(render.render(models, "/models").files[MODEL_CONFIG])
    first, second = config.model_config_list.config
    assert (first.name, first.base_path, first.model_platform) == ("a", "/models/a", "tensorflow")
    assert list(first.model_version_policy.specific.versions) == [1, 3]
    assert dict(first.version_labels) == {"canary": 3, "stable": 1}
    assert (second.name, list(second.model_version_policy.specific.versions)) == ("b", [7])


def test_the_text_is_what_the_message_itself_prints_so_that_thousands_of_models_need_no_parsing():
    labelled = ServedModel("a", (1, 2, 3, 4), (("stable", 3),))
    models = [labelled, ServedModel("some other-model.2", (7,)), ServedModel("c", ())]
    text = render.render(models, "/models").files[MODEL_CONFIG]
    assert text == str(config_of(text))


@given(st.text(min_size=1, max_size=40))
def test_no_name_can_smuggle_in_a_field(name):
    config = config_of(render.render([ServedModel(name, (1,))], "/models").files[MODEL_CONFIG])
    assert [entry.name for entry in config.model_config_list.config] == [name]
    assert config.model_config_list.config[0].base_path == f"/models/{name}"


def test_batching_and_monitoring_are_rendered_if_configured():
    batching = Batching(max_batch_size=8, allowed_batch_sizes=(1, 8))
    files = render.render([ServedModel("a", (1,))], "/models", batching, Monitoring(path="/m")).files
    parsed = text_format.Parse(files[BATCHING_CONFIG], declared.message_class(declared.BATCHING)())
    assert (parsed.max_batch_size.value, list(parsed.allowed_batch_sizes)) == (8, [1, 8])
    monitoring = text_format.Parse(files[MONITORING_CONFIG], declared.message_class(declared.MONITORING)())
    assert (monitoring.prometheus_config.enable, monitoring.prometheus_config.path) == (True, "/m")


def test_without_them_there_is_only_the_model_config():
    files = render.render([ServedModel("a", (1,))], "/models", None, Monitoring(enabled=False)).files
    assert list(files) == [MODEL_CONFIG]


def own_template(directory, text: str) -> None:
    (directory / "model_config.config.j2").write_text(text)


def test_a_template_of_the_users_own_wins_and_the_rest_come_from_deployer(tmp_path):
    own_template(tmp_path, "# ours\n{% include 'base.j2' %}")
    (tmp_path / "base.j2").write_text((templates.builtin_templates() / "model_config.config.j2").read_text())
    files = render.render([ServedModel("a", (1,))], "/models", Batching(), None, tmp_path).files
    assert files[MODEL_CONFIG].startswith("# ours\n")
    assert BATCHING_CONFIG in files


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{% for %}", "line 1"),
        ("model_config_list { config { nam: 'x' } }", "cannot parse"),
        ("", "renders other models"),
        ("{% include 'not_there.j2' %}", "not_there.j2"),
        ("{{ models.__class__.__mro__ }}", "unsafe"),
        ("{{ 1 // 0 }}", "model_config.config.j2"),
        (
            "model_config_list { {% for m in models %} config { name: {{ m.name | pbtxt }} base_path: '/x'"
            " model_platform: 'tensorflow' model_version_policy { all {} } } {% endfor %} }",
            "renders other models, versions or labels",
        ),
    ],
)
def test_a_template_that_goes_wrong_is_named(tmp_path, template, says):
    own_template(tmp_path, template)
    with pytest.raises(TemplateError) as refused:
        render.render([ServedModel("a", (1,))], "/models", templates_dir=tmp_path)
    assert says in refused.value.message


def test_a_missing_templates_directory_is_an_error(tmp_path):
    with pytest.raises(TemplateError, match="does not exist"):
        render.render([ServedModel("a", (1,))], "/models", templates_dir=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("wrong", "place"),
    [("1_0", "1:"), ("+10", "1:"), ("0b10", "1:"), ("\u00a010", "1:"), ("0o12", "1:"), ("\u0661\u0660", "1:")],
)
def test_a_template_that_only_python_could_parse_is_refused_with_its_place(tmp_path, wrong, place):
    (tmp_path / "batching_parameters.config.j2").write_text(f"max_batch_size {{ value: {wrong} }}\n")
    with pytest.raises(TemplateError, match=rf"batching_parameters\.config\.j2 .*{place}\d+: "):
        render.render([], "/models", Batching(), templates_dir=tmp_path)
