"""Variables in `deployer.toml`, and which of their values are secret."""

from __future__ import annotations

TEXT = """## Variables and secrets

Strings of the file may have variables, as in a Compose file:

| Text | Value |
| --- | --- |
| `${NAME}`, `$NAME` | The variable; exit code 3 if it is not set |
| `${NAME:-default}` | The default if the variable is not set or empty |
| `${NAME-default}` | The default if the variable is not set |
| `$$` | A dollar |

Their values come from the environment of the command, else from the file that `env_file` names: `NAME=value` lines,
comments and quotes as Compose reads them. Keys of tables, options and `DEPLOYER_*` variables have no variables. For a
number or a boolean, use a `DEPLOYER_*` variable: `${NAME}` is always a string.

`status`, `predict`, `logs`, `history`, `unlock` and `down` work without values and without that file: they leave out
the keys that lack one, and name them where they suggest `up`, which would fail. Only `project`, `name`, `engine`,
`state_dir`, `models_dir` and `docker.host` need their values, because they select what a command is about.

**Values of variables in `docker.environment` are secret.** deployer gives them to the container and writes them nowhere
else: labels, plans, history, `--json`, messages and rendered files have the name of the variable. They are looked up
when a container is planned or started. `plan` compares them with those of the running
container, and says which variable has changed. A value that you write into `deployer.toml` itself is in rendered files.

Docker has no secrets for containers outside Swarm: `docker inspect` shows the environment to everyone who may use the
Docker Engine. A file of `render compose` or `render docker-run` takes the variables from the environment in which
you run it; `docker compose --env-file FILE` reads them from a file. `render k8s` and `render kserve` take a secret from
the Secret that `kubernetes.secrets` names for it.
"""


def text() -> str:
    """The chapter."""
    return TEXT
