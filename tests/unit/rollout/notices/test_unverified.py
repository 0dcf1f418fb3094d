"""A change without verification says so."""

from __future__ import annotations

import pytest

from deployer.results.changes import UpResult


def said(result: UpResult) -> bool:
    return any("nothing is verified" in text and "--skip-gate" in text for text in result.notices)


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_skipped_gate_is_noted_for_every_change_of_the_server(project, dry_run):
    assert said(project.up(skip_gate=True, dry_run=dry_run))
    assert not said(project.up())
    assert said(project.redeploy(2, skip_gate=True, dry_run=dry_run))
    assert not said(project.redeploy(2))
    assert said(project.rollback(skip_gate=True, dry_run=dry_run))


def test_a_skipped_gate_is_not_noted_where_nothing_changes(serving):
    assert not said(serving.up(skip_gate=True))
