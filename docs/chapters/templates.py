"""The templates: what each renders, and the values that it is given."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, meta

from chapters.markdown import code, table
from deployer.config.quoting import FILTERS
from deployer.config.templates import builtin_templates

HEAD = """## Templates

`templates_dir` in `deployer.toml`, or `--templates-dir`, names a directory with your own Jinja2 templates. `deployer`
uses its built-in template for each file that is missing there. Filters quote a string for the language of the file:
`pbtxt` for text protos, `yaml`, `sh`, `haproxy`, `dockerfile` for a word and `json` for a list of words, as in
`{{ model.name | pbtxt }}`. An undefined value is an error.
Rendered text protos are parsed with TensorFlow Serving's own messages before a server reads them.
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
    """Return the first line of the template, which says what it renders."""
    return path.read_text().splitlines()[0].strip("{}#- ")
