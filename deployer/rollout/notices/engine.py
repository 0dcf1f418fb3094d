"""Notices about the engine: why it was chosen, and a variable that overrides the file. An error carries them, too."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.results.deployment import Deployment
from deployer.results.plan import machine_note
from deployer.rollout import other_engines
from deployer.rollout.workspace import Workspace

KEY = "engine"


def notices(workspace: Workspace, observed: Deployment | None) -> Iterator[str]:
    """Yield the notices about the engine of a deployment; `observed` is None for a new one."""
    if observed is None and (choice := _choice(workspace)):
        yield choice
    spec = workspace.spec
    if observed is None and (elsewhere := other_engines.note(workspace, spec.deployment, spec.env)):
        yield f"{elsewhere}: {other_engines.hint(workspace, 'status', spec.deployment, spec.env)} shows that one"
    origins, engine = workspace.origins, workspace.spec.engine
    variable, in_file = origins.variables.get(KEY, ""), origins.file.get(KEY, engine)
    if origins.of(KEY) == variable != "" and in_file != engine:
        yield f"{variable}={engine} overrides engine = {in_file} in {origins.file_name}"


def _choice(workspace: Workspace) -> str:
    if workspace.docker_problem:
        return f"the embedded engine was chosen: {workspace.docker_problem}"
    traits = workspace.engine.traits
    if workspace.spec.engine != "auto" or traits.name != "docker":
        return ""
    engine = f"the docker engine{machine_note(traits.address, traits.selected_by)} was chosen"
    reason = "a setting selects it" if traits.selected_by else "one answers"
    return f"{engine}: {reason}; its servers run {workspace.spec.docker.image}"
