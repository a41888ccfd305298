"""Numbers as people say them, in English and Spanish: "doble cinco", "treinta y tres", "five oh", "dos mil"."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from ml_pipeline.online.redaction.said import DIGITS, GROUPED, Said, Word

_UNITS = {
    "en": "zero one two three four five six seven eight nine",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
}
_TEENS = {
    "en": "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "es": "diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve",
}
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
}
_TWENTIES = "veintiuno veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve"
_HUNDREDS = "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
_REPEATS = {"en": {"double": 2, "triple": 3}, "es": {"doble": 2, "triple": 3}}
_MIL = "mil"
_NUMERIC = frozenset({DIGITS, GROUPED})
_THOUSANDS = {
    "en": {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000},
    "es": {_MIL: 1_000, "millon": 1_000_000, "millones": 1_000_000},
}
_OTHER_SPELLINGS = {
    "en": {"nought": "0", "naught": "0"},
    "es": {"veintiun": "21", "cien": "100"},
}
_LANGUAGES = ("en", "es")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What number words mean: their digits by size, and the words around them."""

    units: dict[str, str]
    teens: dict[str, str]
    tens: dict[str, str]
    hundreds: dict[str, str]
    thousands: dict[str, int]
    repeats: dict[str, int]
    hundred: str | None
    ohs: frozenset[str]
    all_words: frozenset[str]

    def starts(self, said: Said) -> list[int]:
        """Return the words of ``said`` at which a number may start; looked up once."""
        if said.number_starts is None:
            said.number_starts = self._find_starts(said)
        return said.number_starts

    def _find_starts(self, said: Said) -> list[int]:
        words, ohs = self.all_words, self.ohs
        if not said.has_digits and words.isdisjoint(said.vocabulary):
            return []
        return [
            at for at, (word, _, _, kind) in enumerate(said.words) if word in words or kind in _NUMERIC or word in ohs
        ]


class Number(NamedTuple):
    """A number that ends before word ``end``. ``is_large``: told with a thousand or more, as quantities are."""

    end: int
    digits: str
    is_large: bool = False


@cache
def lexicon(language: str) -> Lexicon:
    """Return the number words of ``language``; of both where it is unknown."""
    spoken = (language,) if language in _LANGUAGES else _LANGUAGES
    units: dict[str, str] = {}
    teens: dict[str, str] = {}
    tens: dict[str, str] = {}
    hundreds: dict[str, str] = {}
    repeats: dict[str, int] = {}
    thousands: dict[str, int] = {}
    for name in spoken:
        units.update((word, str(digit)) for digit, word in enumerate(_UNITS[name].split()))
        teens.update((word, str(10 + more)) for more, word in enumerate(_TEENS[name].split()))
        tens.update((word, str(20 + 10 * more)) for more, word in enumerate(_TENS[name].split()))
        for word, digits in _OTHER_SPELLINGS[name].items():
            (units, teens, hundreds)[len(digits) - 1][word] = digits
        repeats |= _REPEATS[name]
        thousands |= _THOUSANDS[name]
    if "es" in spoken:
        teens.update((word, str(21 + more)) for more, word in enumerate(_TWENTIES.split()))
        for more, word in enumerate(_HUNDREDS.split()):
            hundreds[word] = hundreds[word.removesuffix("os") + "as"] = str(100 + 100 * more)
    ohs = frozenset({"oh", "o"} if language != "es" else ())
    hundred = "hundred" if "en" in spoken else None
    every = frozenset({*units, *teens, *tens, *hundreds, *thousands, *repeats})
    return Lexicon(units, teens, tens, hundreds, thousands, repeats, hundred, ohs, every)


def read_number(words: list[Word], at: int, known: Lexicon) -> Number | None:
    """Return the number that starts at word ``at``, as many words of it as belong together; None where none does.

    "treinta y tres" is one number, "cinco cinco" are two; "doble cinco" is 55.
    """
    word = words[at]
    if word.plain in known.repeats:
        return _repeated(words, at, known)
    if word.kind in _NUMERIC:
        small: Number | None = Number(at + 1, word.plain.replace(".", ""))
    else:
        small = _below_thousand(words, at, known)
    if small is None and word.plain == _MIL in known.thousands:
        small = Number(at, "1")
    return _multiplied(words, small, known) if small else None


def _repeated(words: list[Word], at: int, known: Lexicon) -> Number | None:
    word = words[at + 1].plain if at + 1 < len(words) else ""
    digits = (
        "0" if word in known.ohs else known.units.get(word) or known.teens.get(word) or known.tens.get(word) or word
    )
    if len(digits) > 2 or not digits.isdecimal():
        return None
    return Number(at + 2, digits * known.repeats[words[at].plain])


def _below_hundred(words: list[Word], at: int, known: Lexicon) -> Number | None:
    word = words[at].plain
    if tens := known.tens.get(word):
        place = at + 2 if at + 2 < len(words) and words[at + 1].plain in {"y", "-"} else at + 1
        unit = known.units.get(words[place].plain, "0") if place < len(words) else "0"
        return Number(at + 1, tens) if unit == "0" else Number(place + 1, tens[0] + unit)
    digits = known.teens.get(word) or known.units.get(word)
    return Number(at + 1, digits) if digits else None


def _below_thousand(words: list[Word], at: int, known: Lexicon) -> Number | None:
    hundreds = known.hundreds.get(words[at].plain)
    if hundreds is None:
        return _below_hundred(words, at, known)
    rest, end = _rest(words, at + 1, known)
    return Number(end, str(int(hundreds) + rest))


def _rest(words: list[Word], at: int, known: Lexicon) -> tuple[int, int]:
    """What below a hundred follows and belongs to what came before, and where it ends."""
    start = at + 1 if at < len(words) and words[at].plain == "and" else at
    rest = _below_hundred(words, start, known) if start < len(words) else None
    if rest is None or (len(rest.digits) == 1 and rest.end < len(words) and words[rest.end].plain in known.units):
        return 0, at  # digits follow one by one: the hundred before them stands for itself
    return int(rest.digits), rest.end


def _multiplied(words: list[Word], small: Number, known: Lexicon) -> Number:
    small = _hundreds(words, small, known)
    factor = known.thousands.get(words[small.end].plain) if small.end < len(words) else None
    if factor is None:
        return small
    at = small.end + 1
    more = _below_thousand(words, at, known) if at < len(words) else None
    if more is None:
        rest, end = _rest(words, at, known)
    else:
        more = _hundreds(words, more, known)
        rest, end = int(more.digits), more.end
    return Number(end, str(int(small.digits[:9]) * factor + rest), is_large=True)


def _hundreds(words: list[Word], small: Number, known: Lexicon) -> Number:
    """Such as "Two hundred and five", "twenty seven hundred"."""
    if small.end >= len(words) or words[small.end].plain != known.hundred:
        return small
    rest, end = _rest(words, small.end + 1, known)
    return Number(end, str(int(small.digits[:9]) * 100 + rest), is_large=len(small.digits) > 1)
