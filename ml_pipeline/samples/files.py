"""Reads the files of a source, plain or gzipped, and says in one sentence what is wrong with one."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from ml_pipeline.errors import SourceError

Row = dict[str, str]


def find(folder: Path, name: str) -> Path | None:
    """Return ``name`` in ``folder``, or its gzipped twin, or None."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def required(folder: Path, name: str) -> Path:
    """Return ``name`` in ``folder``, plain or gzipped.

    Raises:
        SourceError: if neither is there.
    """
    path = find(folder, name)
    if path is None:
        raise SourceError(f"{folder} lacks {name} (or {name}.gz); put the file there or name another folder")
    return path


def csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
    """Yield (line number, row) of a CSV file with a header.

    A row that is cut short has None where its last columns should be.

    Raises:
        SourceError: if the file cannot be read to its end, is no CSV, or lacks one of ``columns``.
    """
    with _opened(path) as text:
        reader = csv.DictReader(text, strict=True)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise SourceError(f"{path} lacks the columns {', '.join(missing)}; is it the right file?")
        for row in reader:
            yield reader.line_num, row


def json_document(path: Path) -> Any:
    """Return the document in a JSON file.

    Raises:
        SourceError: if the file cannot be read to its end or is no JSON.
    """
    with _opened(path) as text:
        try:
            return json.load(text)
        except RecursionError as error:
            raise SourceError(f"{path} is nested too deep for a set of dialogues; is it the right file?") from error


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as text:
            yield cast(TextIO, text)
    except EOFError as error:
        raise SourceError(f"{path} is truncated: its compressed data ends early; fetch the file again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"{path} is no sound gzip file ({error}); fetch the file again") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); convert it") from error
    except csv.Error as error:
        raise SourceError(f"{path} is malformed CSV ({error}); fetch the file again") from error
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{path} is malformed JSON ({error.msg} at line {error.lineno}); fetch the file again"
        ) from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}; check the file and its rights") from error
