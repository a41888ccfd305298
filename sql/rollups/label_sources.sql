-- name: label_sources()!
-- Which share of the truths behind the metrics of the hour came from whom.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
SELECT a.hour, 'label_source_share', a.task, a.mode, a.version, 'label_source=' || s.label_source,
       count(*)::double precision / sum(count(*)) OVER per_version, sum(count(*)) OVER per_version
FROM scored AS s JOIN answers AS a USING (answer)
GROUP BY a.hour, a.task, a.mode, a.version, s.label_source
WINDOW per_version AS (PARTITION BY a.hour, a.task, a.mode, a.version);
