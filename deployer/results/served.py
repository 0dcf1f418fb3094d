"""Models as a server serves them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from deployer.results.model import Model


@dataclass(frozen=True)
class ServedModel:
    """A model as a server serves it: exact versions, labels for some, and the digest of each version's files."""

    name: str
    versions: tuple[int, ...]
    labels: tuple[tuple[str, int], ...] = ()
    digests: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return `name:1` for one version without labels; otherwise `name: 1 (stable), 2`."""
        if len(self.versions) == 1 and not self.labels:
            return f"{self.name}:{self.versions[0]}"
        labels = {version: [label for label, to in self.labels if to == version] for version in self.versions}
        texts = (f"{version} ({', '.join(names)})" if names else str(version) for version, names in labels.items())
        return f"{self.name}: {', '.join(texts)}"

    def digest_of(self, version: int) -> str:
        """Return the digest of a version's files; empty if it is unknown."""
        return dict(zip(self.versions, self.digests, strict=False)).get(version, "")


def format_models(models: Iterable[ServedModel]) -> str:
    """Return models in one line."""
    return "; ".join(map(str, models))


def models_text(models: tuple[ServedModel, ...]) -> str:
    """Return models as JSON, for labels, state files and the ledger."""
    return json.dumps([[model.name, model.versions, model.labels, model.digests] for model in models])


def models_from(text: str) -> tuple[ServedModel, ...]:
    """Read models from JSON. Raises ValueError or TypeError for anything else."""
    return tuple(
        ServedModel(name, tuple(versions), tuple((label, version) for label, version in labelled), tuple(digests))
        for name, versions, labelled, digests in json.loads(text)
    )


@dataclass(frozen=True)
class ResolvedModel:
    """A model of a deployment, with its versions from the store."""

    served: ServedModel
    models: tuple[Model, ...]
