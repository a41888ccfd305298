"""Reads acts by phrases, in Spanish and English, from text as people type it and as speech recognition hears it."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import pairwise

import msgspec

from ml_pipeline.vocabulary.acts import Act

REVISION = 1
"""Raise it whenever a phrase changes: a tagger is named after it."""

LANGUAGES = ("es", "en")
MOST_CHARACTERS = 4_000
"""Of one turn; what comes later is not read."""
WORDS_BEFORE = 3
"""How many words before a phrase are searched for what negates it."""

_CLAUSE_END = re.compile(r"[.,;:!\n…]+")
_NO_WORD = re.compile(r"[^\w?.]+")
_AGAIN = re.compile(r"\b(\w+)(?: \1\b)+")


class Phrases(msgspec.Struct, frozen=True):
    """What acts sound like in one language, see phrases/en.toml."""

    acts: dict[Act, list[str]]
    negations: list[str]
    not_negating: list[str]
    fillers: list[str]


@cache
def phrases() -> Mapping[str, Phrases]:
    """Return the phrases of this release, by language."""
    folder = files("ml_pipeline.acts") / "phrases"
    return {
        language: msgspec.convert(
            tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8")), Phrases, strict=False
        )
        for language in LANGUAGES
    }


class Rules:
    """The rules of one language.

    >>> rules = Rules(phrases()["es"])
    >>> sorted(map(str, rules.read("¡Uf, es demasiado caro!"))), sorted(map(str, rules.read("no es demasiado caro")))
    (['objection_price'], [])
    """

    def __init__(self, known: Phrases) -> None:
        self._phrases = {act: _any_of(patterns) for act, patterns in known.acts.items()}
        self._negations = frozenset(known.negations)
        self._not_negating = frozenset(known.not_negating)
        self._fillers = _any_of([re.escape(filler) for filler in known.fillers])

    def read(self, text: str) -> frozenset[Act]:
        """Return the acts that ``text`` holds."""
        said = self._without_fillers(plain(text))
        return frozenset(act for act, phrase in self._phrases.items() if self._holds(phrase, said))

    def _without_fillers(self, said: str) -> str:
        spoken = self._fillers.sub("", f" {said}")
        return _AGAIN.sub(r"\1", spoken)

    def _holds(self, phrase: re.Pattern[str], said: str) -> bool:
        found = phrase.search(said)
        while found and self._is_negated(said[: found.start()]):
            found = phrase.search(said, found.end())
        return found is not None

    def _is_negated(self, before: str) -> bool:
        """Tell whether the clause so far ends in a negation that reaches what follows."""
        words = before.rpartition(".")[2].rpartition("?")[2].split()[-WORDS_BEFORE:]
        return any(
            word in self._negations and after not in self._not_negating for word, after in pairwise([*words, ""])
        )


def plain(text: str) -> str:
    """Return ``text`` in lower case without accents, apostrophes and punctuation but ``?`` and a ``.`` between clauses.

    >>> plain("¿Cuánto cuesta? Pues, no sé… It's too much!")
    'cuanto cuesta ? pues . no se . its too much .'
    """
    bare = text[:MOST_CHARACTERS].lower().replace("…", ".")
    if not bare.isascii():
        parts = unicodedata.normalize("NFKD", bare)
        bare = "".join(character for character in parts if not unicodedata.combining(character))
    bare = bare.replace("'", "").replace("\u2019", "").replace("?", " ? ")
    return " ".join(_NO_WORD.sub(" ", _CLAUSE_END.sub(" . ", bare)).split())


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    # The space in front is what the engine looks for first: five times faster than an edge of a word anywhere.
    starts = [pattern.replace("^", "(?<=^ )", 1) if pattern.startswith("^") else pattern for pattern in patterns]
    return re.compile(f" (?:{'|'.join(starts)})(?= |$)")
