"""The suites, one fact table a file. Being listed here is what gets a suite run and mutation-tested."""

from ml_pipeline.quality.suites import assignments, conversations, labels, outcomes, predictions, turns

SUITES = (conversations.SUITE, turns.SUITE, predictions.SUITE, outcomes.SUITE, labels.SUITE, assignments.SUITE)
