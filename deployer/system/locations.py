"""Paths that are given as URIs: `file://` is a local path; other schemes get the command that fetches the files."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

from deployer.errors import SourceNotFound

# A Path object drops the second slash: one slash is enough.
URI = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]+):(?P<slashes>/+)(?P<rest>.*)", re.DOTALL)
FETCH_COMMANDS = {
    "s3": "aws s3 cp --recursive {uri} {name}",
    "gs": "gcloud storage cp --recursive {uri} {name}",
    "hdfs": "hdfs dfs -get {uri} {name}",
    "viewfs": "hdfs dfs -get {uri} {name}",
    "http": "curl -L -o {name} {uri}",
    "https": "curl -L -o {name} {uri}",
    "hf": "hf download {repository} --local-dir {name}",
    "az": "azcopy copy {uri} {name} --recursive",
}


def local_path(location: str) -> str:
    """Return the path of a location. Raises SourceNotFound, with the command that fetches it, for a remote one."""
    uri = URI.fullmatch(location)
    if uri is None or os.path.lexists(location):
        return location
    if uri["scheme"].lower() != "file":
        raise _remote_source(uri["scheme"], uri["rest"])
    return _file_path(location, len(uri["slashes"]), uri["rest"])


def _file_path(location: str, slashes: int, rest: str) -> str:
    host, _, below = rest.partition("/") if slashes == 2 else ("", "", rest)
    if host not in ("", "localhost"):
        raise SourceNotFound(f"{location!r:.200} names the host {host!r:.80}", hint="file:///absolute/path")
    path = f"/{below}"
    return path if "%" not in path or Path(path).exists() else _decode(path)


def _decode(path: str) -> str:
    # TensorFlow takes the path of a URI as it is; browsers and Python's `as_uri` write `%20` for a blank.
    decoded = unquote(path)
    return decoded if "\0" not in decoded and Path(decoded).exists() else path


def _remote_source(scheme: str, rest: str) -> SourceNotFound:
    uri = f"{scheme}://{rest}"
    name = rest.rstrip("/").rpartition("/")[2] or "model"
    values = {"uri": uri, "name": f"./{name}", "repository": "/".join(rest.split("/")[:2])}
    quoted = {key: shlex.quote(value) for key, value in values.items()}
    command = FETCH_COMMANDS.get(scheme.lower())
    fetch = command.format(**quoted) if command else "copy the model to this machine"
    return SourceNotFound(
        f"{uri!r:.200} is not on this machine, and deployer reads local files only", hint=f"{fetch}, then give that"
    )
