"""The tables of `deployer.toml`, from the fields of Spec: a new table is a field there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import cast, get_args, get_origin

from deployer.config.spec import Spec
from deployer.system import documents

OF_A_MODEL = "models.NAME"


def _tables() -> Iterator[tuple[str, type]]:
    for name, kind in documents.field_types(Spec).items():
        tables = [each for each in (kind, *get_args(kind)) if dataclasses.is_dataclass(each)]
        if tables:
            yield OF_A_MODEL if get_origin(kind) is dict else name, cast("type", tables[0])


TABLES: dict[str, type] = dict(_tables())
"""The tables by their names in the file."""

SECTIONS: dict[str, type] = {
    name: kind for name, kind in TABLES.items() if documents.field_types(Spec).get(name) is kind
}
"""The tables that are always in effect. The others, such as `[batching]`, turn something on by being there."""
