"""What callers hand over, sound and hostile: every value is made anew for each call."""

import datetime as dt
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any
from unittest.mock import AsyncMock, MagicMock
from uuid import UUID

import msgspec
import numpy as np
import pandas as pd
from pydantic import BaseModel


class Colour(Enum):
    RED = "red"


class Word(StrEnum):
    PRICE = "price"


class Customer(BaseModel):
    age: int
    email: str


@dataclass
class Point:
    x: float
    label: str


class Struct(msgspec.Struct):
    type: str
    confidence: float


class Hostile:
    """Fails however it is touched."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("boom")

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("boom")

    __str__ = __repr__ = __iter__ = __len__ = __bool__ = __hash__ = _fail
    __eq__ = __float__ = __int__ = __index__ = __contains__ = __getitem__ = _fail


class Untellable:
    """Fails where it is asked for text."""

    def __str__(self) -> str:
        raise RuntimeError("boom")


class HostileClass:
    """Fails where it is asked for its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("boom")


class LyingDict(dict[str, Any]):
    """Says that it is full and cannot be read."""

    def items(self) -> Any:
        raise RuntimeError("boom")

    get = keys = values = __iter__ = __getitem__ = __contains__ = items  # type: ignore[assignment]

    def __len__(self) -> int:
        return 10**6


class LyingList(list[Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("boom")

    def __len__(self) -> int:
        return 10**6


class LyingText(str):
    """Text whose methods lie."""

    __slots__ = ()

    def strip(self, *_: Any) -> Any:
        raise RuntimeError("boom")

    encode = lower = replace = __str__ = __eq__ = strip  # type: ignore[assignment]
    __hash__ = str.__hash__


class Property:
    @property
    def role(self) -> str:
        raise RuntimeError("boom")


def cyclic() -> dict[str, object]:
    loop: dict[str, object] = {}
    loop["self"] = [loop]
    return loop


def deep() -> list[object]:
    nest: list[object] = []
    for _ in range(5_000):
        nest = [nest]
    return nest


def wide() -> list[object]:
    """Small in memory, a hundred million values to whoever walks it."""
    level: list[object] = ["x"] * 100
    for _ in range(3):
        level = [level] * 100
    return level


ANYTHING: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "true": lambda: True,
    "text": lambda: "x",
    "empty text": lambda: "",
    "number": lambda: 7,
    "negative": lambda: -1,
    "nan": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "huge": lambda: 10**400,
    "huger than text can tell": lambda: 10**5_000,
    "complex": lambda: 1j,
    "decimal": lambda: Decimal("0.7"),
    "decimal nan": lambda: Decimal("sNaN"),
    "bytes": lambda: b"\xff\x00",
    "long text": lambda: "word " * 1_000_000,
    "long number": lambda: "9" * 1_000_000,
    "surrogate": lambda: "a\ud800b",
    "nul": lambda: "a\x00b",
    "list": lambda: [None, 1, "a"],
    "tuple": lambda: ("a", 1),
    "deque": lambda: deque([1]),
    "set": lambda: {1, "b"},
    "dict": lambda: {1: 2, None: 3, ("a",): 4},
    "ordered": lambda: OrderedDict(a=1),
    "cyclic": cyclic,
    "deep": deep,
    "wide": wide,
    "hostile": Hostile,
    "hostile class": HostileClass,
    "untellable": Untellable,
    "hostile in a dict": lambda: {"role": Hostile(), "content": Hostile(), "objections": Hostile(), "error": Hostile()},
    "hostile in a list": lambda: [Hostile(), {"type": Hostile(), "confidence": Hostile()}],
    "lying dict": lambda: LyingDict(objections=1),
    "lying list": lambda: LyingList([1]),
    "lying text": lambda: LyingText("conversion"),
    "lying keys": lambda: {LyingText("conversion"): 0.5},
    "property": Property,
    "mock": MagicMock,
    "async mock": AsyncMock,
    "numpy text": lambda: np.str_("x"),
    "numpy number": lambda: np.float32(0.5),
    "numpy integer": lambda: np.int64(3),
    "numpy truth": lambda: np.bool_(True),
    "numpy array": lambda: np.array([[1.0, np.nan]]),
    "numpy empty": lambda: np.array([]),
    "numpy objects": lambda: np.array([{"type": "price"}, None], dtype=object),
    "numpy time": lambda: np.datetime64("2026-01-01"),
    "pandas time": lambda: pd.Timestamp("2026-01-01"),
    "pandas no time": lambda: pd.NaT,
    "pandas none": lambda: pd.NA,
    "pandas column": lambda: pd.Series([1, 2]),
    "pandas table": lambda: pd.DataFrame({"role": ["user"], "content": ["hi"]}),
    "enum": lambda: Colour.RED,
    "text enum": lambda: Word.PRICE,
    "class": lambda: Colour,
    "pydantic": lambda: Customer(age=3, email="a@b.com"),
    "pydantic class": lambda: Customer,
    "dataclass": lambda: Point(0.5, "price"),
    "msgspec": lambda: Struct("price", 0.7),
    "generator": lambda: (item for item in [1]),
    "datetime": lambda: dt.datetime(2020, 1, 1),  # noqa: DTZ001 - without a zone on purpose
    "date": lambda: dt.date(2020, 1, 1),
    "duration": lambda: dt.timedelta(hours=3),
    "endless duration": lambda: dt.timedelta.max,
    "uuid": lambda: UUID(int=1),
    "range": lambda: range(10**9),
    "function": lambda: len,
    "exception": lambda: ValueError("x"),
    "memory": lambda: memoryview(b"abc"),
    "error": lambda: {"error": "model away"},
    "fallback": lambda: {"prediction_type": "fallback", "conversion_probability": 0.5},
    "no error": lambda: {"error": float("nan"), "conversion_probability": 0.5},
    "customer": lambda: {"customer_data": {"since": dt.datetime(2020, 1, 1), "age": wide(), "email": Hostile()}},  # noqa: DTZ001
    "wide inside": lambda: {"role": wide(), "content": wide(), "phase": wide(), "turn": wide(), "objections": wide()},
    "wide message": lambda: [{"role": "user", "content": wide()}],
    "id inside": lambda: {"conversation_id": 7, "x": 1},
}
