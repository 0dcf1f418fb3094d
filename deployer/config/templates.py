"""Render the Jinja templates. Templates in the user's directory override those of deployer.

Filters quote every string, so that no name can inject a field.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.config.quoting import FILTERS
from deployer.errors import TemplateError

if TYPE_CHECKING:
    from jinja2 import Environment

HTML = "html.j2"
"""The end of the names of templates in which every value is escaped."""


def render_template(template: str, /, templates_dir: Path | None = None, **values: object) -> str:
    """Render a file. Raises TemplateError."""
    import jinja2

    try:
        return _environment(templates_dir and templates_dir.absolute()).get_template(f"{template}.j2").render(values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or template + '.j2'}, line {error.lineno}: {error.message}") from error
    except jinja2.TemplateError as error:
        raise TemplateError(f"{template}.j2: {error.message}") from error
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise TemplateError(f"{template}.j2: {error}") from error


def builtin_templates() -> Path:
    """Return the directory of deployer's templates: in the installed package, or next to it in a checkout."""
    package = Path(__file__).parents[1]
    return next(path for path in (package / "_templates", package.parent / "templates") if path.is_dir())


@lru_cache(maxsize=8)
def _environment(templates_dir: Path | None) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if templates_dir and not templates_dir.is_dir():
        raise TemplateError(f"the templates directory {templates_dir} does not exist", hint="check templates_dir")
    directories = [path for path in (templates_dir, builtin_templates()) if path]
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(directories),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Text proto, YAML and shell are quoted by filters.
        autoescape=select_autoescape((HTML,), default=False),
    )
    environment.filters.update(FILTERS)
    return environment
