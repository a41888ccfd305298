"""Fields whose name says what they hold: a bare number there is a phone or a card, in a sentence it may not be."""

import re
from functools import lru_cache

from ml_pipeline.online.digit_runs import CARD, ID, PHONE, mask_runs
from ml_pipeline.online.redaction import EMAIL

FEWEST_DIGITS = 7
"""Fewer are a category, a count or a year even under such a name."""

_KINDS = {
    EMAIL: "email mail correo",
    PHONE: "phone telephone telefono teléfono tel mobile movil móvil cell cel celular cellphone whatsapp fax",
    CARD: "card tarjeta",
    ID: "ssn dni nie curp rfc iban passport pasaporte",
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}
_NUMBER_WORDS = frozenset({"number", "no", "nr", "num", "numero", "número", "id"})
_WORD = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+")


@lru_cache(maxsize=2_048)
def contact_kind(name: str) -> str | None:
    """Return the placeholder of what a field called ``name`` holds; None where the name does not tell.

    >>> contact_kind("phone"), contact_kind("homePhoneNumber"), contact_kind("tarjetas")
    ('<PHONE>', '<PHONE>', '<CARD>')
    >>> contact_kind("phone_verified_at"), contact_kind("scorecard")
    (None, None)
    """
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and words[-1] in _NUMBER_WORDS:
        words.pop()
    if not words:
        return None
    return _KIND_OF.get(words[-1]) or _KIND_OF.get(words[-1].removesuffix("s"))


def mask_field(text: str, kind: str) -> str:
    """Return what a field of ``kind`` holds with its numbers of seven digits or more masked.

    >>> mask_field("5551234, after six", "<PHONE>"), mask_field("ana@home", "<EMAIL>"), mask_field("gold", "<CARD>")
    ('<PHONE>, after six', '<EMAIL>', 'gold')
    """
    if kind == EMAIL and "@" in text:
        return EMAIL
    return mask_runs(text, kind, FEWEST_DIGITS)
