"""The signatures that an export of a source will have, as far as the source declares them: nothing is run."""

from __future__ import annotations

from deployer.export import rewriting
from deployer.export.base import ExportRequest
from deployer.export.saved_models import archive, directory
from deployer.export.source_kinds import kind_of
from deployer.results.model import Signature

READERS = {directory.KIND: directory.read, archive.KIND: archive.read}
"""What reads the declarations of a source, by its kind."""


def signatures(request: ExportRequest) -> tuple[Signature, ...] | None:
    """Return the signatures of the version that an export makes; None if only running the source tells them.

    Raises ModelError for what the export would refuse, too.
    """
    read = READERS.get(kind_of(request.source).KIND)
    if read is None:
        return None
    found = read(request).signatures
    return found if request.default_signature is None else rewriting.with_default(found, request.default_signature)
