"""What sets a key of the document: the file, a `DEPLOYER_*` variable, or an option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Origins:
    """The keys that are set, by what sets them; the last of `file`, `variables`, `options` and `targets` wins.

    `file` has the values, `variables` the names of the variables, `options` the options, and `targets` what the
    argument of the command is called.
    """

    file_name: str = ""
    file: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    overlay: str = ""
    """The table of the chosen environment in the file, such as `env.staging`; empty if it has none."""

    in_overlay: frozenset[str] = frozenset()
    """The keys of `file` that this table sets."""

    unset: tuple[str, ...] = ()
    """Why keys of the file are left out: the variables that have no value, and the `env_file` that cannot be read."""

    @property
    def needs(self) -> str:
        """What follows a hint with `up`, which needs every value; empty if nothing is unset."""
        return f" (up would fail now: {'; '.join(self.unset)})" if self.unset else ""

    def of(self, key: str) -> str:
        """Return what sets a key, such as `--image` or `docker.image in deployer.toml`; empty for a default."""
        in_file = f"{self.place(key)} in {self.file_name}" if key in self.file else ""
        return self.targets.get(key) or self.options.get(key) or self.variables.get(key) or in_file

    def place(self, key: str) -> str:
        """Return the key as the file has it: `server.host`, or `env.staging.server.host` if the overlay sets it."""
        return f"{self.overlay}.{key}" if key in self.in_overlay else key

    def is_inherited(self, key: str) -> bool:
        """Return whether the file sets a key for every environment, and the chosen one has a table without it."""
        in_file = key in self.file and not self.is_temporary(key)
        return in_file and bool(self.overlay) and key not in self.in_overlay

    def is_temporary(self, key: str) -> bool:
        """Return whether a variable or an option sets a key: the next command may be called without it."""
        return key not in self.targets and (key in self.options or key in self.variables)
