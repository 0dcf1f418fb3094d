"""Which project a container or network belongs to, by labels and name. Those of other projects are never changed.

Any user can write labels. So they count only if they agree with one another, with the container's name, and with the
directories that they name: one of these is deleted with the deployment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from deployer.config.project import PROJECT as PROJECT_NAME
from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.names import LABEL, PROJECT, container_name
from deployer.engines.run_dir import env_dir_name
from deployer.results.model import NAME

PROJECT_PREFIX = re.compile(r"deployer-([a-z0-9][a-z0-9_-]*)\.")


@dataclass(frozen=True)
class Ownership:
    """One project in one state directory. The empty project has what was made before there were projects."""

    project: str
    state_dir: Path

    def owns(self, container: ContainerSummary) -> bool:
        """Return whether a container is a server or gateway of this project, and may be changed."""
        return self.claimed(container) and not label_conflict(container, self.project)

    def owns_network(self, labels: Mapping[str, str], name: str) -> bool:
        """Return whether a network was made for a deployment of this project."""
        return labels.get(PROJECT) == self.project and _is_named_for(labels, name, self.project)

    def claimed(self, container: ContainerSummary) -> bool:
        """Return whether a container claims to be this project's.

        One without a project label is from before there were projects: its name or its directories tell.
        """
        if not is_started_by_us(container):
            return False
        labels = container.labels
        if PROJECT in labels:
            return labels[PROJECT] == self.project
        if not self.project:
            return not self.is_from_here(labels) and project_from_name(container) == ""
        return project_from_name(container) == self.project or (
            project_from_name(container) == "" and self.is_from_here(labels)
        )

    def is_from_here(self, labels: Mapping[str, str]) -> bool:
        """Return whether the directories in the labels lie in this state directory."""
        root = self.state_dir.resolve()
        return any(PurePath(labels.get(f"{LABEL}{key}", "")).is_relative_to(root) for key in ("folder", "gateway"))


def is_started_by_us(container: ContainerSummary) -> bool:
    """Return whether a command of this tool started a container: a rendered one has neither release nor gateway."""
    labels = container.labels
    return f"{LABEL}name" in labels and bool({f"{LABEL}release", f"{LABEL}generation"} & set(labels))


def project_from_name(container: ContainerSummary) -> str | None:
    """Return the project in a container's name, empty for a name without one; None for any other name."""
    name = container.name
    match = PROJECT_PREFIX.match(name)
    for project in ([match[1]] if match else []) + [""]:
        if _is_named_for(container.labels, name, project):
            return project
    return None


def project_of(container: ContainerSummary) -> str | None:
    """Return the project of a container that a command of this tool started; None if that is unknown."""
    labelled = container.labels.get(PROJECT)
    project = project_from_name(container) if labelled is None else labelled
    if project is None or label_conflict(container, project) or (project and not PROJECT_NAME.fullmatch(project)):
        return None
    return project


def label_conflict(container: ContainerSummary, project: str) -> str | None:
    """Return why the labels of a container are not trusted, or None."""
    labels = container.labels
    named = project_from_name(container)
    if named != project and not (named == "" and PROJECT not in labels):
        return "its name is not one that deployer gives it"
    env_dirs = {
        env_dir_name(each, labels[f"{LABEL}env"]) for each in (project, "")
    }  # an adopted gateway keeps its directory
    for key, directory_kind in (("folder", "docker"), ("gateway", "gateway")):
        value = labels.get(f"{LABEL}{key}")
        if value is not None and not _is_managed_path(PurePath(value), directory_kind, env_dirs, labels):
            return f"its label {LABEL}{key} leads elsewhere"
    return None


def _is_managed_path(path: PurePath, directory_kind: str, env_dirs: set[str], labels: Mapping[str, str]) -> bool:
    """Return whether a path is one that deployer makes: STATE_DIR/KIND/ENV@PROJECT/NAME, with the release below it."""
    tail = path.parts[-4:-1] if directory_kind == "docker" else path.parts[-3:]
    if ".." in path.parts or not path.is_absolute() or len(tail) < 3:
        return False
    return tail[0] == directory_kind and tail[1] in env_dirs and tail[2] == labels[f"{LABEL}name"]


def _is_named_for(labels: Mapping[str, str], full_name: str, project: str) -> bool:
    """Return whether a container or network has the name of the deployment in its labels."""
    name, env = labels.get(f"{LABEL}name", ""), labels.get(f"{LABEL}env", "")
    if not NAME.fullmatch(name) or not NAME.fullmatch(env):
        return False
    base = container_name(project, name, env)
    return full_name == base or full_name.startswith(f"{base}-")
