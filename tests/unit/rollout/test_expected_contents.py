"""`up --expect` covers what the versions of the store have inside, not only their numbers."""

from __future__ import annotations

import pytest
from support.memory.linear import Linear
from support.memory.project import NAME, Project

import deployer
from deployer.errors import PlanOutdated


@pytest.mark.parametrize("served", [None, f"{NAME}:2"])
def test_a_version_of_the_same_number_and_other_content_is_another_plan(project: Project, served):
    if served:
        project.up(served)
    shown = project.up(f"{NAME}:1", dry_run=True).plan
    project.store.remove(NAME, 1)
    project.publish(1, linear=Linear(9.0, 9.0))
    assert project.up(f"{NAME}:1", dry_run=True).plan.digest != shown.digest
    with pytest.raises(PlanOutdated):
        deployer.up(f"{NAME}:1", settings=project.settings(), expect=shown.digest)


def test_the_plan_that_was_shown_is_executed(project: Project):
    shown = project.up(f"{NAME}:1", dry_run=True).plan
    assert deployer.up(f"{NAME}:1", settings=project.settings(), expect=shown.digest).plan.digest == shown.digest
