"""The labels of an image with models inside: which models, versions, digests and flags.

Containers inherit them, so none is a label by which this tool finds its containers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.config.models import check_label
from deployer.engines.docker.names import CONTENTS
from deployer.errors import EngineError, InvalidValue
from deployer.results.model import check_name, check_version
from deployer.results.served import ServedModel, models_from, models_text

FORMAT = "1"
MAX_CHARACTERS = 1 << 20
"""No label of an image that this tool builds is longer; the engine's labels have no limit of their own."""
OCI = "org.opencontainers.image."
TABLES = frozenset({"batching", "monitoring"})
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Contents:
    """What is in an image: the models that its server loads, under the name of the deployment that it was built for."""

    name: str
    models: tuple[ServedModel, ...]
    flags: tuple[tuple[str, str], ...] = ()
    tables: tuple[str, ...] = ()
    """The tables of `deployer.toml` that are in its configuration: `batching`, `monitoring`."""

    def labels(self) -> dict[str, str]:
        """Return the labels that say so."""
        return {
            f"{CONTENTS}format": FORMAT,
            f"{CONTENTS}name": self.name,
            f"{CONTENTS}models": models_text(self.models),
            f"{CONTENTS}flags": json.dumps(dict(self.flags), sort_keys=True),
            f"{CONTENTS}tables": " ".join(self.tables),
        }


def read(image: str, labels: Mapping[str, str]) -> Contents:
    """Return what the labels of an image say. Anyone may have written them. Raises EngineError for an unusable one."""
    found = {key.removeprefix(CONTENTS): value for key, value in labels.items() if key.startswith(CONTENTS)}
    if "models" not in found:
        raise EngineError(f"{image} has no models inside: it has no label {CONTENTS}models", hint=_HINT)
    if found.get("format") != FORMAT:
        raise EngineError(
            f"{image} was built by another release of deployer: its label {CONTENTS}format is not {FORMAT}", hint=_HINT
        )
    try:
        return _parse(found)
    except KeyError as error:
        raise EngineError(f"{image} has no label {CONTENTS}{error.args[0]}", hint=_HINT) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise EngineError(f"the labels of {image} cannot be read: {str(error)[:200]}", hint=_HINT) from error


_HINT = "deployer image build makes such an image"


def _parse(found: Mapping[str, str]) -> Contents:
    if max(map(len, found.values())) > MAX_CHARACTERS:
        raise ValueError(f"one is longer than {MAX_CHARACTERS} characters")
    models = models_from(found["models"])
    if not models or len({model.name for model in models}) != len(models):
        raise ValueError("they list no models, or one twice")
    for model in models:
        _check(model)
    flags = {str(name): str(value) for name, value in json.loads(found["flags"]).items()}
    tables = tuple(sorted(TABLES.intersection(found["tables"].split())))
    return Contents(check_name(found["name"], "deployment"), models, tuple(sorted(flags.items())), tables)


def _check(model: ServedModel) -> None:
    """Raise ValueError or TypeError for names that are no directory of a store, and for versions without digests."""
    check_name(_text(model.name))
    if not model.versions or len(model.versions) != len(set(model.versions)):
        raise ValueError(f"{model.name} has no versions, or one twice")
    for version in (*model.versions, *(version for _, version in model.labels)):
        if type(version) is not int:
            raise TypeError(f"a version of {model.name} is not an integer")
        check_version(version)
    if any(version not in model.versions for _, version in model.labels):
        raise ValueError(f"a label of {model.name} points to a version that is not there")
    for label, _ in model.labels:
        check_label(_text(label))
    if len(model.digests) != len(model.versions) or not all(DIGEST.fullmatch(_text(each)) for each in model.digests):
        raise ValueError(f"the versions of {model.name} have no digests")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"{str(value)[:40]!r} is no text")
    return value
