"""The templates: what each renders, and the values that it is given."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, meta

from chapters.markdown import code, table
from deployer.config.quoting import FILTERS
from deployer.config.render import builtin_templates

HEAD = """## Templates

`templates_dir` in `deployer.toml`, or `--templates-dir`, names a folder of your own; a template that is
missing there comes from deployer. They are Jinja2. A filter quotes a string for the language of the file: `pbtxt` for
text proto, `yaml` for a Compose file, `sh` for a shell: `{{ model.name | pbtxt }}`. A value that does not exist is an
error, and what comes out as text proto is parsed with TensorFlow Serving's own messages before a server reads it.
"""


def text() -> str:
    """The chapter."""
    rows = ((code(path.name), _values(path), _purpose(path)) for path in sorted(builtin_templates().glob("*.j2")))
    return HEAD + "\n" + table(("Template", "Values", "Renders"), rows)


def _values(path: Path) -> str:
    environment = Environment(autoescape=True)
    environment.filters.update(FILTERS)
    names = meta.find_undeclared_variables(environment.parse(path.read_text()))
    return ", ".join(code(name) for name in sorted(names))


def _purpose(path: Path) -> str:
    """A template says in its first line what it is."""
    return path.read_text().splitlines()[0].strip("{}#- ")
