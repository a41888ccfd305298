-- name: label_sources()!
-- Which share of the truths behind the metrics of the hour came from whom.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
SELECT any_value(hour), 'label_source_share', any_value(task), any_value(mode), any_value(version),
       'label_source=' || label_source, sum(n) / sum(sum(n)) OVER per_version, sum(sum(n)) OVER per_version
FROM judged JOIN cells USING (cell)
GROUP BY series, label_source
WINDOW per_version AS (PARTITION BY series);
