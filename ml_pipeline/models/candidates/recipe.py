"""How a candidate is trained: what is searched, and what is kept with the version."""

from typing import ClassVar, Literal

import msgspec

Kind = Literal["linear", "trees"]


class LinearRecipe(msgspec.Struct, frozen=True, tag_field="kind", tag="linear"):
    """Logistic regression per label.

    ``strength``: inverse of the penalty. ``class_weight``: ``balanced`` where the rarer class counts as much.
    ``word_others``: how many others must have said a word before it is seen.
    """

    kind: ClassVar[Kind] = "linear"
    strength: float
    class_weight: str | None
    word_others: int


class TreeRecipe(msgspec.Struct, frozen=True, tag_field="kind", tag="trees"):
    """Histogram gradient boosting per label, on all but text.

    ``leaves``: of a tree at most; ``leaf_rows``: of a leaf at least.
    """

    kind: ClassVar[Kind] = "trees"
    word_others: ClassVar[int] = 0
    trees: int
    leaves: int
    leaf_rows: int
    learning_rate: float


Recipe = LinearRecipe | TreeRecipe


def in_words(recipe: Recipe) -> str:
    """Return ``recipe`` as one line.

    >>> in_words(LinearRecipe(2.0, None, 5))
    'linear strength=2.0 class_weight=None word_others=5'
    """
    options = " ".join(f"{name}={value}" for name, value in msgspec.structs.asdict(recipe).items())
    return f"{recipe.kind} {options}"
