"""One file per DAG, the same verb. Each ``run`` is idempotent, may run twice at once, and returns flat counts."""
