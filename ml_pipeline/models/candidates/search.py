"""Which recipe: successive halving, judged by the newest customers of the training part.

Successive halving: Jamieson and Talwalkar, 2016, Non-stochastic best arm identification. Its budget is conversations:
every recipe learns from an eighth of them, the better half of each kind from twice as many, and so on. The way of the
winner is its learning curve. Of a long log the newest part is enough: a penalty is what is believed before anything is
seen, and does not change with how much is.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_pipeline.models.candidates.columns import Columns, ColumnsByKind
from ml_pipeline.models.candidates.fit import fit_columns, heads_of
from ml_pipeline.models.candidates.recipe import LinearRecipe, Recipe, TreeRecipe, in_words
from ml_pipeline.models.clustered import figures
from ml_pipeline.models.scores import HIGHER_IS_BETTER, Numbers
from ml_pipeline.models.split import CALIBRATION_SHARE
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.vocabulary.estimate import Estimate

log = logging.getLogger(__name__)

STRENGTHS = (0.125, 0.5, 2.0, 8.0)
TREES = (
    TreeRecipe(trees=60, leaves=4, leaf_rows=20, learning_rate=0.1),
    TreeRecipe(trees=60, leaves=8, leaf_rows=20, learning_rate=0.1),
    TreeRecipe(trees=100, leaves=8, leaf_rows=100, learning_rate=0.1),
    TreeRecipe(trees=100, leaves=16, leaf_rows=100, learning_rate=0.05),
)
"""The largest answers in a fifth of a millisecond."""
RUNGS = (1 / 8, 1 / 4, 1 / 2, 1.0)
FEWEST_TO_HALVE = 200
"""Conversations; recipes that learnt from fewer are told apart by luck, and all go on."""
MOST_ROWS = 30_000
"""Of the newest customers, so many are searched on."""
MANY_CUSTOMERS = 2_000
ONE_BLOCK, THREE_BLOCKS = (3 / 4, 1.0), (1 / 2, 2 / 3, 5 / 6, 1.0)
"""Customers by their last conversation: the newest quarter judges what the others taught. Of few customers the newest
half judges, a third of it after the other, each what all before it taught."""
SEED = 0

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rung:
    """``figure``: the primary metric after learning from so many conversations; None where nothing could be scored."""

    conversations: int
    figure: Estimate | None


@dataclass(frozen=True, slots=True)
class Tried:
    """A recipe and what it came to, rung after rung; those that were given up early have fewer."""

    recipe: Recipe
    rungs: tuple[Rung, ...]

    @property
    def value(self) -> float:
        """The figure on its last rung; nan where it has none."""
        figure = self.rungs[-1].figure
        return figure.value if figure else math.nan


def search(train: TrainingSet, columns: ColumnsByKind, word_others: int) -> list[Tried]:
    """Return every recipe tried, the best first; of each kind at least one learnt from all conversations."""
    ground = _Ground(_newest(train), columns, word_others)
    alive = [Tried(recipe, ()) for recipe in recipes(columns, word_others, train.task.primary_metric)]
    given_up: list[Tried] = []
    for place, share in enumerate(RUNGS, 1):
        alive = [ground.climb(one, share) for one in alive]
        alive.sort(key=partial(_cost, train.task.primary_metric))
        log.info("search.rung %d of %d: %d recipes, best %s", place, len(RUNGS), len(alive), _told(alive[0]))
        if alive[0].rungs[-1].conversations >= FEWEST_TO_HALVE and share < 1:
            kept = _better_half(alive)
            given_up = [one for one in alive if one not in kept] + given_up
            alive = kept
    return alive + given_up


def recipes(columns: ColumnsByKind, word_others: int, metric: str) -> list[Recipe]:
    """Return what is tried. Balanced classes only where ranking is judged: they spoil probabilities."""
    weights = (None, "balanced") if metric == "macro_ap" else (None,)
    linear = [LinearRecipe(strength, weight, word_others) for strength in STRENGTHS for weight in weights]
    return [*(linear if "linear" in columns else []), *(TREES if "trees" in columns else [])]


def learning_curve(tried: Tried) -> list[dict[str, Any]]:
    """Return the primary metric by conversations learnt from, as evidence, on the rungs where its interval is known."""
    return [
        {"conversations": rung.conversations, **asdict(rung.figure)}
        for rung in tried.rungs
        if rung.figure and math.isfinite(rung.figure.low)
    ]


def rungs(tried: Sequence[Tried]) -> pd.DataFrame:
    """Return everything that was tried, a row a rung, the best recipe first."""
    columns = ["place", "recipe", "conversations", "value", "low", "high"]
    rows = [
        {"place": place, "recipe": in_words(one.recipe), **point}
        for place, one in enumerate(tried, 1)
        for point in learning_curve(one)
    ]
    return pd.DataFrame(rows, columns=columns)


def _told(one: Tried) -> str:
    """Return a recipe with its last figure, for the log."""
    rung = one.rungs[-1]
    figure = (
        "no figure" if rung.figure is None else "{value:.4f} ({low:.4f} to {high:.4f})".format(**asdict(rung.figure))
    )
    return f"{in_words(one.recipe)}: {figure} after {rung.conversations} conversations"


def _cost(metric: str, one: Tried) -> float:
    if math.isnan(one.value):
        return math.inf
    return -one.value if HIGHER_IS_BETTER[metric] else one.value


def _better_half(ranked: Sequence[Tried]) -> list[Tried]:
    """Return the better half of each kind: which kind is better shows with all conversations, not with an eighth."""
    kept = []
    for kind in {one.recipe.kind for one in ranked}:
        of_kind = [one for one in ranked if one.recipe.kind == kind]
        kept += of_kind[: math.ceil(len(of_kind) / 2)]
    return [one for one in ranked if one in kept]


class _Ground:
    """Where recipes are tried: columns are made once per kind and block, of all that may be learnt there.

    What words a recipe sees on a lower rung is thus known from more texts, not what they mean.
    """

    def __init__(self, train: TrainingSet, columns: ColumnsByKind, word_others: int) -> None:
        self._metric = train.task.primary_metric
        splits = list(_blocks(_customers_in_order(train)))
        self._judges = train.take(np.concatenate([held for _, held in splits])).block()
        self._blocks = {
            kind: [_Block(train, fit, held, seen, word_others) for fit, held in splits]
            for kind, seen in columns.items()
        }

    def climb(self, one: Tried, share: float) -> Tried:
        """Return ``one`` with the rung on which it learnt from ``share`` of the conversations."""
        blocks = self._blocks[one.recipe.kind]
        answers = np.concatenate([block.answers(one.recipe, share) for block in blocks])
        unused = np.full(answers.shape[1], 0.5)
        found = figures(self._judges, answers, unused, (self._metric,)).get(self._metric)
        rung = Rung(blocks[-1].conversations(share), found.estimate() if found else None)
        tried = Tried(one.recipe, (*one.rungs, rung))
        log.info("search.tried %s", _told(tried))
        return tried


class _Block:
    """One block that judges, and what came before it.

    Where probabilities are judged, the newest part of that calibrates, as it will for what is served.
    """

    def __init__(self, train: TrainingSet, before: Places, held: Places, columns: Columns, word_others: int) -> None:
        past = train.take(before)
        calibrating = CALIBRATION_SHARE if train.task.primary_metric == "log_loss" else 0.0
        is_learnt = _customers_in_order(past) < 1 - calibrating
        learnt, self._later = past.take(np.flatnonzero(is_learnt)), past.take(np.flatnonzero(~is_learnt))
        self._truth, self._weights = learnt.truth, learnt.weights
        self._share_from = _share_from(_customers(learnt.rows))
        self._conversations = learnt.rows["conversation_id"].to_numpy(dtype=str)
        seen, self._matrix = fit_columns(columns, learnt.rows, word_others)
        self._transformer = seen.named_steps["columns"]
        self._seen_later = seen.transform(self._later.rows) if calibrating else None
        self._held = seen.transform(train.rows.iloc[held])

    def answers(self, recipe: Recipe, share: float) -> Numbers:
        """Return how probable ``recipe`` calls the rows held out after learning from ``share`` of the others."""
        chosen = np.flatnonzero(self._share_from < share)
        matrix = self._matrix if share == 1 else self._matrix[chosen]
        heads = heads_of(recipe, self._transformer).fit(matrix, self._truth[chosen], self._weights[chosen])
        if self._seen_later is not None:
            heads.calibrate(self._seen_later, self._later.truth, self._later.weights)
        return heads.predict_proba(self._held)

    def conversations(self, share: float) -> int:
        return len(np.unique(self._conversations[self._share_from < share]))


def _customers_in_order(train: TrainingSet) -> NDArray[np.float64]:
    """Return of each row where its customer stands, from 0 to 1, by the customer's last conversation."""
    customers = _customers(train.rows)
    last = train.rows["started_at"].groupby(customers).max().sort_values(kind="stable")
    return np.asarray(customers.map(dict(zip(last.index, np.arange(len(last)) / len(last), strict=True))), dtype=float)


def _customers(rows: pd.DataFrame) -> pd.Series:
    """Return whose each row is; where customers cannot be told apart, its conversation."""
    is_told_apart = rows["customer_group"].nunique() >= len(THREE_BLOCKS)
    return rows["customer_group" if is_told_apart else "conversation_id"]


def _newest(train: TrainingSet) -> TrainingSet:
    """Return the rows of the newest customers: ``MOST_ROWS``, and the others of the last of them."""
    place = _customers_in_order(train)
    if len(place) <= MOST_ROWS:
        return train
    return train.take(np.flatnonzero(place >= np.partition(place, -MOST_ROWS)[-MOST_ROWS]))


def _blocks(place: NDArray[np.float64]) -> Iterator[tuple[Places, Places]]:
    """Yield (rows that teach, rows that judge)."""
    is_many = len(np.unique(place)) >= MANY_CUSTOMERS
    for start, end in pairwise(ONE_BLOCK if is_many else THREE_BLOCKS):
        yield np.flatnonzero(place < start), np.flatnonzero((start <= place) & (place < end))


def _share_from(customers: pd.Series) -> NDArray[np.float64]:
    """Return of each row the share of customers from which on it is learnt from: more always hold what fewer did."""
    names, codes = np.unique(customers.to_numpy(dtype=str), return_inverse=True)
    return np.asarray((np.random.default_rng(SEED).permutation(len(names)) / len(names))[codes])
