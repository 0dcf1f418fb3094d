"""`--out`: a base, and an overlay for each environment that differs from it in patches only."""

from __future__ import annotations

import pytest
import yaml
from support import kustomize


def by_name(objects):
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


@pytest.mark.parametrize("env", ["staging", "production"])
def test_the_base_with_an_overlay_is_what_is_printed_for_the_environment(rich, env):
    built = by_name(kustomize.build(rich.files(), f"overlays/{env}"))
    assert built == by_name(rich.objects("k8s", "--env", env).values())
    assert {each["metadata"]["namespace"] for each in built.values()} == {env}


def test_the_base_is_the_document_without_overlays(rich):
    assert by_name(kustomize.build(rich.files(), "base")) == by_name(rich.objects().values())
    rich.write("[models.text]\n[kubernetes]\nmodels_claim = 'm'\n[env.local.server]\nrest_port = 9501\n")
    files = rich.files()
    assert "server.rest_port" in rich.run("render", "k8s", code=3).err
    assert {name.partition("/")[0] for name in files} == {"base"}


def test_an_overlay_holds_what_differs(rich):
    files = rich.files()
    staging = {name for name in files if name.startswith("overlays/staging/")}
    assert staging == {"overlays/staging/kustomization.yaml", "overlays/staging/deployment-pricing-patch.yaml"}
    assert yaml.safe_load(files["overlays/staging/deployment-pricing-patch.yaml"]) == [
        {"op": "replace", "path": "/spec/replicas", "value": 1}
    ]
    assert "overlays/production/hpa.yaml" in files


def test_a_change_of_the_configuration_replaces_the_pods(rich):
    """The ConfigMap has a name of its own, so that a rollback of the Deployment returns to the old one."""
    base = by_name(kustomize.build(rich.files(), "base"))
    production = by_name(kustomize.build(rich.files(), "overlays/production"))
    names = []
    for objects in (base, production):
        (config,) = (name for kind, name in objects if kind == "ConfigMap")
        assert objects["ConfigMap", config]["immutable"] is True
        volumes = objects["Deployment", "pricing"]["spec"]["template"]["spec"]["volumes"]
        assert {each["configMap"]["name"] for each in volumes if "configMap" in each} == {config}
        names.append(config)
    assert names[0] != names[1]


@pytest.mark.parametrize("way", ["option", "variable"])
def test_one_environment_is_not_chosen_for_a_directory_with_all(rich, monkeypatch, way):
    if way == "variable":
        monkeypatch.setenv("DEPLOYER_ENV", "staging")
    options = ("--env", "staging") if way == "option" else ()
    says = "--env" if way == "option" else "DEPLOYER_ENV"
    assert says in rich.run("render", "k8s", *options, "--out", "out", code=2).err
    assert not (rich.directory / "out").exists()


def test_an_error_names_the_environment_and_nothing_is_written(rich):
    text = (rich.directory / "deployer.toml").read_text()
    rich.write(text + '[env.edge]\ndocker.restart = "no"\n')
    assert "env.edge.docker.restart" in rich.run("render", "k8s", "--out", "out", code=3).err
    assert not (rich.directory / "out").exists()


def test_environments_that_would_replace_each_other_are_noted(rich):
    rich.write("[models.text]\n[kubernetes]\nmodels_claim = 'm'\n[env.a]\n[env.b]\n")
    assert "env.b.kubernetes.namespace" in rich.run("render", "k8s", "--out", "out").err
    rich.write("[models.text]\n[kubernetes]\nmodels_claim = 'm'\n[env.a]\n[env.b]\nkubernetes.namespace = 'b'\n")
    assert "env.b.kubernetes.namespace" not in rich.run("render", "k8s", "--out", "out", "--force").err
