"""Exports a source as the verbs do, and asks what was written as TensorFlow Serving would."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer import export
from deployer.export.golden.session import loaded
from deployer.results.model import GoldenSummary, Signature
from deployer.savedmodel import reader
from deployer.verification import golden


@dataclass
class Exported:
    """A saved and proven model."""

    directory: Path
    summary: GoldenSummary
    said: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def signature(self, name: str = "serving_default") -> Signature:
        return next(found for found in reader.read(self.directory).signatures if found.name == name)

    def declared(self, name: str = "serving_default") -> tuple[dict[str, str], dict[str, str]]:
        found = self.signature(name)
        return {spec.name: str(spec) for spec in found.inputs}, {spec.name: str(spec) for spec in found.outputs}

    def names(self) -> list[str]:
        return [found.name for found in reader.read(self.directory).signatures]

    def ask(self, feed: Mapping[str, Any], name: str = "serving_default") -> dict[str, Any]:
        with loaded(self.directory) as model:
            return model.run(self.signature(name), feed)

    def cases(self) -> tuple[golden.GoldenCase, ...]:
        return golden.read(self.directory)


@dataclass
class Exporter:
    """Exports into fresh directories below `root`; `file` writes a user's Python file there."""

    root: Path
    count: int = 0

    def file(self, text: str, name: str = "train.py") -> str:
        path = self.root / name
        path.write_text(textwrap.dedent(text))
        return str(path)

    def __call__(self, source: str, *inputs: str, prove: bool = True, **options: Any) -> Exported:
        self.count += 1
        directory = self.root / f"out{self.count}"
        directory.mkdir()
        request = export.ExportRequest(source, inputs=inputs, **options)
        said: list[str] = []
        saved = export.save(request, directory, said.append)
        summary = export.record_golden(directory, request, said.append) if prove else GoldenSummary(0, "")
        return Exported(directory, summary, said, saved.notes)
