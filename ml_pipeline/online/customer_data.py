"""What goes on of the data a caller has of a customer: an age band, and the fields that the operator names."""

from collections.abc import Mapping
from typing import Any

from ml_pipeline.online.figures import read_whole

CUSTOMER_DATA = "customer_data"
_AGE_BANDS = ((18, "under-18"), (25, "18-24"), (35, "25-34"), (45, "35-44"), (55, "45-54"), (65, "55-64"))


def allowed_customer(customer: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """Return what of ``customer`` may go on; health data stays out like anything else that ``fields`` does not name.

    >>> allowed_customer({"age": 41, "name": "Ana", "diagnosis": "asthma", "city": "Lima"}, ("city",))
    {'age_band': '35-44', 'city': 'Lima'}
    """
    band = age_band(customer.get("age"))
    return ({"age_band": band} if band else {}) | named_fields(customer, fields)


def named_fields(given: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in fields if given.get(name) is not None}


def age_band(age: object) -> str:
    """Return the ten-year band of ``age``; "" where it is none.

    >>> age_band(34), age_band("70"), age_band(None)
    ('25-34', '65-plus', '')
    """
    years = read_whole(age)
    if years is None or not 0 < years < 130:
        return ""
    return next((band for limit, band in _AGE_BANDS if years < limit), "65-plus")
