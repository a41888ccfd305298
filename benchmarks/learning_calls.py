"""UCI Bank Marketing as calls in date order: who was called, what the caller knew, whether the customer subscribed.

Moro, Cortez and Rita, 2014, doi:10.1016/j.dss.2014.03.001. ``duration`` is dropped: it is known only after the call.
"""

import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from ml_pipeline.models.candidates.columns import ColumnsByKind
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.vocabulary.tasks import Mode, Task, TaskKind

DATA = Path(os.environ.get("HOLDOUT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FILE = DATA / "bank_marketing" / "bank-additional-full.csv.gz"
TASK = Task("subscription", TaskKind.BINARY, ("subscribed",), Mode.ANTICIPATE, "conversation", "log_loss")
CATEGORIES = [
    "job",
    "marital",
    "education",
    "default",
    "housing",
    "loan",
    "contact",
    "month",
    "day_of_week",
    "poutcome",
]
NUMBERS = ["age", "campaign", "pdays", "previous", "emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m",
           "nr.employed"]  # fmt: skip
SLICES = ("contact", "customer")
NEVER_CALLED = 999
FIRST_CALL, BETWEEN_CALLS = datetime(2008, 5, 1, tzinfo=UTC), timedelta(minutes=20)
"""The data name months alone: calls come at one pace here, 72 a day."""


@dataclass(frozen=True)
class Calls:
    """All calls in order; ``month_ends``: after how many of them each month was over."""

    rows: TrainingSet
    month_ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows.rows)

    @property
    def is_positive(self) -> np.ndarray:
        return self.rows.truth[:, 0]

    def first(self, count: int) -> "Calls":
        return Calls(self.rows.take(np.arange(count)), ())

    def taken(self, places: np.ndarray) -> "Calls":
        """Return some of the calls as if there were no others, in the order of ``places``."""
        table = self.rows.rows.iloc[places].reset_index(drop=True)
        return Calls(TrainingSet(TASK, _dated(table), self.rows.truth[places]), ())


def read_calls(path: Path = FILE) -> Calls:
    table = pd.read_csv(path, sep=";")
    is_new = table["month"] != table["month"].shift(-1)
    subscribed = (table["y"] == "yes").to_numpy()
    named = table[[*CATEGORIES, *NUMBERS]].assign(
        conversation_id=[str(number) for number in range(len(table))],
        customer_group=[str(number) for number in range(len(table))],
        weight=1.0,
        customer=np.where(table["pdays"] == NEVER_CALLED, "new", "seen before"),
    )
    return Calls(TrainingSet(TASK, _dated(named), subscribed[:, None]), tuple((np.flatnonzero(is_new) + 1).tolist()))


def when(calls: int) -> datetime:
    """Return when so many calls had been made."""
    return FIRST_CALL + calls * BETWEEN_CALLS


def calls_by(at: datetime) -> int:
    return (at - FIRST_CALL) // BETWEEN_CALLS


def _dated(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(started_at=[when(place) for place in range(len(table))])


def columns() -> ColumnsByKind:
    """Return the kinds that are tried, as for a conversion of the product, each with what it sees of a call."""
    rare_together = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=math.nan)
    return {
        "linear": [
            ("categories", OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
            ("numbers", StandardScaler(), NUMBERS),
        ],
        "trees": [("categories", rare_together, CATEGORIES), ("numbers", FunctionTransformer(), NUMBERS)],
    }
