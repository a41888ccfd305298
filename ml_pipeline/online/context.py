"""What goes on of a caller's context: five categories, and a keyed hash in place of the customer."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from ml_pipeline.online.plain import clean_text, fields_of

CATEGORY_CHARACTERS = 50
_AGE_BANDS = ((18, "under-18"), (25, "18-24"), (35, "25-34"), (45, "35-44"), (55, "45-54"), (65, "55-64"))
_IDENTITIES = (
    ("customer_id", ("customer_id", "user_id", "id")),
    ("email", ("email", "e_mail", "mail", "correo")),
    ("phone", ("phone", "phone_number", "telephone", "telefono", "mobile")),
)


@dataclass(frozen=True, slots=True)
class Context:
    """``features``: what the feature function sees. ``about``: what events tell of their conversation."""

    features: dict[str, str]
    about: dict[str, str]


def read_context(given: object, customer_key: str) -> Context:
    """Return what may go on of ``given``; everything else in it, health data first of all, stays out."""
    context = fields_of(given) or {}
    customer = fields_of(context.get("customer_data")) or {}
    known = {
        "language": _language(context.get("language") or customer.get("language")),
        "phase": _category(context.get("phase"), str.lower),
        "program": _category(context.get("program_type") or context.get("program"), str.upper),
        "platform": _category(context.get("platform"), str.lower),
        "age_band": age_band(customer.get("age")),
    }
    features = {name: value for name, value in known.items() if value}
    about = {name: value for name, value in features.items() if name != "phase"}
    if key := customer_hash(customer, customer_key):
        about["customer_key"] = key
    return Context(features, about)


def age_band(age: object) -> str:
    """Return the ten-year band of ``age``; "" where it is none.

    >>> age_band(34), age_band("70"), age_band(None)
    ('25-34', '65-plus', '')
    """
    try:
        years = int(float(str(age)))
    except (ValueError, OverflowError):
        return ""
    if not 0 < years < 130:
        return ""
    return next((band for limit, band in _AGE_BANDS if years < limit), "65-plus")


def customer_hash(customer: Mapping[str, object], key: str) -> str:
    """Return what stands for the customer: HMAC-SHA256 of the id, else the e-mail, else the phone; "" without a key."""
    if not key:
        return ""
    for kind, names in _IDENTITIES:
        for name in names:
            if identity := _identity(kind, customer.get(name)):
                return hmac.new(
                    key.encode(), f"{kind}:{identity}".encode("utf-8", "replace"), hashlib.sha256
                ).hexdigest()
    return ""


def _identity(kind: str, value: object) -> str:
    if value is None or isinstance(value, (bool, Mapping, list, tuple, set)):
        return ""
    text = str(value).strip().lower()
    if kind == "phone":
        # The last ten digits: the same phone with and without its country code.
        return "".join(character for character in text if character.isdigit())[-10:]
    return text


def _language(value: object) -> str:
    return _category(value, str.lower).replace("_", "-").split("-")[0]


def _category(value: object, case: Callable[[str], str]) -> str:
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str):
        return ""
    text, _ = clean_text(str(value)[:CATEGORY_CHARACTERS].strip())
    return case(text)
