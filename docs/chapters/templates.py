"""The templates: what each renders, and the values that it is given."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, meta

from chapters.markdown import code, table
from deployer.render import quoted, templates_folder

HEAD = """## Templates

`templates_dir` in `deployer.toml`, or `--templates-dir`, names a folder of your own; a template that is
missing there comes from deployer. They are Jinja2. `pbtxt` quotes a string for text proto:
`{{ model.name | pbtxt }}`. A value that does not exist is an error, and what comes out is
parsed with TensorFlow Serving's own messages before a server reads it.
"""


def text() -> str:
    """The chapter."""
    rows = ((code(path.name), _values(path), _purpose(path)) for path in sorted(templates_folder().glob("*.j2")))
    return HEAD + "\n" + table(("Template", "Values", "Renders"), rows)


def _values(path: Path) -> str:
    environment = Environment(autoescape=True)
    environment.filters["pbtxt"] = quoted
    names = meta.find_undeclared_variables(environment.parse(path.read_text()))
    return ", ".join(code(name) for name in sorted(names))


def _purpose(path: Path) -> str:
    """A template says in its first line what it is."""
    return path.read_text().splitlines()[0].strip("{}#- ")
