"""`doctor`: check whether this machine can deploy: engines, settings, TensorFlow, disk, memory, store and ports."""

from __future__ import annotations

import contextlib
import importlib.metadata
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

from deployer.config import hosts, threads
from deployer.config.options import Settings
from deployer.errors import DeployerError
from deployer.results.checks import DoctorResult, Finding, MissingPackages
from deployer.results.model import Model
from deployer.rollout import lookup, port_findings
from deployer.rollout.causes import image_change
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.kept_settings import keep_settings
from deployer.rollout.launch import check_gpus, check_settings
from deployer.rollout.preflight import check_other_engines, check_sources
from deployer.rollout.preview import check_versions, resolve_with_labels
from deployer.rollout.restart import restart_hint
from deployer.rollout.setting_errors import name_origin
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.savedmodel.layout import find_misplaced
from deployer.store.store import Store
from deployer.system.files import chmod_command, first_unreadable
from deployer.system.packages import install_line, missing_packages

LOW_DISK_BYTES = 2 << 30
OLDEST_TENSORFLOW = (2, 15)
MEMORY_FACTOR = 2.4
"""A change loads two versions, each a fifth larger than on disk."""

SERVER_BYTES = 150 << 20
"""Memory of TensorFlow Serving without a model."""


def doctor(*, settings: Settings | None = None) -> DoctorResult:
    """Return findings with severity and remedy. Raises ConfigError."""
    workspace = _as_deployed(open_workspace(settings or Settings()))
    findings = [finding for check in CHECKS for finding in _run(check, workspace)]
    first = {(each.severity, each.message): each for each in reversed(findings)}
    return DoctorResult(tuple(each for each in findings if each is first[each.severity, each.message]))


def _as_deployed(workspace: Workspace) -> Workspace:
    """Return the workspace with the container settings that the deployment keeps, as `up` has.

    It is that of `deployer.toml`, or the only one.
    """
    with contextlib.suppress(DeployerError):  # none or several; the checks report other errors
        name = lookup.deployment_name(workspace, None)
        engine = workspace.for_deployment(name).engine
        others = tuple(other for other in workspace.engines if other is not engine)
        named = replace(workspace, spec=replace(workspace.spec, name=name), engines=(engine, *others))
        return keep_settings(named, engine.foresee(name, workspace.spec.env), of_file=False)
    return workspace


# An error of a check is a finding, too.
def _run(check: Callable[[Workspace], Iterator[Finding]], workspace: Workspace) -> list[Finding]:
    try:
        return list(check(workspace))
    except DeployerError as error:
        return [Finding(check.__name__.strip("_").replace("_", " "), "error", error.message, error.hint or "")]


def _engines(workspace: Workspace) -> Iterator[Finding]:
    if workspace.docker_problem:
        remedy = "start it, or use --engine embedded"
        yield Finding("docker engine", "warning", f"engine auto does not use it: {workspace.docker_problem}", remedy)
    for engine in workspace.engines:
        findings = [_for_light_host(finding, workspace) for finding in engine.preflight.platform()]
        yield from findings or (Finding(f"{engine.traits.name} engine", "ok", "answers"),)
        if all(finding.severity != "error" for finding in findings):
            yield from engine.preflight.models(_newest(workspace.store))


def _for_light_host(finding: Finding, workspace: Workspace) -> Finding:
    """Return missing packages of the embedded server as a warning where Docker takes the deployments."""
    is_optional = isinstance(finding, MissingPackages) and len(workspace.engines) > 1
    return replace(finding, severity="warning") if is_optional else finding


def _newest(store: Store) -> tuple[Model, ...]:
    newest = (store.newest(name) for name in store.names())
    return tuple(model for model in newest if model)


def _settings(workspace: Workspace) -> Iterator[Finding]:
    """Check the settings, and the models that `deployer.toml` lists, as `up` does before it starts anything."""
    spec = workspace.spec
    if spec.models:
        workspace = workspace.for_deployment(spec.deployment)
    else:
        workspace = workspace.with_spec(replace(spec, name=spec.name or "model"))  # of a target, which has a name
    spec, engine = workspace.spec, workspace.engine
    if any(finding.severity == "error" for finding in engine.preflight.platform()):
        return  # `up` fails for that first
    options = ExportOptions().for_batching(spec.batching)
    check_settings(spec, engine, workspace.origins)
    with name_origin(workspace):
        check_gpus(spec)
    if not engine.traits.machine:
        hosts.check_family(spec.server.address)
    if spec.models:
        check_other_engines(workspace, spec.deployment)
        check_sources(spec, options)
        check_versions(workspace, options)
    resolve_with_labels(workspace, (), None)
    yield Finding("settings", "ok", f"the {engine.traits.name} engine can honour them")


def _tensorflow(_: Workspace) -> Iterator[Finding]:
    try:
        version = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        message = "TensorFlow is not installed: this machine deploys stored versions on Docker, and cannot export"
        yield Finding("tensorflow", "warning", message, install_line(missing_packages()))
        return
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_TENSORFLOW:
        yield Finding("tensorflow", "error", f"TensorFlow {version} is older than 2.15", "pip install -U tensorflow")
    else:
        yield Finding("tensorflow", "ok", f"TensorFlow {version}")


def _store(workspace: Workspace) -> Iterator[Finding]:
    root = workspace.store.root
    names = workspace.store.names()
    if not names:
        remedy = f"deployer export SOURCE{workspace.store_options} makes the first version"
        yield Finding("store", "warning", f"{root} holds no models", remedy)
    for newest in _newest(workspace.store):
        yield from _version(newest, workspace.store_options)
    for each in find_misplaced(root):
        yield Finding("store", "warning", each.reason, each.remedy)


def _version(model: Model, options: str) -> Iterator[Finding]:
    label = f"{model.name}:{model.version}"
    if level := first_unreadable(model.path, model.path.parents[1]):
        text = f"{label} is not readable by every user, and servers run as nobody: {level} is closed"
        yield Finding("store", "warning", text, chmod_command(level, model.path))
    elif not model.golden.cases:
        remedy = f"deployer export SOURCE --name {model.name} --force{options} makes a version that has some"
        yield Finding("store", "warning", f"{label} has no golden answers, so it cannot be verified", remedy)
    else:
        yield Finding("store", "ok", f"{label}, {model.golden.cases} golden answers")


def _disk(workspace: Workspace) -> Iterator[Finding]:
    existing = next(path for path in (workspace.store.root, *workspace.store.root.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 2**30:.1f} GiB free below {existing}"
    if free < LOW_DISK_BYTES:
        remedy = f"deployer versions{workspace.store_options} shows the size of each version"
        yield Finding("disk", "warning", text, remedy)
    else:
        yield Finding("disk", "ok", text)


def _memory(workspace: Workspace) -> Iterator[Finding]:
    import psutil

    if workspace.engine.traits.replicated:
        yield Finding("memory", "ok", "not known of the nodes: swarm.reserve_memory has Swarm choose those with enough")
        return
    if machine := workspace.engine.traits.machine:
        yield Finding("memory", "ok", f"not known of {machine}, where servers run")
        return
    needed = _needed(workspace.store)
    free = psutil.virtual_memory().available
    text = f"{_gibibytes(free)} free; changing the largest model needs about {_gibibytes(needed)}"
    if needed > free:
        yield Finding("memory", "warning", text, "stop something, or deploy with `down` and `up` instead of a change")
    else:
        yield Finding("memory", "ok", text)


def _container_memory(workspace: Workspace) -> Iterator[Finding]:
    """Compare the memory limit of containers with the largest model."""
    limit = workspace.spec.docker.memory_bytes
    if limit is None or not any(engine.traits.image for engine in workspace.engines):
        return
    needed = _needed(workspace.store) + SERVER_BYTES
    text = f"docker.memory is {_gibibytes(limit)}; a server and a change of the largest model need {_gibibytes(needed)}"
    if limit < needed:
        yield Finding("memory", "warning", text, "raise docker.memory: a container that needs more is killed")
    else:
        yield Finding("memory", "ok", text)


def _needed(store: Store) -> int:
    return int(MEMORY_FACTOR * max((model.info.size_bytes for model in _newest(store)), default=0))


def _gibibytes(number: int) -> str:
    return f"{number / 2**30:.2f} GiB"


def _registry(workspace: Workspace) -> Iterator[Finding]:
    """Check whether the image of servers without a store has a registry, and whether the engine reaches it."""
    if not workspace.engine.traits.in_image:
        return
    from deployer.rollout import built_image

    built_image.check_repository(workspace)
    if built_image.repository(workspace):
        yield built_image.registry_finding(workspace)
    else:
        yield Finding("registry", "ok", "none is needed: the Swarm has one node, which has the image")


def _deployments(workspace: Workspace) -> Iterator[Finding]:
    """Find servers that are lost or not running, lost versions, and images whose tag has moved."""
    for engine in workspace.engines:
        for lost in engine.inventory.lost():
            text = f"{lost.name} [{lost.env}] runs as process {lost.pid}, and its state directory is lost"
            remedy = f"deployer down {workspace.cli_target(lost.name, lost.env)} ends it"
            yield Finding("deployments", "error", text, remedy)
        deployments = engine.inventory.observe_all()
        images = engine.images.find({each.image_name for each in deployments if each.image_name})
        for deployment in deployments:
            store = Store(deployment.store) if deployment.store else workspace.store
            label = f"{deployment.name} [{deployment.env}]"
            if not deployment.running or deployment.paused:
                state = "paused" if deployment.paused else "not running"
                yield Finding("deployments", "error", f"{label} is {state}", restart_hint(workspace, deployment))
            elif note := deployment.replicas_note:
                yield Finding("deployments", "warning", f"{label}: {note}", "docker service ps shows why")
            elif moved := image_change(images.get(deployment.image_name), deployment):
                remedy = restart_hint(workspace, deployment, "replaces the server")
                yield Finding("deployments", "warning", f"{label}: {moved}", remedy)
            for version in store.missing_versions(deployment.models):
                text = f"{label} serves {version}, which is no longer in {store.root}"
                yield Finding("deployments", "error", text, "put it back, or deploy another version")


def _grpc_threads(workspace: Workspace) -> Iterator[Finding]:
    flags = threads.with_default_threads(workspace.spec.server.flags)
    if lack := threads.low_threads_warning(flags):
        yield Finding("server", "warning", f"{lack}; {threads.REASON}", threads.REMEDY)
    else:
        yield Finding(
            "server", "ok", f"{threads.GRPC_MAX_THREADS} is {flags[threads.GRPC_MAX_THREADS]}: {threads.REASON}"
        )


CHECKS = (
    _engines,
    _settings,
    _tensorflow,
    _store,
    _disk,
    _memory,
    _container_memory,
    _registry,
    port_findings.ports,
    _grpc_threads,
    _deployments,
)
