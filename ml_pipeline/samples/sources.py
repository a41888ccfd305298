from pathlib import Path
from typing import Protocol

from ml_pipeline.errors import SourceError
from ml_pipeline.samples import casino, persuasion
from ml_pipeline.vocabulary.dialogue import Source


class Importer(Protocol):
    """A module that reads one published dialogue set."""

    def recognises(self, folder: Path) -> bool:
        """Tell whether ``folder`` looks like this set."""

    def read(self, folder: Path) -> Source:
        """Return the set in ``folder``."""


IMPORTERS: tuple[Importer, ...] = (persuasion, casino)


def open_source(path: Path) -> Source:
    """Return the conversations in the folder ``path``, read by the importer that knows its files.

    Raises:
        SourceError: if there is no such folder, no importer knows it, or one of its files cannot be read.
    """
    if not path.exists():
        raise SourceError(f"no source at {path}: nothing is there; give the folder of a dialogue set")
    if not path.is_dir():
        raise SourceError(f"the source {path} is a file; give the folder it lies in")
    importer = next((known for known in IMPORTERS if known.recognises(path)), None)
    if importer is None:
        raise SourceError(
            f"{path} holds no dialogue set known here ({persuasion.DIALOGS} or {casino.SPLITS[0]}, plain or .gz);"
            " see docs/sources.md"
        )
    source = importer.read(path)
    if not source.dialogues:
        first = f"{source.malformed[0][0]}: {source.malformed[0][1]}" if source.malformed else "its files are empty"
        raise SourceError(f"{path} holds no usable conversation ({first}); fetch the set again")
    return source
