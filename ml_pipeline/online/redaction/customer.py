"""The names under which the caller's data know a customer."""

from collections.abc import Mapping

from ml_pipeline.online.redaction.said import plain, words

LONGEST_NAME = 100
_NAME_WORDS = words(
    """
    name names nombre nombres apellido apellidos surname firstname lastname fullname nickname apodo first last given
    family middle maiden
    """
)
_NO_NAMES = words(
    """
    user file company business product program plan host event empresa negocio at seen visit login
    """
)


def customer_names(customer_data: object) -> tuple[str, ...]:
    """Return the customer's names in ``customer_data``: whatever its fields of names hold.

    >>> customer_names({"first_name": "Ana", "lastName": "López", "user_name": "al85", "age": 41})
    ('Ana', 'López')
    """
    if not isinstance(customer_data, Mapping):
        return ()
    found: list[str] = []
    for field, value in customer_data.items():
        if not isinstance(field, str) or not _is_name_field(field):
            continue
        if isinstance(value, str):
            found.append(value[:LONGEST_NAME])
        elif isinstance(value, Mapping):
            found += [part[:LONGEST_NAME] for part in value.values() if isinstance(part, str)]
    return tuple(dict.fromkeys(found))


def _is_name_field(field: str) -> bool:
    words = _words(field)
    return not _NAME_WORDS.isdisjoint(words) and _NO_NAMES.isdisjoint(words)


def _words(field: str) -> list[str]:
    parted = "".join(
        f" {letter}" if letter.isupper() else letter for letter in field.replace("_", " ").replace("-", " ")
    )
    return plain(parted).split()
