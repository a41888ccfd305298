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


class ActSource(StrEnum):
    """Who says that an act stands in a turn."""

    AGENT = "agent"
    MODEL = "model"
    RULE = "rule"
