"""Rows of the gate block told worse: a bad transcript, a redaction that is too careful, an agent that forgets.

Only what was said changes; what is true of the rows does not.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_pipeline.models.scores import Numbers
from ml_pipeline.online.predicting.features import TEXT_COLUMNS
from ml_pipeline.online.redaction.hint import NAME, NUMBER, PHONE

MAX_ROWS = 2_000
"""Of the gate block, whole customers: enough to see a fall, and seconds in the agent's own runner."""
SHARE = 0.1
"""Of the words that are told worse."""
SHORTEST_TYPO = 4
SEED = 20_240_229
PLACEHOLDERS = (NAME, PHONE, NUMBER)

Stress = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def typos(rows: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Swap two neighbouring letters in every tenth word of four letters or more."""
    return _by_word(rows, lambda word: _swapped(word, generator) if len(word) >= SHORTEST_TYPO else word, generator)


def placeholders(rows: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Put a placeholder in the place of every tenth word, as redaction does where it is too careful."""
    return _by_word(rows, lambda word: PLACEHOLDERS[generator.integers(len(PLACEHOLDERS))], generator)


def truncated(rows: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """Leave each turn alone, as the features of an agent that sends only the last message."""
    forgotten = {"previous": "", "history": "", "turn": 0.0, "customer_words": 0.0, "agent_words": 0.0}
    return rows.assign(**forgotten)


STRESSES: dict[str, Stress] = {"typos": typos, "placeholders": placeholders, "truncated context": truncated}


def stressed(rows: pd.DataFrame, answer: Callable[[pd.DataFrame], Numbers]) -> dict[str, Numbers]:
    """Return what ``answer`` says to the rows under every stress, rows x labels; nan where it was not asked.

    Whoever is compared on the same rows is asked the same.
    """
    places = _sample(rows["customer_group"].to_numpy(dtype=str))
    asked = rows.iloc[places].reset_index(drop=True)
    return {name: _spread(answer(table), places, len(rows)) for name, table in _told_worse(asked)}


def _told_worse(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name, stress in STRESSES.items():
        yield name, stress(rows, np.random.default_rng(SEED))


def _sample(groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the rows of as many customers, drawn at random, as ``MAX_ROWS`` hold, and of one at least."""
    codes = np.unique(groups, return_inverse=True)[1]
    order = np.random.default_rng(SEED).permutation(int(codes.max(initial=-1)) + 1)
    held = np.cumsum(np.bincount(codes)[order])
    chosen = order[: max(1, int(np.searchsorted(held, MAX_ROWS, side="right")))]
    return np.flatnonzero(np.isin(codes, chosen))


def _spread(answers: Numbers, places: NDArray[np.int64], rows: int) -> Numbers:
    spread = np.full((rows, answers.shape[1]), np.nan)
    spread[places] = answers
    return spread


def _by_word(rows: pd.DataFrame, told: Callable[[str], str], generator: np.random.Generator) -> pd.DataFrame:
    def worse(text: str) -> str:
        words = text.split()
        chosen = generator.random(len(words)) < SHARE
        return " ".join(told(word) if is_chosen else word for word, is_chosen in zip(words, chosen, strict=True))

    return rows.assign(**{column: [worse(str(text)) for text in rows[column]] for column in TEXT_COLUMNS})


def _swapped(word: str, generator: np.random.Generator) -> str:
    at = int(generator.integers(1, len(word) - 1))
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
