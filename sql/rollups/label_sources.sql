-- name: label_sources()!
-- Which share of the truths behind the metrics of the hour came from whom.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
SELECT hour, 'label_source_share', task, mode, version, 'source=' || label_source,
       count(*)::double precision / sum(count(*)) OVER per_version, sum(count(*)) OVER per_version
FROM scored
GROUP BY hour, task, mode, version, label_source
WINDOW per_version AS (PARTITION BY hour, task, mode, version);
