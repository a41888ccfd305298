"""Masks e-mail addresses that are spoken: "ana punto lopez arroba gmail punto com", "a n a at hot mail dot com"."""

from collections.abc import Iterator

from ml_pipeline.online.redaction.hint import EMAIL, Hint
from ml_pipeline.online.redaction.letters import letter_of, letter_until
from ml_pipeline.online.redaction.number_words import lexicon
from ml_pipeline.online.redaction.said import DIGITS, HELD, MARK, SENTENCE_ENDS, WORD, Said, Span, words
from ml_pipeline.online.redaction.vocabulary import COMMON, HESITATIONS

MOST_WORDS_BEFORE = 40
MOST_WORDS_OF_DOMAIN = 12
_AT = frozenset({"arroba", "@"})
_MAYBE_AT = frozenset({"at", "en"})
_SIGNS = _AT | _MAYBE_AT
_DOTS = frozenset({"punto", "dot", ".", "point", "period"})
_JOINTS = _DOTS | words(
    """
    _ - + guion bajo medio underscore dash hyphen plus mas minus
    """
)
_PROVIDERS = words(
    """
    gmail hotmail outlook yahoo icloud live proton protonmail aol msn gmx telefonica movistar prodigy terra hot out
    comcast verizon zoho
    """
)
_ENDINGS = words(
    """
    com mx es net org edu us io co info biz gob gov ar cl pe uk fr de eu cat gal eus me ai dev app coop tv ca au nz
    pt br ch nl ie xyz pro shop store online site tech agency studio design law cloud digital media group works
    email space
    """
)
_SURE_PROVIDERS = _PROVIDERS - {"hot", "out"}
_SPLIT_PROVIDERS = frozenset({"hot", "out", "proton"})
_INNER_WORDS = words(
    """
    el la los las de del y the of and
    """
)
_NO_DOMAINS = words("that this your the our my el la su tu un una")
"""Behind a mere "at" these tell of a site, not of an address."""
MOST_COMMON_WORDS = 5
SHORTEST_ENDING = 2
_BARE_ENDINGS = frozenset({"com", "mx", "net"})
_NEVER_LOCAL = words(
    """
    es is it's its correo mail email e-mail direccion address electronico a al to el la mi my your su tu with con
    """
)


_EXPLAINERS = frozenset({"con", "with"})
_STOPS = _NEVER_LOCAL | words(
    """
    i'm i'd you we he she they the this that that's use uses send sent write reach try uso usa manda mande mandelo
    mandamelo mandalo escribe escribame escribeme escribanme ponlo apunta anota por para for que and then luego si no
    yes sure okay claro mine same mismo siempre would could can will contact get was are our just only here aqui
    puede puedes seria called copy both should where there tambien also
    """
)
"""Behind one of these an address starts at the earliest."""


def find_emails(said: Said, hint: Hint) -> Iterator[Span]:
    vocabulary = said.vocabulary
    if vocabulary.isdisjoint(_SIGNS) and (hint.asked != "email" or vocabulary.isdisjoint(_PROVIDERS)):
        return
    done = 0
    for at, word in enumerate(said.words):
        if at < done:
            continue
        if end := _domain_until(said, at, word.plain, hint):
            first = _local_from(said, at, done, hint)
            if first < at or word.plain in _AT:
                yield said.span(first, end, EMAIL)
                done = end


def _domain_until(said: Said, at: int, sign: str, hint: Hint) -> int:
    """Return where the domain behind the at sign ``at`` ends; 0 where that is none."""
    if sign in _SURE_PROVIDERS and hint.asked == "email":
        return _endings_until(said, at + 1)
    if sign not in _AT and sign not in _MAYBE_AT:
        return 0
    start = at + 1
    while start < len(said.words) and said.words[start].plain in HESITATIONS:
        start += 1
    dot = _first_dot(said, start)
    if dot and not (sign in _MAYBE_AT and said.words[start].plain in _NO_DOMAINS):
        end = _endings_until(said, dot)
        return end if sign in _AT or _is_surely_domain(said, sign, end) else 0
    if start >= len(said.words):
        return start if sign == "arroba" else 0
    if said.words[start].plain in _PROVIDERS or (sign == "arroba" and said.words[start].kind == WORD):
        is_split = said.words[start].plain in _SPLIT_PROVIDERS and start + 1 < len(said.words)
        return _endings_until(said, start + 1 + is_split)
    return 0


def _is_surely_domain(said: Said, sign: str, end: int) -> bool:
    """Whether what ends before word ``end`` is one behind a mere "at": "reach me at ana dot paz at…" has it later."""
    if end < len(said.words) and said.words[end].plain in _SIGNS:
        return False
    return sign == "at" or said.words[end - 1].plain in _ENDINGS


def _first_dot(said: Said, start: int) -> int:
    """Return the dot that ends the domain's own name; 0 where no ending of a domain follows one."""
    for at in range(start + 1, min(len(said.words) - 1, start + MOST_WORDS_OF_DOMAIN)):
        if said.words[at].kind == MARK and said.words[at].plain not in _JOINTS:
            return 0
        if said.words[at].plain in _DOTS and _endings_until(said, at) > at:
            return at
    return 0


def _endings_until(said: Said, at: int) -> int:
    """Return where "punto com punto mx" ends that starts at ``at``; the dot may be left out, the ending spelt."""
    end = at
    while at < len(said.words):
        has_dot = said.words[at].plain in _DOTS
        start = at + has_dot
        if _is_ending(said, start, has_dot=has_dot):
            at = end = start + 1
        elif has_dot and start + 1 < len(said.words) and letter_of(said, start) and letter_of(said, start + 1):
            while start < len(said.words) and letter_of(said, start):
                start += 1
            at = end = start
        else:
            break
    return end


def _is_ending(said: Said, at: int, *, has_dot: bool) -> bool:
    """Such as "com"; whoever says the dot means an address, whatever it ends in: "dot church"."""
    word = said.words[at] if at < len(said.words) else None
    if word is None or word.kind != WORD:
        return False
    if word.plain in _ENDINGS:
        return has_dot or word.plain in _BARE_ENDINGS
    is_said = has_dot and said.words[at - 1].plain in {"dot", "punto"}
    return is_said and word.plain not in _STOPS and len(word.plain) > SHORTEST_ENDING


def _local_from(said: Said, at: int, done: int, hint: Hint) -> int:
    """Return where the part before the at sign starts."""
    numbers = lexicon(hint.language).all_words
    first = at
    for place in range(at - 1, max(done, at - MOST_WORDS_BEFORE) - 1, -1):
        if _ends_local(said, place):
            break
        if (
            said.words[place].plain in numbers
            or _explains_letter(said, place, at, numbers)
            or _is_of_local(said, place, done, first if first < at else None, at)
        ):
            first = place
        elif said.words[place].plain not in HESITATIONS and not _is_pause(said, place):
            break
    while first < at and said.words[first].plain in _JOINTS:
        first += 1
    return first


def _ends_local(said: Said, at: int) -> bool:
    word = said.words[at]
    if word.plain in SENTENCE_ENDS:
        return not (said.is_tight(at) and said.is_tight(at + 1))
    return word.kind == MARK and word.plain not in _JOINTS and not _is_pause(said, at)


def _is_of_local(said: Said, at: int, done: int, right: int | None, sign: int) -> bool:
    """Whether word ``at`` belongs to the part before the at sign, of which word ``right``, if any, has been read."""
    word = said.words[at]
    if word.plain in _JOINTS or word.kind == DIGITS or _is_name_like(said, at):
        return True
    if right is None:
        is_word = word.kind == WORD and word.plain not in _NEVER_LOCAL
        return is_word or _is_spelt(said, at, at - 1)
    if at >= sign - MOST_COMMON_WORDS and word.kind == WORD and len(word.plain) > 2 and word.plain not in _STOPS:
        return True
    is_inner = word.plain in _INNER_WORDS and at > done and _is_name_like(said, at - 1)
    return said.words[right].plain in _JOINTS or is_inner or _is_spelt(said, at, right)


def _explains_letter(said: Said, at: int, sign: int, numbers: frozenset[str]) -> bool:
    """Whether word ``at`` tells how the word before it is written: "katie with a k", "bosque con be de burro"."""
    if said.words[at].plain not in _EXPLAINERS or at + 2 >= sign:
        return at + 2 == sign and said.words[at].plain in _EXPLAINERS and bool(letter_of(said, at + 1))
    start = at + 1 + (said.words[at + 1].plain in {"a", "an", "una"})
    after = letter_until(said, start)
    is_whole = after == sign or said.words[after].plain in _JOINTS or said.words[after].plain in numbers
    return after > start + 1 or (after > start and is_whole)


def _is_spelt(said: Said, at: int, beside: int) -> bool:
    """Whether word ``at`` is a letter; one that is a word as well is a letter beside another only."""
    if not letter_of(said, at):
        return False
    return said.words[at].plain not in _NEVER_LOCAL or (beside >= 0 and bool(letter_of(said, beside)))


def _is_name_like(said: Said, at: int) -> bool:
    word = said.words[at]
    return word.kind not in {MARK, HELD} and word.plain not in COMMON


def _is_pause(said: Said, at: int) -> bool:
    return said.words[at].plain == "," and at > 0 and bool(letter_of(said, at - 1) or said.words[at - 1].kind == DIGITS)
