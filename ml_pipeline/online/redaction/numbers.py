"""Masks numbers of four digits or more, spoken or written, that nothing explains; then says what they were."""

from collections.abc import Iterator

from ml_pipeline.online.redaction.hint import PHONE, Hint
from ml_pipeline.online.redaction.letters import (
    is_radio_letter,
    is_surely_letter,
    letter_before,
    letter_of,
    spelt_until,
)
from ml_pipeline.online.redaction.number_kinds import number_kind
from ml_pipeline.online.redaction.number_runs import Run, is_glued, read_runs
from ml_pipeline.online.redaction.number_words import lexicon
from ml_pipeline.online.redaction.quantities import MEASURES, unexplained
from ml_pipeline.online.redaction.said import HELD, MARK, WORD, Said, Span, words

FEWEST_DIGITS = 4
FEWEST_DIGITS_ASKED = 3
MOST_SPELT_LETTERS = 12
DIGITS_AFTER_LETTERS = 6
FEW_LETTERS = 2
FEWEST_LETTERS_OF_CODE = 2
"""So many letters before fewer digits may be words: "y a 5512"."""
DIGITS_BEFORE_A_CHECK_LETTER = 6
MOST_WORDS_TO_END = 4
MOST_WORDS_TO_REST = 8
MOST_WORDS_TO_EXTENSION = 4
_EXTENSIONS = frozenset({"extension", "ext"})
_BEFORE_EXTENSIONS = words("is es la el number numero num : . # uh eh")
_ENDS = words("ends ending end last termina terminan terminacion acaba acaban finaliza ultimos ultimas empieza starts")
_TELL_LETTER = frozenset({"y", "and", "la", "the", "letra", "letter", "con", "with"})
_DASHES = frozenset({"guion", "dash", "hyphen"})
_OPENINGS = frozenset({"(", "+", "plus"})


def find_numbers(said: Said, hint: Hint) -> Iterator[Span]:
    is_asked = hint.asked == "number"
    fewest = FEWEST_DIGITS_ASKED if is_asked else FEWEST_DIGITS
    done = 0
    runs = read_runs(said, lexicon(hint.language))
    long = [run for run in runs if len(run.digits) >= FEWEST_DIGITS]
    for whole in runs:
        if len(whole.digits) < fewest:
            is_rest = _is_read_out(whole) and (_tells_end(said, whole) or _is_part(whole, long))
            first = _extension_before(said, whole, done)
            if first < whole.first:
                yield said.span(first if _is_behind_number(said, first, done) else whole.first, whole.end, PHONE)
            elif is_rest:
                yield said.span(whole.first, whole.end, number_kind(said, whole.first, whole.digits))
            elif _is_read_out(whole) and (code := _code_around(said, whole, done)):
                yield said.span(*code, number_kind(said, code[0], _code(said, whole, *code)))
            continue
        run = unexplained(said, whole, is_asked=is_asked)
        if run is None or len(run.digits) < fewest:
            continue
        first, end = _letters_before(said, run, done), _letters_behind(said, run)
        yield said.span(first, end, number_kind(said, first, _code(said, run, first, end)))
        done = end


def _is_read_out(run: Run) -> bool:
    """Whether it is told digit by digit, as no amount is."""
    is_close = run.end - run.first == len(run.pieces)
    return is_close and len(run.pieces) >= 2 and all(len(piece.digits) == 1 for piece in run.pieces)


def _tells_end(said: Said, run: Run) -> bool:
    """Such as "acaba en seis cuatro cero"."""
    return not _ENDS.isdisjoint(said.plains[max(0, run.first - MOST_WORDS_TO_END) : run.first])


def _extension_before(said: Said, run: Run, done: int) -> int:
    """Return where "extension" stands before a number: "la extensión es la cuarenta y cuatro"; its start where not.

    None is that of "extension 12 feet long".
    """
    at = run.first - 1
    while at > max(done, run.first - MOST_WORDS_TO_EXTENSION) and said.plains[at] in _BEFORE_EXTENSIONS:
        at -= 1
    is_told = at >= done and said.plains[at] in _EXTENSIONS
    return at if is_told and MEASURES.isdisjoint(said.plains[run.end : run.end + 1]) else run.first


def _is_behind_number(said: Said, at: int, done: int) -> bool:
    return at > 0 and (at == done or said.words[at - 1].kind == HELD)


def _code_around(said: Said, run: Run, done: int) -> tuple[int, int] | None:
    """Return the letters and few digits of a code, such as "equis erre te cuatro cinco uno"."""
    first, end = _letters_before(said, run, done), _letters_behind(said, run)
    letters = (run.first - first) + (end - run.end)
    return (first, end) if letters >= FEWEST_LETTERS_OF_CODE else None


def _is_part(run: Run, long: list[Run]) -> bool:
    """Whether it is the rest of a longer number near by: "two oh six, and the rest is eight one four…"."""
    return any(max(run.first - other.end, other.first - run.end) <= MOST_WORDS_TO_REST for other in long)


def _letters_before(said: Said, run: Run, done: int) -> int:
    """Take in what is spelt before a number, as in a CURP or an IBAN, and the plus or bracket that opens it."""
    first = at = told = run.first
    while at > max(done, first - MOST_SPELT_LETTERS):
        if (spelt := letter_before(said, at, done)) < at or is_radio_letter(said, at - 1):
            at = told = min(spelt, at - 1)
            continue
        word = said.words[at - 1]
        is_opening = word.plain in _OPENINGS or word.plain in _DASHES or (word.plain == "-" and said.is_tight(at))
        if not (is_opening or is_glued(said, at - 1) or letter_of(said, at - 1) or _is_prefix(said, at - 1)):
            break
        at -= 1
    is_spelt = first - at >= 2 or (at < first and len(said.words[at].plain) == 1)
    if first - at >= 2 and any(is_surely_letter(said, place) for place in range(at, first)):
        return at + (said.words[at].plain == "y")
    if is_spelt and (len(run.digits) >= DIGITS_AFTER_LETTERS or first - at > FEW_LETTERS):
        return at
    while at < told and not (
        is_surely_letter(said, at) or is_glued(said, at) or said.words[at].plain in _OPENINGS or _is_prefix(said, at)
    ):
        at += 1
    return at


def _is_prefix(said: Said, at: int) -> bool:
    """Such as "KT 4471 0926": two or three capitals before a number, where not all is written so."""
    word = said.words[at]
    return (
        said.has_capitals and word.kind == WORD and len(word.plain) <= 3 and said.text[word.start : word.end].isupper()
    )


def _letters_behind(said: Said, run: Run) -> int:
    end = run.end
    limit = min(len(said.words), end + MOST_SPELT_LETTERS)
    if (spelt := spelt_until(said, end, limit)) > end:
        return spelt
    while end < limit and is_radio_letter(said, end):
        end += 1
    if end > run.end:
        return end
    at = end
    while at < limit and (is_glued(said, at) or (said.words[at].plain == "-" and said.is_tight(at))):
        at += 1
        end = at if said.words[at - 1].kind == WORD else end
    if at == run.end and at < limit and len(run.digits) >= DIGITS_BEFORE_A_CHECK_LETTER:
        while at + 1 < limit and said.words[at].plain in _TELL_LETTER:
            at += 1
        is_last = at + 1 == len(said.words) or said.words[at + 1].kind == MARK
        if is_surely_letter(said, at) or (is_last and letter_of(said, at)):
            return at + 1
    return end


def _code(said: Said, run: Run, first: int, end: int) -> str:
    digits = {piece.first: piece.digits for piece in run.pieces}
    inside = {at for piece in run.pieces for at in range(piece.first, piece.end)}
    parts = []
    for at in range(first, end):
        if at in digits:
            parts.append(digits[at])
        elif at not in inside:
            parts.append(letter_of(said, at) or (said.words[at].plain if is_glued(said, at) else ""))
    return "".join(parts).upper()
