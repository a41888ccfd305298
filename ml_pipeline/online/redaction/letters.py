"""Letters as they are spelt out loud."""

from ml_pipeline.online.redaction.said import WORD, Said, phrases, words

LETTER_NAMES = {
    "be": "b", "ce": "c", "efe": "f", "ge": "g", "hache": "h", "jota": "j", "ka": "k", "ele": "l", "eme": "m",
    "ene": "n", "pe": "p", "cu": "q", "erre": "r", "ere": "r", "ese": "s", "te": "t", "uve": "v", "ve": "v",
    "equis": "x", "ye": "y", "zeta": "z", "zee": "z", "zed": "z", "de": "d", "bee": "b", "dee": "d", "jay": "j",
    "kay": "k", "ell": "l", "em": "m", "en": "n", "pee": "p", "cue": "q", "ar": "r", "tee": "t", "vee": "v",
    "ache": "h", "ex": "x", "why": "y",
}  # fmt: skip
SURE_LETTER_NAMES = words(
    """
    efe ere hache jota ka ele eme ene erre equis zeta zee zed uve cu ge ce be ve pe jay kay ell dee vee
    """
)
"""Names of letters that are hardly a word beside; the others count only between letters."""
LETTERS_THAT_ARE_WORDS = frozenset("aeiouy")
RADIO_LETTERS = words(
    """
    alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar papa
    quebec romeo sierra tango uniform victor whiskey xray yankee zulu
    """
)
"""Each stands for its first letter, as pilots spell; beside one another or a code only."""
SURE_RADIO_LETTERS = words("bravo foxtrot juliett kilo lima romeo sierra tango whiskey xray yankee zulu")
"""One of these is a letter beside a code even alone."""
MOST_WORDS_OF_LETTER = 4


LONGEST_LETTER_NAME = 9
_BEFORE_LETTERS = words("double doble capital mayuscula")
_LETTERS_OF_TWO_WORDS = phrases(
    "x ray | i griega | i latina | uve doble | ve doble | be larga | be grande | ve chica | ve corta"
)
_EXPLAINING = sorted(phrases("as in | for | like | like in | de | como | como en | como de"), key=len, reverse=True)
_EXPLAINING_STARTS = frozenset(first for first, *_ in _EXPLAINING)
_SAME_SOUND = {"b": "bv", "v": "bv", "y": "yi", "i": "iy", "c": "ck", "k": "ck"}
SURE_LETTERS = SURE_LETTER_NAMES | (frozenset("abcdefghijklmnopqrstuvwxyz") - LETTERS_THAT_ARE_WORDS)


def letter_of(said: Said, at: int) -> str:
    """Return the letter that word ``at`` spells; "" where it spells none."""
    word = said.words[at]
    if word.kind != WORD:
        return ""
    return word.plain if len(word.plain) == 1 else LETTER_NAMES.get(word.plain, "")


def is_surely_letter(said: Said, at: int) -> bool:
    word = said.words[at]
    if word.kind != WORD:
        return False
    if len(word.plain) == 1:
        return word.plain not in LETTERS_THAT_ARE_WORDS
    return word.plain in SURE_LETTER_NAMES


def letter_until(said: Said, at: int) -> int:
    """Return where the letter ends that is said from word ``at`` on, with what explains it; ``at`` where none is.

    Such as "b", "b as in boy", "ka de kilo", "double l", "i griega".
    """
    plains = said.plains
    if len(plains[at]) > LONGEST_LETTER_NAME:
        return at
    start = at + 1 if plains[at] in _BEFORE_LETTERS and at + 1 < len(plains) else at
    if not letter_of(said, start):
        return at
    end = start + 1
    if tuple(plains[start : start + 2]) in _LETTERS_OF_TWO_WORDS:
        end += 1
    if end >= len(plains) or plains[end] not in _EXPLAINING_STARTS:
        return end
    for explaining in _EXPLAINING:
        after = end + len(explaining)
        if after < len(plains) and tuple(plains[end:after]) == explaining and _starts_with(said, start, after):
            return after + 1
    return end


def letter_before(said: Said, at: int, first: int) -> int:
    """Return where the letter of several words starts that ends right before word ``at``; ``at`` where none does."""
    for start in range(max(first, at - MOST_WORDS_OF_LETTER), at - 1):
        if letter_until(said, start) == at:
            return start
    return at


def is_radio_letter(said: Said, at: int, *, may_be_alone: bool = True) -> bool:
    """Tell whether word ``at`` is said for its first letter: it is hardly a word beside, or not the only such one."""
    word = said.words[at].plain
    if word not in RADIO_LETTERS:
        return False
    beside = said.plains[max(0, at - 1) : at] + said.plains[at + 1 : at + 2]
    return (may_be_alone and word in SURE_RADIO_LETTERS) or not RADIO_LETTERS.isdisjoint(beside)


def _starts_with(said: Said, letter: int, at: int) -> bool:
    word = said.words[at]
    return (
        word.kind == WORD
        and len(word.plain) > 2
        and word.plain[0] in _SAME_SOUND.get(letter_of(said, letter), letter_of(said, letter))
    )


def spelt_until(said: Said, at: int, end: int) -> int:
    """Return where the letters end that are spelt from word ``at`` on; ``at`` itself where there are not two.

    Letters that are words beside, such as "a" and "de", count among others only.
    """
    place = at
    surely = 0
    while place < end and (after := letter_until(said, place)) > place:
        surely += after - place > 1 or is_surely_letter(said, place)
        place = after
    return place if place - at >= 2 and surely else at
