-- name: latency()!
-- Exact percentiles, and the mean beside a histogram of 10 % buckets. Below a microsecond is the lowest bucket; what
-- is negative counts as nothing, and what is above a thousand seconds as a thousand.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n, mean_square, histogram)
WITH timed AS MATERIALIZED (
    SELECT a.cell, capped.latency_ms,
           floor(ln(greatest(capped.latency_ms, 0.001::double precision)) / ln(1.1::double precision))::integer AS bucket
    FROM answers AS a CROSS JOIN LATERAL (SELECT least(greatest(a.latency_ms, 0::double precision), 1e6::double precision) AS latency_ms) AS capped
    WHERE a.latency_ms IS NOT NULL
), timed_part AS (
    SELECT cell, part
    FROM cell_parts
    WHERE dimension IN (SELECT dimension FROM declared WHERE metric = 'latency_mean')
), exact AS (
    SELECT part, count(*) AS n, sum(round(latency_ms * 1e6)::bigint) / 1e6 / count(*) AS mean,
           sum(round(latency_ms * latency_ms * 1e6)::bigint) / 1e6 / count(*) AS mean_square,
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency_ms) AS percentiles
    FROM timed JOIN timed_part USING (cell)
    GROUP BY part
), histogram AS (
    SELECT part, jsonb_object_agg(bucket, n) AS buckets
    FROM (SELECT part, bucket, sum(n) AS n
          FROM (SELECT cell, bucket, count(*) AS n FROM timed GROUP BY cell, bucket) AS of_cell
          JOIN timed_part USING (cell)
          GROUP BY part, bucket) AS of_part
    GROUP BY part
)
SELECT hour, metric, task, mode, version, slice, measured.value, n, squares, kept
FROM exact
JOIN histogram USING (part)
JOIN parts USING (part)
CROSS JOIN LATERAL (VALUES ('latency_mean', mean::double precision, mean_square, buckets),
                           ('latency_p50', percentiles[1], NULL, NULL),
                           ('latency_p95', percentiles[2], NULL, NULL),
                           ('latency_p99', percentiles[3], NULL, NULL)) AS measured(metric, value, squares, kept)
WHERE (metric, dimension) IN (SELECT metric, dimension FROM declared);
