"""Export a model as the store's next version.

Stores TensorFlow's own answers with it: the golden set, which verifies a deploy. What deployer.toml lists for the
model applies, too, as with `up`; options override it.

deployer export model.keras --name digits
deployer export train.py:model --input 'image:float32[?,28,28]' --examples examples.json
deployer export saved_model_directory --name digits --version 7
deployer export frozen.pb --graph-input x=x:0 --graph-output y=scores/Softmax:0
deployer export downloaded.tar.gz --tags serve,gpu --default-signature predict
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument

import deployer
from deployer import console
from deployer.cli.options import PROGRESS, QUIET, Output
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.rollout.export_options import ExportOptions


def export(
    source: Annotated[
        str,
        Argument(
            help="model.keras, .h5, a SavedModel directory or archive, a graph (.pb, .meta), file.py:name, module:name."
        ),
    ],
    options: ExportOptions,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE],
    output: Annotated[Output, QUIET, PROGRESS],
) -> None:
    result = deployer.export_model(source, options=options, settings=settings, progress=output.report)
    output.show(result, console.versions.show_export)
