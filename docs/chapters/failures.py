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
A command prints an error to stderr: what failed and why, the last lines of the server's log if they help, and a hint.
With `--json`, it prints an object to stdout, on one line: `{{"error": {{"code", "message", "hint", "log"}}}}`, also for
a wrong option, a missing argument or an unknown command (exit code 2), a bug (70) and Ctrl-C (130). The object also has
`"notices"` if the command collected some, and `"deployments"` if `status --all` or `down --all` could not reach one of
several engines. If a change to a running deployment fails, the error ends with a note of what still serves; it is the
last of the `"notices"`. In Python, an error is an exception of the package with the attributes `notices`, `results` and
`serving`:

```
{tree}
```

[Errors](errors.md) says what usually causes each, and what to do.
"""
