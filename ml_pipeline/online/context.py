"""What goes on of a caller's context: five categories, a keyed hash for the customer, and what the operator names."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from ml_pipeline.online.customer_data import CUSTOMER_DATA, age_band, named_fields
from ml_pipeline.online.figures import read_id
from ml_pipeline.online.plain import Json, Plain, clean_text, fields_of
from ml_pipeline.online.redaction import Hint, customer_names

CATEGORY_CHARACTERS = 50
NAMED_CHARACTERS = 200
NAMED_FIELDS = "customer_fields"
"""Under this key a prediction's context holds what the operator named: data, never a feature."""
_IDENTITIES = (
    ("customer_id", ("customer_id", "user_id", "id")),
    ("email", ("email", "e_mail", "mail", "correo")),
    ("phone", ("phone", "phone_number", "telephone", "telefono", "mobile")),
)


@dataclass(frozen=True, slots=True)
class Context:
    """``features``: what the feature function sees. ``about``: what events tell of their conversation.

    ``named``: the fields that the operator named, masked and cut. ``names``: the customer's; they are never recorded.
    """

    features: dict[str, str]
    about: dict[str, str]
    named: dict[str, Json] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def spoken_in(self, language: str) -> "Context":
        """Return this with ``language`` where the caller gave none."""
        if not language or "language" in self.features:
            return self
        return Context({**self.features, "language": language}, self.about, self.named, self.names)

    def recorded(self) -> dict[str, Json]:
        """Return what a prediction keeps of it."""
        return {**self.features, NAMED_FIELDS: self.named} if self.named else {**self.features}


def read_context(given: object, customer_key: str, customer_fields: tuple[str, ...] = ()) -> Context:
    """Return what may go on of ``given``; everything else in it, health data first of all, stays out."""
    context = fields_of(given) or {}
    customer = fields_of(context.get(CUSTOMER_DATA)) or {}
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
    names = customer_names(customer)
    named = named_fields({**context, **customer}, customer_fields) if customer_fields else {}
    return Context(features, about, _masked(named, Hint(features.get("language", ""), names)), names)


def _masked(named: dict[str, object], hint: Hint) -> dict[str, Json]:
    """Return single values masked and cut; what holds more than one is left out."""
    kept: dict[str, Json] = {}
    for name, value in Plain(hint).record(named).items():
        if isinstance(value, str):
            kept[name] = value[:NAMED_CHARACTERS]
        elif not isinstance(value, (list, dict)):
            kept[name] = value
    return kept


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
    text = (read_id(value) or "").lower()
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
