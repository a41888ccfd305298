"""Turns anything a caller hands over into plain JSON data, every text in it cleaned and masked."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any

import msgspec

from ml_pipeline.errors import RefusalError
from ml_pipeline.online.contact_fields import contact_kind, is_machine_name, mask_field
from ml_pipeline.online.customer_data import CUSTOMER_DATA, allowed_customer
from ml_pipeline.online.redaction import NO_HINT, Hint, redact, redact_key
from ml_pipeline.online.redaction.hint import BIRTH_DATE

TEXT_CHARACTERS = 20_000
"""Longest text kept: a five-hour monologue; the feature function and its budget live with it."""
SHORT_CHARACTERS = 24
DEEPEST = 32
MOST_VALUES = 20_000

Json = None | bool | int | float | str | list[Any] | dict[str, Any]


def clean_text(text: str) -> tuple[str, bool]:
    """Return ``text`` as Postgres and JSON can hold it, masked and cut; and whether it was cut."""
    text, is_cut = mend_text(text)
    return _mask(text, NO_HINT), is_cut


def _mask(text: str, hint: Hint) -> str:
    # Labels, phases and platforms come again with every turn; sentences do not.
    return _mask_again(text, hint) if len(text) <= SHORT_CHARACTERS else redact(text, hint)


_mask_again = lru_cache(maxsize=4_096)(redact)


def mend_text(text: str) -> tuple[str, bool]:
    """Return ``text`` as Postgres and JSON can hold it, cut but not masked; and whether it was cut."""
    is_cut = len(text) > TEXT_CHARACTERS
    if is_cut:
        # Cut at a space, so that no half of a number escapes the masks.
        space = text.rfind(" ", TEXT_CHARACTERS - 200, TEXT_CHARACTERS)
        text = text[: space if space > 0 else TEXT_CHARACTERS]
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text, is_cut


class Plain:
    """One walk over one payload; ``noted`` tells what had to be mended on the way.

    Args:
        hint: what is known of the conversation it belongs to.
        customer_fields: what, beside an age band, goes on of customer data that it holds.
    """

    def __init__(self, hint: Hint = NO_HINT, customer_fields: tuple[str, ...] = ()) -> None:
        self._hint = hint
        self._customer_fields = customer_fields
        self.noted: set[str] = set()
        self._values = 0
        self._path: set[int] = set()
        self._kind: str | None = None  # of contact, where the walk is inside a field named after one
        self._is_machine = False  # the walk is inside a field of what a machine named

    def value(self, given: object) -> Json:
        """Return ``given`` as JSON data.

        Raises:
            RefusalError: if it contains itself, is nested deeper than 32, or holds more than 20,000 values.
        """
        self._values += 1
        if self._values > MOST_VALUES:
            raise RefusalError("too_many_values")
        if given is None or given is True or given is False:
            return given
        if isinstance(given, str):
            return self.text(given)
        if isinstance(given, (int, float)) and not isinstance(given, Enum):
            return self._number(given)
        return self._inside(given)

    def text(self, given: str) -> str:
        text, is_cut = mend_text(str.__str__(given.value if isinstance(given, Enum) else given))
        if is_cut:
            self.noted.add("text_truncated")
        if self._kind:
            text = mask_field(text, self._kind)
        is_key = self._is_machine and not any(character.isspace() for character in text)
        return redact_key(text) if is_key else _mask(text, self._hint)

    def record(self, given: object) -> dict[str, Any]:
        """Return ``given`` as a JSON object; what is no mapping stands under ``value``."""
        plain = self.value(given)
        if isinstance(plain, dict):
            return plain
        return {} if plain is None else {"value": plain}

    def _number(self, given: float) -> int | float | str | None:
        if not isinstance(given, int) and not math.isfinite(given):
            self.noted.add("not_a_number")
            return None
        if self._kind and given == int(given):
            whole = str(int(given))
            if (masked := mask_field(whole, self._kind)) != whole:
                return masked
        if isinstance(given, int):
            number = int(given)
            return number if -(2**63) <= number < 2**64 else str(number)[:400]
        return float(given)

    def _inside(self, given: object) -> Json:
        if id(given) in self._path:
            raise RefusalError("cyclic")
        if len(self._path) >= DEEPEST:
            raise RefusalError("too_deep")
        self._path.add(id(given))
        try:
            return self._container(given)
        finally:
            self._path.discard(id(given))

    def _container(self, given: object) -> Json:
        if isinstance(given, Mapping):
            return dict(self._field(key, item) for key, item in given.items())
        if isinstance(given, (list, tuple, set, frozenset)):
            return [self.value(item) for item in given]
        return self._other(given)

    def _field(self, key: object, item: object) -> tuple[str, Json]:
        name = self._key(key)
        outer = self._kind, self._is_machine
        self._kind = contact_kind(name) or self._kind
        self._is_machine = is_machine_name(name)
        if name == CUSTOMER_DATA and (customer := fields_of(item)) is not None:
            item = allowed_customer(customer, self._customer_fields)
        try:
            return name, self.value(item)
        finally:
            self._kind, self._is_machine = outer

    def _key(self, key: object) -> str:
        if isinstance(key, str):
            # Most keys are words: nothing in them to mend or to mask.
            return key if key.isascii() and key.isalpha() else redact_key(mend_text(key)[0])
        return redact_key(str(self.value(key)))

    def _other(self, given: object) -> Json:
        if isinstance(given, Enum):
            return self.value(given.value)
        if isinstance(given, (datetime, date, time)):
            return BIRTH_DATE if self._kind == BIRTH_DATE else given.isoformat()
        if isinstance(given, timedelta):
            return given.total_seconds()
        if isinstance(given, (bytes, bytearray, memoryview)):
            return self.value(bytes(given[:TEXT_CHARACTERS]).decode("utf-8", "replace"))
        return self._object(given)

    def _object(self, given: object) -> Json:
        if (fields := fields_of(given)) is not None:
            return self.value(fields)
        for method in ("tolist", "item"):  # arrays and scalars of numpy and its like
            convert = getattr(type(given), method, None)  # the type is asked, for a mock has any attribute
            if callable(convert) and not isinstance(given, type):
                return self.value(convert(given))
        if isinstance(given, Iterable):
            self.noted.add("unreadable_value")
            return f"<{type(given).__name__}>"
        return self.value(str(given)[: TEXT_CHARACTERS + 1])


def fields_of(given: object) -> Mapping[str, Any] | None:
    """Return the named fields of a mapping, a dataclass, a pydantic or a msgspec object; None of anything else."""
    if isinstance(given, Mapping):
        return given
    if isinstance(given, type):
        return None
    if callable(dump := getattr(type(given), "model_dump", None)):
        dumped = dump(given)
        return dumped if isinstance(dumped, Mapping) else None
    if dataclasses.is_dataclass(given):
        return {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    if isinstance(given, msgspec.Struct):
        return {name: getattr(given, name) for name in given.__struct_fields__}
    return None
