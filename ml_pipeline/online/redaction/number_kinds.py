"""Names what a masked number was: check digits and phone plans first, then the words before it."""

import re

from ml_pipeline.online.redaction.hint import CARD, ID, NUMBER, PHONE
from ml_pipeline.online.redaction.said import Said

PHONE_REGIONS = ("MX", "ES", "US")
"""Where a number without a country code may belong; with one, any country's plan applies."""
WORDS_LOOKED_BACK = 12

_CUES = {
    PHONE: "phone telephone telefono cel celular cell mobile movil whatsapp call llamar llamame llameme marcar marque"
    " tel fijo extension text",
    CARD: "card tarjeta visa mastercard amex credit credito debit debito cvv",
    ID: "ssn social dni nie curp rfc iban clabe passport pasaporte license licencia security seguro identity identidad"
    " identificacion ine id nss cedula nif clave",
    NUMBER: "account cuenta policy poliza order pedido member membership cliente folio referencia reference",
}
_KIND_OF_CUE = {word: kind for kind, words in _CUES.items() for word in words.split()}
_NUMBERED_ID = re.compile(
    r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d|[A-Z&]{3,4}\d{6}[A-Z0-9]{3}|\d{8}[A-HJ-NP-TV-Z]|[XYZ]\d{7}[A-HJ-NP-TV-Z]"
)


def number_kind(said: Said, first: int, code: str) -> str:
    """Return the placeholder for ``code``, the letters and digits read out from word ``first`` on."""
    digits = "".join(character for character in code if character.isdecimal())
    letters = len(code) - len(digits)
    if letters and (_NUMBERED_ID.fullmatch(code) or is_iban(code)):
        return ID
    if not letters and is_card(digits):
        return CARD
    is_international = first > 0 and said.words[first - 1].plain in {"+", "mas", "plus"}
    if is_international and is_phone("+" + digits):
        return PHONE
    cue = _cue(said, first)
    if cue and (cue != CARD or len(digits) != 10):
        return cue
    return PHONE if not letters and (is_phone(digits) or _is_local_phone(said, first)) else NUMBER


def _is_local_phone(said: Said, first: int) -> bool:
    """Whether it is written as "555-1234"."""
    return [len(word.plain) for word in said.words[first : first + 3]] == [3, 1, 4] and said.words[
        first + 1
    ].plain == "-"


def is_card(digits: str) -> bool:
    from stdnum import luhn

    return 13 <= len(digits) <= 19 and bool(luhn.is_valid(digits))


def is_iban(code: str) -> bool:
    from stdnum import iban

    return 15 <= len(code) <= 34 and bool(iban.is_valid(code))


def is_phone(number: str) -> bool:
    """Tell whether ``number``, digits with a plus or without, is in the plan of its country or of a region."""
    import phonenumbers

    if not 9 <= len(number) <= 16:
        return False  # no plan has such a number, and asking takes the library long
    regions: tuple[str | None, ...] = (None,) if number.startswith("+") else PHONE_REGIONS
    for region in regions:
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return True
    return False


def _cue(said: Said, first: int) -> str | None:
    for at in range(first - 1, max(-1, first - 1 - WORDS_LOOKED_BACK), -1):
        if kind := _KIND_OF_CUE.get(said.words[at].plain):
            return kind
    return None
