"""An Estimator (TensorFlow 2.15 or older) with its serving input: it writes its own SavedModel and signatures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from deployer.errors import ExportFailed
from deployer.export.runtime import foreign_work

_TRAIN = "train it, or give it the model_dir of a training, before it is returned"


def is_estimator_pair(thing: object) -> bool:
    """Return whether the object is `(estimator, serving_input_receiver_fn)`; checks methods, imports nothing."""
    return (
        isinstance(thing, tuple)
        and len(thing) == 2
        and callable(getattr(thing[0], "export_saved_model", None))
        and callable(thing[1])
    )


def write(estimator: Any, serving_input_receiver_fn: Any, target: Path) -> None:
    """Export the estimator and keep its signatures: predict, classify and regress as its head declares."""
    export_dir = target / ".estimator"
    with foreign_work("the estimator could not be exported", hint=_TRAIN):
        estimator.export_saved_model(str(export_dir), serving_input_receiver_fn)
    written = [directory for directory in export_dir.iterdir() if directory.is_dir()]
    if len(written) != 1:
        raise ExportFailed(f"the estimator wrote {len(written)} SavedModels, and one was expected")
    for path in list(written[0].iterdir()):
        path.rename(target / path.name)
    shutil.rmtree(export_dir)
