"""What sets a key of the document: the file, a `DEPLOYER_*` variable, or an option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Origins:
    """The keys that are set, by what sets them; the last of `file`, `variables` and `options` wins.

    `file` has the values, `variables` the names of the variables, and `options` the options.
    """

    file_name: str = ""
    file: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    def of(self, key: str) -> str:
        """Return what sets a key, such as `--image` or `docker.image in deployer.toml`; empty for a default."""
        in_file = f"{key} in {self.file_name}" if key in self.file else ""
        return self.options.get(key) or self.variables.get(key) or in_file

    def is_temporary(self, key: str) -> bool:
        """Return whether a variable or an option sets a key: the next command may be called without it."""
        return key in self.options or key in self.variables
