"""Names of the assets that wake jobs. They only wake: which hours may be read is in ``quality_verdicts``."""

FACTS = "facts"
TRUSTED_FACTS = "trusted_facts"
MODELS = "models"
RETRAINING_REQUESTS = "retraining_requests"
