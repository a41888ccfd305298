"""What a customer does in a turn. A turn may hold several acts."""

from collections.abc import Mapping
from enum import StrEnum


class Act(StrEnum):
    """An ``objection_`` or ``need_`` act is named after the label it is evidence of."""

    OBJECTION_PRICE = "objection_price"
    OBJECTION_NEED = "objection_need"
    OBJECTION_URGENCY = "objection_urgency"
    OBJECTION_TRUST = "objection_trust"
    OBJECTION_FEATURES = "objection_features"
    OBJECTION_COMPETITION = "objection_competition"
    NEED_INFORMATION = "need_information"
    NEED_PRICING = "need_pricing"
    NEED_FEATURES = "need_features"
    NEED_SUPPORT = "need_support"
    NEED_INTEGRATION = "need_integration"
    NEED_ROI = "need_roi"
    QUESTION = "question"
    PRICE_QUESTION = "price_question"
    AGREEMENT = "agreement"
    INTEREST = "interest"
    HESITATION = "hesitation"
    REFUSAL = "refusal"
    COMPETITOR = "competitor"
    GREETING = "greeting"
    THANKS = "thanks"
    OTHER = "other"
    """None of the others: the turn was read, and this stands alone."""


ACT_PREFIX: Mapping[str, str] = {"objection": "objection_", "needs": "need_"}
"""How the acts of a task begin; what follows is the label."""


TELLS_LABELS: Mapping[str, str] = {
    f"{stem}_{ending}": task
    for stem, task in (("objection", "objection"), ("objections", "objection"), ("need", "needs"), ("needs", "needs"))
    for ending in ("detected", "raised", "stated", "identified")
}
"""Types of the agent's own events that tell labels of a task, which name acts."""
TELLS_ACT: Mapping[str, Act] = {
    "price_question": Act.PRICE_QUESTION,
    "price_question_detected": Act.PRICE_QUESTION,
    "pricing_question": Act.PRICE_QUESTION,
    "competitor_mentioned": Act.COMPETITOR,
    "competitor_detected": Act.COMPETITOR,
    "agreement_detected": Act.AGREEMENT,
    "hesitation_detected": Act.HESITATION,
    "refusal_detected": Act.REFUSAL,
    "interest_detected": Act.INTEREST,
    "buying_signal": Act.INTEREST,
}
TELLING_EVENTS = (*TELLS_LABELS, *TELLS_ACT)


class ActSource(StrEnum):
    """Who says that an act stands in a turn."""

    AGENT = "agent"
    MODEL = "model"
    RULE = "rule"
