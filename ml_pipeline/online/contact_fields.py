"""Fields whose name says what they hold: a bare number there is a phone or a card, in a sentence it may not be."""

import re
from functools import lru_cache

from ml_pipeline.online.redaction.hint import ADDRESS, BIRTH_DATE, CARD, EMAIL, ID, NAME, PHONE
from ml_pipeline.online.redaction.said import words
from ml_pipeline.online.redaction.written import mask_runs

FEWEST_DIGITS = 7
"""Fewer are a category, a count or a year even under such a name."""

_KINDS = {
    EMAIL: "email mail correo",
    PHONE: "phone telephone telefono teléfono tel mobile movil móvil cell cel celular cellphone whatsapp fax",
    CARD: "card tarjeta",
    ID: "ssn dni nie curp rfc iban passport pasaporte",
    NAME: "surname lastname firstname fullname apellido",
    ADDRESS: "address direccion dirección domicilio street calle",
    BIRTH_DATE: "birthdate birthday dob nacimiento birth cumpleaños cumpleanos",
}
_KIND_OF = {word: kind for kind, names in _KINDS.items() for word in names.split()}
_WHOLE = frozenset({NAME, ADDRESS, BIRTH_DATE})
"""Kinds of which the whole field is masked."""
_WHOSE = words("first last full middle maiden given family customer client caller contact")
_PAIRS = {
    **{(whose, "name"): NAME for whose in _WHOSE},
    **{("nombre", whose): NAME for whose in ("completo", "cliente", "contacto")},
    ("birth", "date"): BIRTH_DATE,
    ("email", "address"): EMAIL,
    ("mail", "address"): EMAIL,
}
_MACHINES_ADDRESSES = frozenset({"ip", "mac", "web", "url", "host", "server", "wallet"})
_NUMBER_WORDS = frozenset({"number", "no", "nr", "num", "numero", "número", "id"})
_MACHINE_WORDS = words(
    """
    id ids uuid version model models hash digest url uri path sku slug variant experiment type key source trace
    session timestamp at build revision
    """
)
_WORD = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+")


@lru_cache(maxsize=2_048)
def contact_kind(name: str) -> str | None:
    """Return the placeholder of what a field called ``name`` holds; None where the name does not tell.

    >>> contact_kind("phone"), contact_kind("homePhoneNumber"), contact_kind("tarjetas"), contact_kind("first_name")
    ('<PHONE>', '<PHONE>', '<CARD>', '<NAME>')
    >>> contact_kind("phone_verified_at"), contact_kind("scorecard"), contact_kind("name"), contact_kind("ip_address")
    (None, None, None, None)
    """
    parts = _parts(name)
    while len(parts) > 1 and parts[-1] in _NUMBER_WORDS:
        parts.pop()
    if not parts or (len(parts) > 1 and parts[-1] == "address" and parts[-2] in _MACHINES_ADDRESSES):
        return None
    pair = _PAIRS.get((parts[-2], parts[-1])) if len(parts) > 1 else None
    return pair or _KIND_OF.get(parts[-1]) or _KIND_OF.get(parts[-1].removesuffix("s"))


@lru_cache(maxsize=2_048)
def is_machine_name(name: str) -> bool:
    """Tell whether a field called ``name`` holds what a machine named: ids, versions, times.

    >>> is_machine_name("trackingId"), is_machine_name("answer")
    (True, False)
    """
    parts = _parts(name)
    return bool(parts) and parts[-1] in _MACHINE_WORDS


def mask_field(text: str, kind: str) -> str:
    """Return what a field of ``kind`` holds, masked: numbers of seven digits or more; a name or an address whole.

    >>> mask_field("5551234, after six", "<PHONE>"), mask_field("ana@home", "<EMAIL>"), mask_field("gold", "<CARD>")
    ('<PHONE>, after six', '<EMAIL>', 'gold')
    >>> mask_field("Ana", "<NAME>"), mask_field("", "<NAME>")
    ('<NAME>', '')
    """
    if kind == EMAIL and "@" in text:
        return EMAIL
    if kind in _WHOLE:
        return kind if text.strip() else text
    return mask_runs(text, kind, FEWEST_DIGITS)


def _parts(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
