"""What a reader of the manifests is told: who reaches the Service from outside, and whether anything protects it."""

from __future__ import annotations

import pytest

DOCUMENT = "[models.text]\n[kubernetes]\nmodels_claim = 'm'\n"


def notices(project, text: str, *arguments: str) -> list[str]:
    project.write(DOCUMENT + text)
    found = project.run("render", "k8s", *arguments, "--json").json["notices"]
    return [each for each in found if "no token" in each]


def test_an_ingress_without_a_certificate_is_noted(project):
    assert notices(project, "") == []
    (noted,) = notices(project, "host = 'a.example'\n")
    assert all(text in noted for text in ("a.example", "no TLS", "kubernetes.tls_secret"))
    (noted,) = notices(project, "[env.staging.kubernetes]\nhost = 'a.example'\n", "--out", "out")
    assert "[staging]" in noted


@pytest.mark.parametrize("text", ["tls_secret = 's'", "gateway = 'g'"])
def test_with_a_certificate_no_token_is_left(project, text):
    (noted,) = notices(project, f"host = 'a.example'\n{text}\n")
    assert "no TLS" not in noted
