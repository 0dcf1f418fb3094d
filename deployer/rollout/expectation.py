"""The plan that `up --expect DIGEST` may execute: the one that was shown, as its exports turn out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from deployer.config.spec import Spec
from deployer.errors import PlanOutdated
from deployer.results.deployment import Deployment
from deployer.results.model import Model
from deployer.results.plan import Plan
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import ONLY_RUNNING_TELLS
from deployer.rollout.preview import Preview, preview_change
from deployer.rollout.workspace import Workspace


@dataclass(frozen=True)
class Expectation:
    """A plan that was shown, with what it was decided from."""

    workspace: Workspace
    observed: Deployment | None
    last: Deployment | None
    """What was observed, or what the history has of a deployment that no engine has any more."""

    preview: Preview

    def plan_after_exports(self, exported: Spec, created: Iterable[Model]) -> Plan:
        """Return the plan that follows the exports, decided from the deployment as it was when the plan was shown.

        `exported` is the spec with the versions of its sources. An export of which only running it tells whether it
        makes a version may find its content in the store; every other export makes the version that was shown. Raises
        PlanOutdated for a source that has changed since.
        """
        created = tuple(created)
        new = {model.name: model.version for model in created}
        exports = self.preview.exports
        self.check_sources(created)
        unchanged = {step.model for step in exports if step.cause == ONLY_RUNNING_TELLS and step.model not in new}
        as_shown = all(new.get(step.model) == step.version for step in exports if step.model not in unchanged)
        if not unchanged or not as_shown:
            return self.preview.plan
        models = {name: dataclasses.replace(model, source=None) for name, model in exported.models.items()}
        spec = dataclasses.replace(self.workspace.spec, models=models)
        plan = preview_change(self.workspace.with_spec(spec), ExportOptions(), self.observed, self.last).plan
        return dataclasses.replace(plan, recovery=self.preview.plan.recovery)

    def check_sources(self, created: Iterable[Model]) -> None:
        """Refuse versions that were exported from another content than was shown. Raises PlanOutdated."""
        shown = {step.model: step for step in self.preview.exports if step.content}
        for model in created:
            step = shown.get(model.name)
            if step is not None and step.content != model.source.digest:
                raise PlanOutdated(f"{step.source} has changed since the plan was shown")
