"""Types of events in the log, and what their ``data`` holds. The online module writes them, the projection reads them.

``turn``        one message: ``turn`` (from 0, counts every message), ``role``, ``content`` (redacted), ``language``
``prediction``  one answer of one version: ``turn``, ``task``, ``mode``, ``version``, ``probabilities`` ({label: p}),
                ``labels`` (those predicted), ``is_served``, ``latency_ms``, ``feature_revision``, ``feature_digest``,
                ``context`` (what features saw), ``tracking_id``; ``raw`` where it came from the caller. With
                ``is_fallback`` or ``error`` it is no prediction: stored, never projected. ``replaces``: the event of
                the same answer, reported for a guessed turn before its own was known; that one is no fact any more
``outcome``     ``outcome``, ``conversion_value``, ``currency``, ``tier_selected``, ``satisfaction``,
                ``duration_seconds``, ``message_count``, and ``metrics`` (the rest, redacted); ``supersedes``:
                the outcome or label that it takes the place of, where told
``label``       truth: ``task``, ``labels``, ``source``, ``turn`` (or null), ``value``, ``currency``, ``supersedes``.
                ``labels`` [] says that none holds; a turn without a label event is unknown, not negative
``assignment``  a conversation's arm: ``experiment`` (its name), ``experiment_id``, ``arm``, ``unit`` and ``unit_id``
                (what it was drawn by), ``propensity`` (the chance of that arm), ``reason`` (drawn, switched_off),
                ``turn`` (the last one then), ``policy`` ({epoch, n}). Its time is when the conversation began
``answer``      what the caller's predictions hold beside the tasks: ``turn``, ``rest`` (redacted). Its id is the call's
                ``tracking_id``
``retraining_request``  ``task``, ``mode``, ``reason``, ``priority`` (low, normal, high)
``error``       a counted refusal or failure: ``reason``, ``where``, ``count``
Any other type is the agent's own; it stays in the log.

Every event of a conversation may carry ``conversation``: ``language``, ``program``, ``platform``, ``age_band``,
``customer_key``; the projection keeps the latest known of each.

``data`` follows schema 1; where a later one is meant, ``schema`` in it says so.
"""

SCHEMA = 1
"""The newest schema of ``data`` that the projection reads."""

TURN = "turn"
PREDICTION = "prediction"
OUTCOME = "outcome"
LABEL = "label"
ASSIGNMENT = "assignment"
ANSWER = "answer"
RETRAINING_REQUEST = "retraining_request"
ERROR = "error"

CATEGORIES = {
    TURN: "conversation",
    PREDICTION: "prediction",
    OUTCOME: "outcome",
    LABEL: "feedback",
    ASSIGNMENT: "experiment",
    ANSWER: "prediction",
    RETRAINING_REQUEST: "model",
    ERROR: "system",
}
AGENT_CATEGORY = "agent"
"""Category of every event type the pipeline does not know."""

OUR_EVENTS = frozenset(CATEGORIES) - {ERROR}
"""Types with a meaning of ours: an agent's own event of such a name is recorded as ``agent.<name>``."""
