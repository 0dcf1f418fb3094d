"""Exit codes and errors."""

from __future__ import annotations

from chapters.markdown import table
from deployer import errors


def text() -> str:
    """The chapter; the tree is the one that is drawn in errors.py."""
    codes = table(("Code", "Meaning"), ((f"`{code}`", meaning) for code, meaning in errors.exit_codes().items()))
    tree = (errors.__doc__ or "").partition("\n\n")[2].strip("\n")
    return f"""## Exit codes and errors

{codes}
An error goes to stderr: what failed and why, the server's last lines where they help, and a hint. With `--json` it is
an object on stdout: `{{"error": {{"code", "message", "hint", "log"}}}}`; where one engine of several does not answer,
`status --all` and `down --all` do what they can, and `"deployments"` stands beside it. So do `"notices"`, where the
command had some for its result. In Python it is an exception of the package, with these in `results` and `notices`:

```
{tree}
```
"""
