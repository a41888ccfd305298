"""Masks names: the customer's own, those somebody introduces, and those that are written or borne as one."""

from collections.abc import Iterator
from functools import lru_cache

from ml_pipeline.online.redaction.given_names import given_names, surnames, wordlike_names
from ml_pipeline.online.redaction.hint import NAME, Hint
from ml_pipeline.online.redaction.introductions import CLOSERS, INTRODUCERS, TITLES, Introduction, introduction_at
from ml_pipeline.online.redaction.letters import spelt_until
from ml_pipeline.online.redaction.said import HELD, WORD, Said, Span, phrases, plain, read_words, words
from ml_pipeline.online.redaction.vocabulary import COMMON, HESITATIONS, NO_NAME_ENDINGS, PLACES, ROLES

MOST_NAME_WORDS = 5
MOST_SPELT_LETTERS = 24
SHORTEST_NAME = 2
MOST_SPELT = 2
HELD_NAME = NAME.lower()

_PARTICLES = words(
    """
    de del la las los y van von der da dos das di san santa mac mc o al el bin
    """
)
# What is said of oneself ends so far more often than a name that nobody has heard of does.
_TRAIT_ENDINGS = tuple(
    words(
        """
        ista dor dora ente ante ivo iva oso osa ado ada ido ida ble ario aria ologo ologa ico ica ense ano ana ero era
        al or ora il ndo ito ita
        """
    )
)
_NO_KIN_ENDINGS = (*NO_NAME_ENDINGS, "s", "aba", "ia")
"""Ends of what is said of somebody: "my husband snores", "mi hija trabajaba"."""
SAYING = words(
    """
    said says told tells called calls wants wanted asked asks signed signs handles sent covers again speaking calling
    dijo dice quiere pidio pide llamo manda mando firma firmo aviso hablo
    """
)
_TOLD = phrases(
    """
    dijo | dice | llamo | talk to | talked to | spoke to | speak to | spoke with | speak with | told | ask | hablar con
    | hable con | hablo con | buddy | coworker | dile a | llame a | llama a | with | under | from
    """
)
_NAMESAKES = frozenset({"st", "saint", "san", "santa", "hurricane", "hurricanes", "huracan", "storm"})


def find_names(said: Said, hint: Hint) -> Iterator[Span]:
    yield from _find_known(said, _known_words(hint.names))
    yield from _find_introduced(said)
    yield from _find_borne(said)


def find_names_again(said: Said, hint: Hint) -> Iterator[Span]:
    """Find what elsewhere in the message is masked as a name: "I'm not Rose. Rose's the one who ordered"."""
    masked = {
        word
        for held in said.words
        if held.plain == HELD_NAME
        for word in _words_of_name(plain(said.text[held.start : held.end]))
    }
    again = {_bare(word) for word in masked if len(word) > MOST_SPELT} - COMMON - _PARTICLES
    for at, word in enumerate(said.words if again else ()):
        if word.kind == WORD and _bare(word.plain) in again:
            yield said.span(at, at + 1, NAME)


def _words_of_name(name: str) -> list[str]:
    """The words of a name; one that is spelt counts whole: "k w i a" is "kwia" too."""
    parts = name.replace("-", " ").split()
    return [*parts, "".join(part for part in parts if len(part) == 1)]


def introduced_names(text: str) -> tuple[str, ...]:
    """Return the names by which somebody is introduced in ``text``, as written.

    >>> introduced_names("hola, me llamo ana lópez y quiero saber el precio")
    ('ana lópez',)
    """
    return tuple(text[span.start : span.end] for span in _find_introduced(read_words(text), only_certain=True))


def _find_known(said: Said, known: frozenset[str]) -> Iterator[Span]:
    """Find the customer's own names; those that are words too only where written or placed as a name."""
    for at, word in enumerate(said.words if known else ()):
        name = _bare(word.plain)
        if name not in known or word.kind == HELD:
            continue
        is_word_too = name in COMMON or name in wordlike_names()
        beside = [said.words[place].plain in known for place in (at - 1, at + 1) if 0 <= place < len(said.words)]
        if not is_word_too or any(beside) or said.is_capital(at):
            yield said.span(at, at + 1, NAME)


@lru_cache(maxsize=1_024)
def _known_words(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        word.plain
        for name in names
        for word in read_words(name[:200]).words
        if word.kind == WORD and len(word.plain) >= SHORTEST_NAME and word.plain not in _PARTICLES
    )


def _find_introduced(said: Said, *, only_certain: bool = False) -> Iterator[Span]:
    """Find names that somebody introduces. ``only_certain``: leave out what may be no name after all."""
    if INTRODUCERS.isdisjoint(said.vocabulary):
        return
    done = 0
    for at in [place for place, (word, *_) in enumerate(said.words) if word in INTRODUCERS]:
        if at < done:
            continue
        introduction = introduction_at(said, at)
        if introduction and (end := _introduced_until(said, introduction)) > introduction.start:
            done = end
            if not only_certain or introduction.is_sure or said.words[introduction.start].plain in given_names():
                is_titled = introduction.phrase in TITLES and not only_certain
                yield said.span(at if is_titled else introduction.start, end, NAME)
        elif said.words[at].plain == "speaking" and not only_certain and (first := _name_before(said, at, done)) < at:
            yield said.span(first, at, NAME)


def _introduced_until(said: Said, introduction: Introduction) -> int:
    """Return where the name ends that is introduced; its start where none is."""
    start = introduction.start
    if start >= len(said.words):
        return start
    if _is_sure_name(said, start) if introduction.is_sure else _is_likely_name(said, introduction):
        return _extended(said, start + 1, limit=MOST_NAME_WORDS)
    spelt = spelt_until(said, start, min(len(said.words), start + MOST_SPELT_LETTERS))
    return _extended(said, spelt, limit=1) if introduction.is_sure and spelt > start else start


def _is_sure_name(said: Said, at: int) -> bool:
    word = said.words[at]
    is_borne = word.plain in given_names() or word.plain in wordlike_names()
    return _is_long_word(said, at) and (is_borne or word.plain not in COMMON)


def _is_likely_name(said: Said, introduction: Introduction) -> bool:
    at = introduction.start
    word = said.words[at].plain
    if not _is_long_word(said, at) or word in PLACES or (word in COMMON and word not in wordlike_names()):
        return False
    if word in given_names():
        return True
    if word in wordlike_names():
        return said.is_capital(at) or _is_surname(said, at + 1) or introduction.tells_other or introduction.is_this
    if introduction.tells_other:
        ends = _NO_KIN_ENDINGS if introduction.tells_kin else NO_NAME_ENDINGS
        return not said.has_capitals and not word.endswith(ends)
    if introduction.tells_self:
        return said.is_capital(at) or not word.endswith(_TRAIT_ENDINGS)
    if _is_surname(said, at + 1) and not said.has_capitals and word not in wordlike_names():
        return True
    if introduction.is_this and any(word.plain in CLOSERS for word in said.words[at + 1 : at + 4]):
        return True
    return said.has_capitals and said.is_capital(at)


def _name_before(said: Said, at: int, done: int) -> int:
    """Such as "maria lopez speaking": at the start of what is said, or two words at most."""
    first = at
    while first > max(done, at - 3) and _is_further_name(said, first - 1):
        first -= 1
    return first


def _find_borne(said: Said) -> Iterator[Span]:
    """Find what nobody introduces: names that many bear, and words in capitals where only a name has them."""
    done = 0
    for at in _candidates(said):
        if at >= done and _starts_name(said, at):
            done = _extended(said, at + 1, limit=MOST_NAME_WORDS - 1, is_borne=True)
            yield said.span(at, done, NAME)


def _candidates(said: Said) -> list[int]:
    borne, wordlike, text, has_capitals = given_names(), wordlike_names(), said.text, said.has_capitals
    family, plains = surnames(), [*said.plains, ""]
    return [
        at
        for at, (word, start, _, kind) in enumerate(said.words)
        if word in borne
        or word in wordlike
        or (word[-2:] == "'s" and word[:-2] in borne)
        or (kind == WORD and (text[start].isupper() if has_capitals else plains[at + 1] in family))
    ]


def _bare(word: str) -> str:
    """The word without the "'s" of what is somebody's."""
    return word.removesuffix("'s")


def _starts_name(said: Said, at: int) -> bool:
    word = _bare(said.words[at].plain)
    if not _is_long_word(said, at) or _is_called_after(said, at):
        return False
    return word in given_names() or _starts_unusual_name(said, at, word)


def _starts_unusual_name(said: Said, at: int, word: str) -> bool:
    is_written = _is_written_name(said, at)
    if word in wordlike_names():
        is_told = _is_told_of(said, at) or (said.has_capitals and said.is_capital(at) and _follows_role(said, at))
        is_inside = is_written and not _starts_sentence(said, at) and word not in PLACES
        return is_told or _is_surname(said, at + 1) or is_inside
    if not is_written:
        return not said.has_capitals and _is_followed_by_surname(said, at, word)
    follows = _is_written_name(said, at + 1 + _has_initial(said, at + 1)) and said.words[at - 1].plain not in PLACES
    if _starts_sentence(said, at):
        return follows and (word in surnames() or _is_surname(said, at + 1))
    return follows or _follows_role(said, at)


def _is_followed_by_surname(said: Said, at: int, word: str) -> bool:
    """Whether two words, of which nobody says either beside, are a name: "farrukh siddiqui"."""
    if word in COMMON or word.endswith(NO_NAME_ENDINGS) or at + 1 >= len(said.words):
        return False
    return said.plains[at + 1] in surnames() and said.plains[at + 1] not in COMMON


def _is_told_of(said: Said, at: int) -> bool:
    """Whether it does or is told what only a person can: "destiny said", "me dijo modesto", "talk to miles"."""
    after = said.plains[at + 1] if at + 1 < len(said.words) else ""
    before = tuple(said.plains[max(0, at - 2) : at])
    return said.words[at].plain not in COMMON and (after in SAYING or before[-1:] in _TOLD or before in _TOLD)


def _starts_sentence(said: Said, at: int) -> bool:
    """As told by the mark before it, but for one that only abbreviates a title or opens a list: "Dr. Bell"."""
    if at and said.words[at - 1].plain == ":":
        return False
    is_title = at > 1 and said.words[at - 1].plain == "." and said.words[at - 2].plain in ROLES
    return said.starts_sentence(at) and not is_title


def _is_called_after(said: Said, at: int) -> bool:
    """Whether it is a place or a storm that bears the name: "St. Jude", "Hurricane Maria"."""
    before = at - 2 if at > 1 and said.words[at - 1].plain == "." else at - 1
    return at > 0 and said.words[before].plain in _NAMESAKES


def _has_initial(said: Said, at: int) -> int:
    """The words of "M." at ``at``."""
    if at + 1 < len(said.words) and said.words[at].is_letter and said.is_capital(at):
        return 1 + (said.words[at + 1].plain == ".")
    return 0


def _is_written_name(said: Said, at: int) -> bool:
    if not said.has_capitals or at >= len(said.words) or not _is_long_word(said, at) or not said.is_capital(at):
        return False
    word = said.words[at]
    return word.plain not in COMMON and word.plain not in PLACES and not said.text[word.start : word.end].isupper()


def _is_surname(said: Said, at: int) -> bool:
    return at < len(said.words) and (said.words[at].plain in surnames() or said.words[at].plain in given_names())


def _follows_role(said: Said, at: int) -> bool:
    """Such as "My nephew Kofi", "una clienta, Zulema", "under Haverford"."""
    return any(word.plain in ROLES for word in said.words[max(0, at - 3) : at])


def _extended(said: Said, at: int, *, limit: int, is_borne: bool = False) -> int:
    """Return where a name ends that has reached word ``at``: further names, particles, the letters it is spelt in."""
    end = at
    while at < len(said.words) and limit > 0 and at - end < 4:
        word = said.words[at]
        spelt = spelt_until(said, at, min(len(said.words), at + MOST_SPELT_LETTERS))
        if spelt > at:
            return spelt
        is_written = said.has_capitals and said.words[at - 1].kind == WORD and _is_capital_word(said, at)
        if (is_written or _is_further_name(said, at)) and not (is_borne and word.plain.endswith(NO_NAME_ENDINGS)):
            limit -= 1
            at = end = at + 1
        elif initial := _has_initial(said, at):
            at += initial
        elif word.plain in _PARTICLES or word.plain in HESITATIONS or _is_hyphen(said, at):
            at += 1
        else:
            break
    return end


def _is_capital_word(said: Said, at: int) -> bool:
    """Whether a name may be what anybody says beside, since it is written as one: "Dakota Sales"."""
    word = said.words[at]
    is_shouted = said.text[word.start : word.end].isupper()
    return _is_long_word(said, at) and said.is_capital(at) and not is_shouted and word.plain not in PLACES


def _is_hyphen(said: Said, at: int) -> bool:
    return said.words[at].plain == "-" and said.is_tight(at) and said.is_tight(at + 1)


def _is_further_name(said: Said, at: int) -> bool:
    word = said.words[at].plain
    if not _is_long_word(said, at) or word in COMMON or word in CLOSERS:
        return False
    return not said.has_capitals or said.is_capital(at) or word in given_names() or word in surnames()


def _is_long_word(said: Said, at: int) -> bool:
    return said.words[at].kind == WORD and len(said.words[at].plain) >= SHORTEST_NAME
