"""Boosted trees of scikit-learn as what a bundle of trees is made of."""

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from ml_pipeline.errors import BundleError
from ml_pipeline.online.predicting.bundle import CategoryInput, NumberInput, Tree, Trees
from ml_pipeline.vocabulary.tasks import Task

NODES_OF_A_PART = 2_000
BITS = 32  # of a word of scikit-learn's category sets

Input = NumberInput | CategoryInput


def intercepts(heads: Any) -> list[float]:
    """Return each label's score before any tree."""
    return [
        float(_private(heads.boosted_[label], "baseline_prediction")[0, 0]) if label in heads.boosted_ else float(level)
        for label, level in enumerate(heads.intercepts_)
    ]


def tree_parts(heads: Any, task: Task) -> Iterator[Trees]:
    """Yield the trees of each label in parts of about 2,000 nodes."""
    for label, boosted in heads.boosted_.items():
        waiting: list[Tree] = []
        for (predictor,) in _private(boosted, "predictors"):
            waiting.append(_tree(predictor))
            if sum(len(tree.value) for tree in waiting) >= NODES_OF_A_PART:
                yield Trees(task.labels[label], waiting)
                waiting = []
        yield Trees(task.labels[label], waiting)


def _tree(predictor: Any) -> Tree:
    nodes = predictor.nodes
    chosen = [place for place, node in enumerate(nodes) if node["is_categorical"] and not node["is_leaf"]]
    return Tree(
        inputs=[0 if node["is_leaf"] else int(node["feature_idx"]) for node in nodes],
        value=[_value(node) for node in nodes],
        left=[0 if node["is_leaf"] else int(node["left"]) for node in nodes],
        right=[0 if node["is_leaf"] else int(node["right"]) for node in nodes],
        missing_left=[bool(node["missing_go_to_left"]) for node in nodes],
        category_nodes=chosen,
        categories=[_members(predictor.raw_left_cat_bitsets[nodes[place]["bitset_idx"]]) for place in chosen],
    )


def _value(node: Any) -> float:
    if node["is_leaf"]:
        return float(node["value"])
    # All but the missing go left under an infinite threshold, which JSON cannot say.
    return min(float(node["num_threshold"]), sys.float_info.max)


def _members(words: Any) -> list[int]:
    return [place * BITS + bit for place, word in enumerate(words) for bit in range(BITS) if int(word) >> bit & 1]


def inputs(model: Pipeline) -> list[Input]:
    """Return what the nodes of every tree look at, by place.

    Raises:
        BundleError: if the model has a step that bundles of trees cannot carry.
    """
    steps = [(step, column) for _, step, column in model.named_steps["columns"].transformers_ if step != "drop"]
    found = [one for step, column in steps for one in _inputs(step, column)]
    boosted = next(iter(model.named_steps["heads"].boosted_.values()), None)
    return found if boosted is None else _reordered(boosted, found)


def _inputs(step: Any, column: Any) -> Iterator[Input]:
    if isinstance(step, StandardScaler):
        yield from map(NumberInput, column, step.mean_.tolist(), step.scale_.tolist())
    elif isinstance(step, OneHotEncoder) and step.handle_unknown == "ignore" and step.drop is None:
        for name, categories in zip(column, step.categories_, strict=True):
            yield from (CategoryInput(name, {str(one): 1.0}, 0.0) for one in categories)
    elif isinstance(step, OrdinalEncoder) and step.handle_unknown == "use_encoded_value":
        for place, name in enumerate(column):
            yield CategoryInput(name, _numbers(step, place), _unless_missing(float(step.unknown_value)))
    elif isinstance(step, FunctionTransformer) and step.func is None:
        yield from map(NumberInput, column)
    else:
        raise BundleError(f"a {type(step).__name__} on {column} before trees cannot be exported; train a kind that can")


def _numbers(step: OrdinalEncoder, place: int) -> dict[str, float]:
    """Return the number of each category of one column; rare ones share one."""
    known = step.categories_[place]
    table = np.array([[one[0] for one in step.categories_]] * len(known), dtype=object)
    table[:, place] = known
    frame = pd.DataFrame(table, columns=getattr(step, "feature_names_in_", None))
    return {str(one): float(number) for one, number in zip(known, step.transform(frame)[:, place], strict=True)}


def _reordered(boosted: HistGradientBoostingClassifier, found: list[Input]) -> list[Input]:
    """Return the inputs as the classifier numbers them inside: native categories first, counted anew."""
    preprocessor, is_category = _private(boosted, "preprocessor"), boosted.is_categorical_
    if preprocessor is None:
        return found
    encoder = preprocessor.named_transformers_["encoder"]
    native = [one for one, chosen in zip(found, is_category, strict=True) if chosen]
    others = [one for one, chosen in zip(found, is_category, strict=True) if not chosen]
    return [_renumbered(one, list(known)) for one, known in zip(native, encoder.categories_, strict=True)] + others


def _renumbered(given: Input, known: list[float]) -> CategoryInput:
    if not isinstance(given, CategoryInput):
        raise BundleError(f"{given.column} is split by category but is a number; encode it first")
    numbers = {name: float(known.index(number)) for name, number in given.numbers.items() if number in known}
    other = float(known.index(given.other)) if given.other in known else None
    return CategoryInput(given.column, numbers, other)


def _private(boosted: HistGradientBoostingClassifier, name: str) -> Any:
    """Return what scikit-learn tells nobody of a fitted classifier; every export is proven, so a change is noticed.

    Raises:
        BundleError: if this scikit-learn calls it otherwise.
    """
    try:
        return getattr(boosted, f"_{name}")
    except AttributeError as error:
        raise BundleError(f"scikit-learn keeps {name} of its trees elsewhere: {error}; mend the exporter") from error


def _unless_missing(number: float) -> float | None:
    return None if math.isnan(number) else number
