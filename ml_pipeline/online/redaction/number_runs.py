"""Joins the numbers that are read out or written piece by piece: "55 12, eh, treinta y cuatro guion 5 6"."""

from dataclasses import dataclass, field
from itertools import pairwise

from ml_pipeline.online.redaction.letters import is_radio_letter, is_surely_letter, letter_of, letter_until
from ml_pipeline.online.redaction.number_words import Lexicon, Number, read_number
from ml_pipeline.online.redaction.said import DIGITS, GROUPED, MARK, WORD, Said, phrases, words
from ml_pipeline.online.redaction.vocabulary import HESITATIONS

MOST_WORDS_BETWEEN = 8
"""Hesitations, dashes and spelt letters that may stand between two numbers of one run."""
LONGEST_GLUED_WORD = 5
"""Letters written together with digits belong to them: "AB-1234", "abc1234"."""
FEWEST_DIGITS_WITH_PAUSES = 7
FEWEST_DIGITS_WITH_BRIDGES = 6
LONG_DIGITS = 6

_SEPARATORS = words(
    """
    guion guiones dash hyphen minus menos slash diagonal espacio space punto dot period
    """
)
_PHRASES = phrases(
    """
    a ver | area code | con lada | dejame ver | y luego | and then | no wait | no perdon | followed by | guion bajo |
    guion medio | i mean | let me | let's see | me see | o sea | seguido de | seguido por | you know
    """
)
_LOOSE_MARKS = frozenset("-\u2013\u2014()+*·…")
_TIGHT_MARKS = frozenset("./_")
_BRIDGES = HESITATIONS | words(
    """
    no not y and es is it's son was el la the then luego despues rest resto last ultimos falta faltan termina ending
    what que oops hang on sea think no's lada area code actually correction corrijo dejame ver see let me mas plus ,
    """
)
"""What else may stand inside a number read out in pieces; never in a list of amounts."""
MOST_DIGITS_AT_BRIDGE = 3
_CONJUNCTIONS = frozenset({"y", "and"})


@dataclass(frozen=True, slots=True)
class Piece:
    """One number of a run: words ``[first, end)``. ``is_large``: told with a thousand or more."""

    first: int
    end: int
    digits: str
    is_large: bool = False


@dataclass(slots=True)
class Run:
    """Numbers that belong together. ``has_pause``: a comma stands among them."""

    pieces: list[Piece]
    has_pause: bool = False
    bridges: list[int] = field(default_factory=list)
    """The pieces that only such words join to those before them as anybody says beside."""
    count: int = 0

    @property
    def first(self) -> int:
        return self.pieces[0].first

    @property
    def end(self) -> int:
        return self.pieces[-1].end

    @property
    def digits(self) -> str:
        return "".join(piece.digits for piece in self.pieces)


def read_runs(said: Said, known: Lexicon) -> list[Run]:
    """Return the runs of numbers in ``said``, in order; single numbers among them."""
    runs: list[Run] = []
    done = 0
    for at in known.starts(said):
        if at >= done and (number := _number(said, at, known, runs)):
            _append(said, runs, Piece(at, number.end, number.digits, number.is_large))
            done = number.end
    return [part for run in runs for joined in _at_bridges(run) for part in _at_pauses(said, joined)]


def _number(said: Said, at: int, known: Lexicon, runs: list[Run]) -> Number | None:
    words = said.words
    if words[at].plain not in known.ohs:
        return read_number(words, at, known)
    # "Oh" is a zero beside a digit only.
    follows = bool(runs) and runs[-1].end == at
    precedes = at + 1 < len(words) and words[at].plain == "oh" and words[at + 1].plain in known.units
    return Number(at + 1, "0") if follows or precedes else None


def _append(said: Said, runs: list[Run], piece: Piece) -> None:
    if runs and piece.first - runs[-1].end <= MOST_WORDS_BETWEEN:
        run = runs[-1]
        joins = _joins(said, run.pieces[-1], piece, is_long=run.count >= LONG_DIGITS)
        is_bridged = not joins and _is_bridged(said, run.pieces[-1], piece)
        if joins or is_bridged:
            if is_bridged:
                run.bridges.append(len(run.pieces))
            run.has_pause |= any(said.words[at].plain == "," for at in range(run.end, piece.first))
            run.pieces.append(piece)
            run.count += len(piece.digits)
            return
    runs.append(Run([piece], count=len(piece.digits)))


def _joins(said: Said, last: Piece, piece: Piece, *, is_long: bool) -> bool:
    at = last.end
    are_single = len(last.digits) == 1 == len(piece.digits)
    while at < piece.first:
        step = _step(said, at, piece.first, may_conjoin=are_single, is_long=is_long)
        if not step:
            return False
        at += step
    return True


def _is_bridged(said: Said, last: Piece, piece: Piece) -> bool:
    return _BRIDGES.issuperset(said.plains[last.end : piece.first]) and _is_read_out(last) and _is_read_out(piece)


def _is_read_out(piece: Piece) -> bool:
    """Whether it may be a part of something longer: no round number and no amount."""
    is_round = len(piece.digits) > 1 and piece.digits.endswith("00")
    return not piece.is_large and not is_round and len(piece.digits) <= MOST_DIGITS_AT_BRIDGE


def _step(said: Said, at: int, end: int, *, may_conjoin: bool, is_long: bool) -> int:
    """Return how many words from ``at`` on may stand inside a number read out; 0 where none may.

    ``is_long``: so much of it has been read that one letter more is a letter, though it be a word as well.
    """
    word = said.words[at]
    if word.kind == MARK:
        is_tight = said.is_tight(at) and said.is_tight(at + 1)
        return int(word.plain in _LOOSE_MARKS or word.plain == "," or (word.plain in _TIGHT_MARKS and is_tight))
    if word.kind != WORD:
        return 0
    following = said.words[at + 1].plain if at + 1 < end else ""
    if (word.plain, following) in _PHRASES:
        return 2
    if word.plain in _CONJUNCTIONS:
        return int(may_conjoin or following in HESITATIONS)
    return _letter_step(said, at, end, is_long=is_long)


def _letter_step(said: Said, at: int, end: int, *, is_long: bool) -> int:
    word = said.words[at]
    if (after := letter_until(said, at)) > at + 2 and after <= end:
        return after - at
    is_hidden = word.plain.strip("x") == "" or is_radio_letter(said, at, may_be_alone=is_long)
    if word.plain in HESITATIONS or word.plain in _SEPARATORS or is_hidden or is_surely_letter(said, at):
        return 1
    is_spelt = bool(letter_of(said, at)) and any(is_surely_letter(said, beside) for beside in (at - 1, at + 1))
    return int(is_spelt or is_glued(said, at) or (is_long and end == at + 1 and bool(letter_of(said, at))))


def is_glued(said: Said, at: int) -> bool:
    """Tell whether word ``at`` is a few letters written together with digits, or joined to them by a dash."""
    word = said.words[at]
    if word.kind != WORD or len(word.plain) > LONGEST_GLUED_WORD:
        return False
    return _touches_digits(said, at, -1) or _touches_digits(said, at, 1)


def _touches_digits(said: Said, at: int, step: int) -> bool:
    for beside in (at + step, at + 2 * step):
        if not 0 <= beside < len(said.words) or not said.is_tight(max(beside, beside - step)):
            return False
        if said.words[beside].kind in {DIGITS, GROUPED}:
            return True
        if said.words[beside].plain not in {"-", "\u2013"}:
            return False
    return False


def _at_bridges(run: Run) -> list[Run]:
    """Split where mere words join a few digits: "two and then three"."""
    if not run.bridges or len(run.digits) >= FEWEST_DIGITS_WITH_BRIDGES:
        return [run]
    cuts = [0, *run.bridges, len(run.pieces)]
    return [Run(run.pieces[start:end], run.has_pause) for start, end in pairwise(cuts)]


def _at_pauses(said: Said, run: Run) -> list[Run]:
    """Split a list, such as "10, 20, 300 or so", at its commas; what is dictated stays whole."""
    is_dictated = (
        not run.has_pause
        or len(run.digits) >= FEWEST_DIGITS_WITH_PAUSES
        or all(len(piece.digits) == 1 or said.words[piece.first].kind == WORD for piece in run.pieces)
    )
    if is_dictated:
        return [run]
    parts = [Run([run.pieces[0]])]
    for last, piece in zip(run.pieces, run.pieces[1:], strict=False):
        if any(said.words[at].plain == "," for at in range(last.end, piece.first)):
            parts.append(Run([piece]))
        else:
            parts[-1].pieces.append(piece)
    return parts
