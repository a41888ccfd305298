"""Letters as they are spelt out loud."""

from ml_pipeline.online.redaction.said import WORD, Said, words

LETTER_NAMES = {
    "be": "b", "ce": "c", "efe": "f", "ge": "g", "hache": "h", "jota": "j", "ka": "k", "ele": "l", "eme": "m",
    "ene": "n", "pe": "p", "cu": "q", "erre": "r", "ere": "r", "ese": "s", "te": "t", "uve": "v", "ve": "v",
    "equis": "x", "ye": "y", "zeta": "z", "zee": "z", "zed": "z", "de": "d", "bee": "b", "dee": "d", "jay": "j",
    "kay": "k", "ell": "l", "em": "m", "en": "n", "pee": "p", "cue": "q", "ar": "r", "tee": "t", "vee": "v",
    "ex": "x", "why": "y",
}  # fmt: skip
SURE_LETTER_NAMES = words(
    """
    efe ere hache jota ka ele eme ene erre equis zeta zee zed uve cu ge ce be ve pe jay kay ell dee vee
    """
)
"""Names of letters that are hardly a word beside; the others count only between letters."""
LETTERS_THAT_ARE_WORDS = frozenset("aeiouy")


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


def spelt_until(said: Said, at: int, end: int) -> int:
    """Return where the letters end that are spelt from word ``at`` on; ``at`` itself where there are not two.

    Letters that are words beside, such as "a" and "de", count among others only.
    """
    place = at
    surely = 0
    while place < end and letter_of(said, place):
        surely += is_surely_letter(said, place)
        place += 1
    return place if place - at >= 2 and surely else at
