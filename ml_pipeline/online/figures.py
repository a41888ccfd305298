"""Numbers, ids and names as callers give them. A mock or any other object is none."""

import math
from enum import Enum
from numbers import Number
from uuid import UUID

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def read_number(given: object) -> float | None:
    """Return ``given`` as a finite number; None where it is none.

    >>> read_number("2,700.50"), read_number(True), read_number("much"), read_number(float("nan"))
    (2700.5, 1.0, None, None)
    """
    try:
        if hasattr(type(given), "item"):  # scalars of numpy and its like
            given = given.item()  # type: ignore[attr-defined]
        if isinstance(given, str):
            given = given.replace(",", "")
        elif not isinstance(given, Number):
            return None
        number = float(given)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - a caller's object may fail in any way while it is read
        return None
    return number if math.isfinite(number) else None


def read_whole(given: object) -> int | None:
    """Return ``given`` as a count, such as Postgres can hold it; None where it is none.

    >>> read_whole("3"), read_whole(-1), read_whole(1e300)
    (3, None, None)
    """
    number = read_number(given)
    return int(number) if number is not None and 0 <= number < 2**31 else None


def read_probability(given: object) -> float | None:
    """Return ``given`` as a probability; None where it is no number in [0, 1].

    >>> read_probability("0.5"), read_probability(True), read_probability(70)
    (0.5, 1.0, None)
    """
    number = read_number(given)
    return number if number is not None and 0.0 <= number <= 1.0 else None


def read_verdict(given: object) -> bool | None:
    """Return ``given`` as yes or no; None where it is neither.

    >>> read_verdict("no"), read_verdict(1), read_verdict(None), read_verdict("maybe")
    (False, True, None, None)
    """
    if isinstance(given, str) and (word := given.strip().lower()) in _WORDS:
        return _WORDS[word]
    number = read_number(given)
    return None if number is None else number != 0


def read_id(given: object) -> str | None:
    """Return the id of something as text; None where there is none.

    >>> read_id(" c-1 "), read_id(7.0), read_id(float("nan"))
    ('c-1', '7', None)
    """
    if isinstance(given, Enum):
        given = given.value
    if hasattr(type(given), "item"):  # scalars of numpy and its like
        given = given.item()  # type: ignore[attr-defined]
    if isinstance(given, bytes):
        given = given.decode("utf-8", "replace")
    if isinstance(given, float):  # a table's column of ids with a gap in it
        given = int(given) if given.is_integer() else None
    if not isinstance(given, (str, int, UUID)) or isinstance(given, bool):
        return None
    text = str(given).encode("utf-8", "replace").decode("utf-8").strip()
    return text or None


def name_text(given: object, characters: int) -> str:
    """Return ``given`` as a name that Postgres can be asked for: cut, without NUL and broken characters.

    What is neither text nor a number is named by its type: to tell all of it may take for ever.

    >>> name_text("objection", 50), name_text(7, 50), name_text(range(10**9), 50)
    ('objection', '7', '<range>')
    """
    if isinstance(given, Enum):
        given = given.value
    if not isinstance(given, (str, float, UUID)) and not (isinstance(given, int) and given.bit_length() <= 64):
        return f"<{type(given).__name__}>"
    text = str.__str__(given) if isinstance(given, str) else str(given)
    return text[:characters].encode("utf-8", "replace").decode().replace("\x00", "")
