"""Every metric there is, one a file. Being listed is what gets a metric rolled up, merged and tested."""

from ml_pipeline.metrics.catalogue import (
    abandonment,
    accuracy,
    brier,
    calibration_error,
    calibration_gap,
    confidence,
    conflict_rate,
    conversations_per_hour,
    conversion_lift,
    conversion_rate,
    error_rate,
    f1,
    label_source_share,
    latency_mean,
    latency_p50,
    latency_p95,
    latency_p99,
    log_loss,
    missing_outcome_rate,
    net_revenue,
    phase_drop_off,
    precision,
    predictions_per_hour,
    recall,
    revenue,
    revenue_lift,
    satisfaction,
    talk_ratio,
    turns_per_hour,
    turns_to_objection,
)
from ml_pipeline.metrics.metric import Compound, Metric

METRICS: dict[str, Metric] = {
    module.METRIC.name: module.METRIC
    for module in (
        accuracy,
        precision,
        recall,
        f1,
        brier,
        log_loss,
        calibration_gap,
        label_source_share,
        conflict_rate,
        confidence,
        latency_mean,
        latency_p50,
        latency_p95,
        latency_p99,
        predictions_per_hour,
        turns_per_hour,
        conversations_per_hour,
        error_rate,
        conversion_rate,
        revenue,
        net_revenue,
        satisfaction,
        missing_outcome_rate,
        abandonment,
        phase_drop_off,
        talk_ratio,
        turns_to_objection,
    )
}

COMPOUNDS: dict[str, Compound] = {
    module.METRIC.name: module.METRIC for module in (calibration_error, conversion_lift, revenue_lift)
}

CATALOGUE: dict[str, Metric | Compound] = {**METRICS, **COMPOUNDS}
