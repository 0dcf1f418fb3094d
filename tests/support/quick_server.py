"""An image that answers REST as half_plus_two would, by the version in its config: a server where models matter not.

It does so as soon as `/models/.answers` is there, where it is told to wait for that.
"""

from __future__ import annotations

import base64

from support.containers import build

ANSWERS = ".answers"
WAIT = f"until [ -e /models/{ANSWERS} ]; do sleep 0.1; done"
ENTRYPOINT = r"""
version=$(sed -n 's/.*versions: *//p' "${1#*=}")
export PREDICTED='{"predictions": ['"$((version + 2))"'.0]}'
export STATUS='{"model_version_status": [{"version": "'"$version"'", "state": "AVAILABLE"}]}'
exec haproxy -db -f /quick.cfg
"""
CONFIG = """
defaults
    mode http
    timeout client 9s
frontend quick
    bind :8501
    http-request return status 200 content-type application/json lf-string %[env(PREDICTED)] if { method POST }
    http-request return status 200 content-type application/json lf-string %[env(STATUS)]
"""
DOCKERFILE = """
FROM {image}
USER root
RUN echo {entrypoint} | base64 -d >/usr/bin/tf_serving_entrypoint.sh && echo {config} | base64 -d >/quick.cfg
ENTRYPOINT ["sh", "/usr/bin/tf_serving_entrypoint.sh"]
"""


def quick_server(gateway_image: str, *, waits: bool = False) -> str:
    """The image's name. It has no golden answers: gates are to be skipped."""
    script = f"{WAIT}\n{ENTRYPOINT}" if waits else ENTRYPOINT
    entrypoint, config = (base64.b64encode(text.encode()).decode() for text in (script, CONFIG))
    wanted = DOCKERFILE.format(image=gateway_image, entrypoint=entrypoint, config=config)
    return build(f"deployer-testbed/{'waiting' if waits else 'quick'}", wanted)
