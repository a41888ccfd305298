"""Versions: searched, fitted and calibrated by the product, each once; their answers to every call that came later."""

from dataclasses import dataclass

import numpy as np

from benchmarks.learning_calls import Calls, columns
from ml_pipeline.models.candidates.fit import answers, fit
from ml_pipeline.models.candidates.recipe import Kind, Recipe
from ml_pipeline.models.candidates.search import search
from ml_pipeline.models.scores import Numbers
from ml_pipeline.models.split import CALIBRATION, TRAIN, split_at
from ml_pipeline.models.training_set import TrainingSet

NO_WORDS = 0


@dataclass(frozen=True, eq=False)
class Version:
    """``until``: how many calls taught it. ``probabilities``: of every call, nan for those."""

    name: str
    recipe: Recipe
    until: int
    probabilities: Numbers


class Versions:
    """What was trained so far: loops that ask for the same get the same."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._recipes: dict[int, dict[Kind | None, Recipe]] = {}
        self._fitted: dict[tuple[Recipe, int], Version] = {}

    def searched(self, until: int, kind: Kind | None) -> Version:
        """Return what the search finds in the first ``until`` calls; ``kind``: among those alone, None among all."""
        if until not in self._recipes:
            train, _ = self._parts(until)
            tried = search(train, columns(), NO_WORDS)
            best: dict[Kind | None, Recipe] = {None: tried[0].recipe}
            for one in tried:
                best.setdefault(one.recipe.kind, one.recipe)
            self._recipes[until] = best
        return self.fitted(self._recipes[until][kind], until)

    def fitted(self, recipe: Recipe, until: int) -> Version:
        """Return the version of ``recipe`` that the first ``until`` calls taught."""
        if (recipe, until) not in self._fitted:
            train, calibration = self._parts(until)
            model = fit(train, calibration, recipe, columns()[recipe.kind])
            found = np.full(len(self.calls), np.nan)
            found[until:] = answers(model, self.calls.rows.rows.iloc[until:])[:, 0]
            name = f"{recipe.kind} {len(self._fitted)} of {until}"
            self._fitted[recipe, until] = Version(name, recipe, until, found)
        return self._fitted[recipe, until]

    def _parts(self, until: int) -> tuple[TrainingSet, TrainingSet]:
        parts = split_at(np.arange(until).tolist(), until)
        return tuple(self.calls.rows.take(np.flatnonzero(parts == name)) for name in (TRAIN, CALIBRATION))
