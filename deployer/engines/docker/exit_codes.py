"""Why a container ended, from its inspected state."""

from __future__ import annotations

from deployer.engines.docker.inspection import ContainerState

MEANINGS = {
    137: "killed, most likely because memory ran out: raise docker.memory",
    132: "it needs CPU instructions that this machine lacks: the image is for another processor",
    126: "its entrypoint cannot be run: the image is not a model server's, or for another processor",
    127: "its entrypoint does not exist: the image is not a model server's",
    255: "TensorFlow Serving refused to start",
}


def exit_reason(state: ContainerState, mismatch: str = "") -> str:
    """Return the reason in one sentence.

    `mismatch` says that the image does not fit the machine, which explains more than any exit code.
    """
    code = state.exit_code
    if state.out_of_memory:
        return f"its container ran out of memory (exit code {code}): raise docker.memory"
    reason = mismatch or MEANINGS.get(code) or state.error or "see its log"
    return f"its container ended with exit code {code}: {reason}"
