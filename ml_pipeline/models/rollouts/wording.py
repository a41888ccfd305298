"""What a look at a rollout rests on, in words."""

from collections.abc import Mapping
from typing import Any

Numbers = Mapping[str, Any]


def in_words(numbers: Numbers) -> dict[str, str]:
    """Return the numbers of a verdict for people, by what they tell; nothing where there are none.

    Sales stand by the challenger's share: shares differ in when they ran, and a sum over them would compare seasons.
    """
    if not numbers:
        return {}
    sold = {f"sold at a share of {at['share']:.0%}": _sold(at) for at in numbers["sales"]["strata"]}
    return {
        "conversations both scored": f"{numbers['calls']:,}",
        "matured at this step": f"{numbers['matured']:,}",
        **sold,
        "sales": _sales(numbers["sales"]),
        "log loss": _loss(numbers["quality"]),
        "sentinels": "; ".join(map(_sentinel, numbers["sentinels"])),
        "outcomes arose under": numbers["outcomes_arose_under"],
    }


def _sold(at: Numbers) -> str:
    return (
        f"{at['challenger_sold']:,} of {at['challenger_conversations']:,},"
        f" the champion's {at['champion_sold']:,} of {at['champion_conversations']:,}"
    )


def _sales(sales: Numbers) -> str:
    if sales["ratio"] is None:
        return "the champion has none to compare with"
    superiority = sales["superiority"]
    claim = (
        "surely more" if superiority["log_evidence"] >= superiority["needed"] else "that it sells more is not proven"
    )
    return f"{sales['ratio']:.2f} times the champion's; {claim}"


def _loss(quality: Numbers) -> str:
    if quality.get("loss") is None:
        return "no labelled rows"
    high = "not bounded yet" if quality["high"] is None else f"surely at most {quality['high']:+.4f}"
    return f"{quality['loss']:+.4f} nats, {high}, of {quality['clusters']:,} customers"


def _sentinel(sentinel: Numbers) -> str:
    value = "nothing" if sentinel["value"] is None else f"{sentinel['value']:.2f}"
    return f"{sentinel['name']} {value}{' (harmful)' if sentinel['is_harmful'] else ''}"
