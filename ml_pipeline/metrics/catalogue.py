"""Every metric there is. Being listed is what gets a metric rolled up and tested."""

from ml_pipeline.metrics import (
    accuracy,
    calibration,
    confidence,
    errors,
    label_sources,
    latency,
    precision_recall,
    sales,
    throughput,
)
from ml_pipeline.metrics.metric import Metric

FAMILIES = (
    accuracy.FAMILY,
    precision_recall.FAMILY,
    calibration.FAMILY,
    label_sources.FAMILY,
    confidence.FAMILY,
    latency.FAMILY,
    throughput.FAMILY,
    errors.FAMILY,
    sales.FAMILY,
)

METRICS: dict[str, Metric] = {metric.name: metric for family in FAMILIES for metric in family.metrics}
