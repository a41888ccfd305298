-- name: latency()!
-- Exact percentiles, and the mean beside a histogram of 10 % buckets. Below a microsecond is the lowest bucket; above a
-- thousand seconds counts as a thousand seconds.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n, mean_square, histogram)
WITH timed AS MATERIALIZED (
    SELECT a.hour, a.task, a.mode, a.version, slice, known.latency_ms,
           floor(ln(greatest(known.latency_ms, 0.001)) / ln(1.1))::integer AS bucket
    FROM answers AS a
    JOIN described AS d USING (conversation_id)
    CROSS JOIN LATERAL (SELECT least(a.latency_ms, 1e6) AS latency_ms) AS known
    CROSS JOIN unnest(d.slices || ('phase=' || a.phase)) AS slice
    WHERE a.latency_ms IS NOT NULL
      AND split_part(slice, '=', 1) IN (SELECT dimension FROM declared WHERE metric = 'latency_mean')
), exact AS (
    SELECT hour, task, mode, version, slice, count(*) AS n,
           sum(round(latency_ms * 1e6)::bigint) / 1e6 / count(*) AS mean,
           sum(round(latency_ms ^ 2 * 1e6)::bigint) / 1e6 / count(*) AS mean_square,
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency_ms) AS percentiles
    FROM timed
    GROUP BY hour, task, mode, version, slice
), histogram AS (
    SELECT hour, task, mode, version, slice, jsonb_object_agg(bucket, n) AS buckets
    FROM (SELECT hour, task, mode, version, slice, bucket, count(*) AS n
          FROM timed
          GROUP BY hour, task, mode, version, slice, bucket) AS counted
    GROUP BY hour, task, mode, version, slice
)
SELECT hour, metric, task, mode, version, slice, measured.value, n, squares, kept
FROM exact
JOIN histogram USING (hour, task, mode, version, slice)
CROSS JOIN LATERAL (VALUES ('latency_mean', mean::double precision, mean_square, buckets),
                           ('latency_p50', percentiles[1], NULL, NULL),
                           ('latency_p95', percentiles[2], NULL, NULL),
                           ('latency_p99', percentiles[3], NULL, NULL)) AS measured(metric, value, squares, kept)
JOIN declared USING (metric)
WHERE dimension = split_part(slice, '=', 1);
