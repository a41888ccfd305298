"""The suites, one table a file. Being listed here is what gets a suite run and mutation-tested."""

from ml_pipeline.quality.suites import (
    acts,
    assignments,
    calls_by_hour,
    conversations,
    labels,
    log,
    outcomes,
    predictions,
    sources,
    turns,
)

SUITES = (
    conversations.SUITE,
    turns.SUITE,
    predictions.SUITE,
    outcomes.SUITE,
    labels.SUITE,
    assignments.SUITE,
    acts.SUITE,
    log.SUITE,
    calls_by_hour.SUITE,
    sources.SUITE,
)
