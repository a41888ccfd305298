"""How a candidate is trained."""

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


Recipe = LinearRecipe
