"""Notices about what a deploy chose by itself: the ports, the address, the image, kept settings."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from deployer import engines
from deployer.config import loader, threads
from deployer.results.deployment import DEFAULT_ENV, GONE, GRPC_PORT, REST_PORT, Deployment, cli_name
from deployer.results.launch import Launch
from deployer.rollout import gone, other_deployments
from deployer.rollout.addresses import exposure, taken_by
from deployer.rollout.notices import overrides
from deployer.rollout.workspace import Workspace


def notices(
    workspace: Workspace, launch: Launch, observed: Deployment | None, deployed: Deployment | None
) -> tuple[str, ...]:
    """Return the notices about the choices of a launch; `deployed` is its result, None for a preview.

    `observed` is the last state of the deployment, also if the history alone has it.
    """
    gateway = workspace.spec.gateway
    is_new = observed is None or observed.role == GONE
    exposed = exposure(
        launch.host,
        tls=gateway.enabled and gateway.tls,
        tokens=gateway.enabled and gateway.tokens is not None,
        of_nodes=workspace.engine.traits.replicated,
        machine=workspace.engine.traits.machine,
    )
    texts = (
        _stopped(observed) if observed else "",
        observed.config_note if observed else "",
        deployed.replicas_note if deployed else "",
        workspace.unchecked_engine,
        _environment(workspace) if is_new else "",
        *(_other_directories(workspace, launch) if is_new else ()),
        _store(workspace, observed),
        *_ports(workspace, launch, observed, deployed),
        _kept_ports(workspace, launch, observed, deployed),
        _address(launch, observed),
        _image(workspace, launch, observed),
        _unused_image(workspace),
        *workspace.kept.notices,
        *overrides.notices(workspace, _serving(observed, deployed)),
        exposed,
        _nobody_admitted(workspace),
        deployed.reach_note if deployed else "",
        threads.low_threads_warning(workspace.spec.server.flags),
    )
    return tuple(filter(None, texts))


def _environment(workspace: Workspace) -> str:
    """Return the notice about a new environment whose name is similar to that of another one."""
    spec = workspace.spec
    if spec.env == DEFAULT_ENV:
        return ""
    keys = {key for engine in workspace.engines for key in engine.inventory.names()} - {(spec.deployment, spec.env)}
    known = {env for _, env in keys} | set(loader.environments(workspace.settings.config))
    near = difflib.get_close_matches(spec.env, known, n=1)
    return f"[{spec.env}] is a new environment: did you mean --env {near[0]}?" if near and spec.env not in known else ""


def _other_directories(workspace: Workspace, launch: Launch) -> Iterator[str]:
    """Yield the notices about a new deployment that the project has in another state directory, too."""
    for text, other in other_deployments.second_deployments(workspace, launch.key):
        yield f"{text} is deployed from another state directory, too: {other.option} changes that one"


def _image(workspace: Workspace, launch: Launch, observed: Deployment | None) -> str:
    desired = workspace.spec.docker.image
    if observed is None or observed.image_name in ("", desired) or launch.in_image:  # then it is what was asked for
        return ""
    if launch.image is not None and launch.image.id == observed.image_id:
        return ""
    origin = workspace.origins.of("docker.image")
    reason = f"as {origin} says" if origin else "the default: no file, variable or option sets another image"
    return f"the image changes from {observed.image_name} to {desired}, {reason}"


def _unused_image(workspace: Workspace) -> str:
    """Return the notice about a variable with an image, where the target is one; a Swarm builds the target on it."""
    key, origins = "docker.image", workspace.origins
    if key not in origins.targets or key not in origins.variables or workspace.engine.traits.replicated:
        return ""
    return f"{origins.variables[key]} is not used: {workspace.spec.docker.image} has the models inside"


def _nobody_admitted(workspace: Workspace) -> str:
    """Return the notice that no client has a token for the gateway."""
    gateway = workspace.spec.gateway
    if not gateway.enabled or gateway.tokens is None or not gateway.tokens.is_file():
        return ""
    from deployer.engines.docker.gateway import tokens

    if tokens.read(gateway.tokens):
        return ""
    options = f"{cli_name('', workspace.spec.env)}{workspace.settings.typed('config')}"
    create = f"{tokens.CREATE_COMMAND}{options}"
    return f"{gateway.tokens} has no token: the gateway refuses every client; {create} makes one, for the next up"


def _stopped(observed: Deployment) -> str:
    if observed.role == GONE:
        return gone.note(observed)
    if observed.paused_component:
        return f"{observed.silence}: this resumes it"
    return "" if observed.running else "its server was not running: this starts another"


def _store(workspace: Workspace, observed: Deployment | None) -> str:
    # Another --models-dir, or another directory of the same name, which is the same project on an engine.
    store = workspace.spec.models_dir.resolve()
    if observed is None or observed.store in (None, store):
        return ""
    if observed.in_image and workspace.engine.traits.in_image:  # both are copies of what an image has
        return ""
    stores = f"it was deployed from the store {observed.store}, and this deploys from the store {store}"
    return "; ".join(filter(None, (stores, other_deployments.own_project_hint(workspace, observed))))


def _address(launch: Launch, observed: Deployment | None) -> str:
    if observed is None or observed.host in ("", launch.host):
        return ""
    return f"the address changes from {observed.host} to {launch.host}, as server.host or --host says"


def _ports(
    workspace: Workspace, launch: Launch, observed: Deployment | None, deployed: Deployment | None
) -> Iterator[str]:
    """Yield a notice for each port that is not the expected one, though none was configured."""
    rest, grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
    new_rest, new_grpc = (deployed.rest_port, deployed.grpc_port) if deployed else (None, None)
    if launch.rest_port is None:
        yield _port(workspace, rest or REST_PORT, new_rest, observed)
    if launch.grpc_port is None:
        yield _port(workspace, grpc or GRPC_PORT, new_grpc, observed)


def _port(workspace: Workspace, expected: int, port: int | None, observed: Deployment | None) -> str:
    is_held = observed is not None and observed.holds_ports
    if port == expected or (port is None and (is_held or not taken_by(workspace, expected))):
        return ""
    holder = engines.port_holder(workspace.engine, expected)
    return f"port {expected} is taken by {holder}: using {'a free one' if port is None else port}"


def _serving(observed: Deployment | None, deployed: Deployment | None) -> Deployment | None:
    """Return the deployment whose ports a change leaves; None for a preview without a running server."""
    return deployed or (observed if observed and observed.running else None)


def _kept_ports(workspace: Workspace, launch: Launch, observed: Deployment | None, deployed: Deployment | None) -> str:
    """Return the notice about ports that a deployment keeps, although an option or a variable is 0."""
    expected = _serving(observed, deployed)
    if observed is None or expected is None:
        return ""
    ports = (
        ("rest_port", launch.rest_port, f"REST port {observed.rest_port}", observed.rest_port == expected.rest_port),
        ("grpc_port", launch.grpc_port, f"gRPC port {observed.grpc_port}", observed.grpc_port == expected.grpc_port),
    )
    given = workspace.origins.is_temporary
    kept = [text for key, desired, text, same in ports if desired == 0 and same and given(f"server.{key}")]
    if not kept:
        return ""
    return f"keeps {' and '.join(kept)}, which the deployment has: 0 is for a new one; another number changes the port"
