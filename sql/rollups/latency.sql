-- name: latency()!
-- Exact percentiles, and the mean beside a histogram of 10 % buckets. Below a microsecond is the lowest bucket.
WITH timed AS (
    SELECT hour, task, mode, version, latency_ms FROM answers WHERE latency_ms IS NOT NULL
), exact AS (
    SELECT hour, task, mode, version, count(*) AS n, avg(latency_ms::numeric) AS mean,
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency_ms) AS percentiles
    FROM timed
    GROUP BY hour, task, mode, version
), histogram AS (
    SELECT hour, task, mode, version, jsonb_object_agg(bucket, n) AS buckets
    FROM (SELECT hour, task, mode, version, floor(ln(greatest(latency_ms, 0.001)) / ln(1.1))::integer AS bucket,
                 count(*) AS n
          FROM timed
          GROUP BY hour, task, mode, version, bucket) AS counted
    GROUP BY hour, task, mode, version
)
INSERT INTO metric_rollups (hour, metric, task, mode, version, value, n, histogram)
SELECT hour, metric, task, mode, version, value, n, kept
FROM exact JOIN histogram USING (hour, task, mode, version)
CROSS JOIN LATERAL (VALUES ('latency_mean', mean, buckets),
                           ('latency_p50', percentiles[1], NULL),
                           ('latency_p95', percentiles[2], NULL),
                           ('latency_p99', percentiles[3], NULL)) AS measured(metric, value, kept);
