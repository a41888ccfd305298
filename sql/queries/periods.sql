-- Days and weeks (from Monday) from the rollups of hours, in the transaction that rolled the hours up: it left
-- rolled_hours (see metrics.sql). Days are merged from hours and weeks from days, so that one changed hour costs a day of
-- hours and a week of days. Sums are taken in numeric: the same figures to the last digit in whatever order hours came.
--   rolled_periods (grain, period_start, period_end)   the days and weeks to make again
--   part                                               the rows that are merged, of hours and then of days
-- `metrics` is an array of {name, merge, share, of, is_share}; merge is mean, mean_over_all or quantile.

-- name: span_periods()!
CREATE TEMPORARY TABLE rolled_periods ON COMMIT DROP AS
SELECT DISTINCT grain, date_trunc(grain, hour, 'UTC') AS period_start,
       date_trunc(grain, hour, 'UTC') + ('1 ' || grain)::interval AS period_end
FROM rolled_hours CROSS JOIN (VALUES ('day'), ('week')) AS grains(grain);

-- name: forget_periods()!
DELETE FROM metric_periods
USING rolled_periods AS p
WHERE metric_periods.grain = p.grain AND metric_periods.period_start = p.period_start;

-- name: gather_hours()!
-- Names are compared by their bytes: to sort them as a language would costs more than all the rest.
CREATE TEMPORARY TABLE part ON COMMIT DROP AS
SELECT p.period_start, r.hour AS part_start, r.metric COLLATE "C", r.task COLLATE "C", r.mode COLLATE "C",
       r.version COLLATE "C", r.slice COLLATE "C", r.value, r.n, r.mean_square, r.histogram, 1 AS hours
FROM rolled_periods AS p JOIN metric_rollups AS r ON r.hour >= p.period_start AND r.hour < p.period_end
WHERE p.grain = 'day';

-- name: gather_days()!
WITH emptied AS (
    DELETE FROM part
)
INSERT INTO part
SELECT p.period_start, d.period_start, d.metric, d.task, d.mode, d.version, d.slice, d.value, d.n, d.mean_square,
       d.histogram, d.hours
FROM rolled_periods AS p
JOIN metric_periods AS d ON d.grain = 'day' AND d.period_start >= p.period_start AND d.period_start < p.period_end
WHERE p.grain = 'week';

-- name: merge_means(grain, metrics)!
-- mean_over_all: a part without a row of some value of the slice counts there with 0, for n is of all there was, the same
-- in each row of a part. Intervals: Wilson for shares of things that are or are not so, else Student's from the mean of
-- squares.
INSERT INTO metric_periods (grain, period_start, metric, task, mode, version, slice, value, low, high, n, mean_square,
                            histogram, hours)
WITH described AS (
    SELECT * FROM jsonb_to_recordset(:metrics) AS described(name text, merge text, is_share boolean)
), summed AS (
    SELECT period_start, metric, task, mode, version, slice, merge, is_share, sum(value::numeric * n) AS total,
           sum(n)::bigint AS n, sum(hours) AS hours,
           CASE WHEN count(mean_square) = count(*) THEN sum(mean_square::numeric * n) END AS squares
    FROM part JOIN described ON name = metric
    WHERE merge <> 'quantile'
    GROUP BY period_start, metric, task, mode, version, slice, merge, is_share
), everything AS (
    SELECT period_start, metric, task, mode, version, kind, sum(n)::bigint AS n
    FROM (SELECT period_start, metric, task, mode, version, regexp_replace(slice, '=[^,]*', '=') AS kind, max(n) AS n
          FROM part JOIN described ON name = metric
          WHERE merge = 'mean_over_all'
          GROUP BY period_start, part_start, metric, task, mode, version, kind) AS of_part
    GROUP BY period_start, metric, task, mode, version, kind
), counted AS (
    SELECT own.period_start, own.metric, own.task, own.mode, own.version, own.slice, own.hours, own.is_share,
           coalesce(everything.n, own.n) AS n,
           (own.total / coalesce(everything.n, own.n))::double precision AS value,
           (own.squares / coalesce(everything.n, own.n))::double precision AS mean_square
    FROM summed AS own
    LEFT JOIN everything
        ON own.merge = 'mean_over_all' AND everything.kind = regexp_replace(own.slice, '=[^,]*', '=')
       AND (everything.period_start, everything.metric, everything.task, everything.mode, everything.version)
         = (own.period_start, own.metric, own.task, own.mode, own.version)
), histograms AS (
    SELECT period_start, metric, task, mode, version, slice, jsonb_object_agg(bucket, n) AS histogram
    FROM (SELECT period_start, metric, task, mode, version, slice, bucket COLLATE "C" AS bucket,
                 sum(held.count::bigint) AS n
          FROM part CROSS JOIN LATERAL jsonb_each_text(histogram) AS held(bucket, count)
          WHERE histogram IS NOT NULL
          GROUP BY period_start, metric, task, mode, version, slice, 7) AS buckets
    GROUP BY period_start, metric, task, mode, version, slice
)
SELECT :grain, period_start, metric, task, mode, version, slice, value, middle - reach, middle + reach, n, mean_square,
       histogram, hours
FROM counted
CROSS JOIN LATERAL (SELECT 1.959964 ^ 2 / n AS square) AS z
CROSS JOIN LATERAL (
    SELECT CASE WHEN mean_square IS NULL AND is_share THEN (value + square / 2) / (1 + square) ELSE value END AS middle,
           CASE WHEN mean_square IS NULL AND is_share
                    THEN sqrt(greatest(value * (1 - value), 0) * square + square ^ 2 / 4) / (1 + square)
                WHEN n > 1 THEN student_95(n - 1) * sqrt(greatest(mean_square - value ^ 2, 0) / (n - 1)) END AS reach
) AS bounds
LEFT JOIN histograms USING (period_start, metric, task, mode, version, slice);

-- name: merge_quantiles(grain, metrics)!
-- As percentile_cont, with the geometric middle of its bucket for each value: at most sqrt(1.1) - 1 = 4.9 % off, of
-- values from a microsecond. Bounds: the edges of the buckets where the ranks of the binomial interval lie; there are
-- none where a rank lies outside.
INSERT INTO metric_periods (grain, period_start, metric, task, mode, version, slice, value, low, high, n, hours)
SELECT :grain, p.period_start, wanted.name, p.task, p.mode, p.version, p.slice,
       1.1 ^ (at_rank + 0.5) * (1 - between) + 1.1 ^ (after_rank + 0.5) * between,
       CASE WHEN is_bounded THEN 1.1 ^ at_low END, CASE WHEN is_bounded THEN 1.1 ^ (at_high + 1) END, p.n, p.hours
FROM rolled_periods
JOIN metric_periods AS p USING (grain, period_start)
JOIN jsonb_to_recordset(:metrics) AS wanted(name text, merge text, share double precision, "of" text)
    ON wanted.merge = 'quantile' AND wanted.of = p.metric
CROSS JOIN LATERAL (
    SELECT share * (p.n - 1) - floor(share * (p.n - 1)) AS between, floor(share * (p.n - 1)) + 1 AS rank,
           floor(share * p.n - reach) AS low_rank, ceil(share * p.n + reach) + 1 AS high_rank
    FROM (SELECT 1.959964 * sqrt(p.n * share * (1 - share)) AS reach) AS binomial
) AS ranks
CROSS JOIN LATERAL (SELECT low_rank >= 1 AND high_rank <= p.n AS is_bounded) AS bounded
CROSS JOIN LATERAL (
    SELECT min(bucket) FILTER (WHERE reached >= rank) AS at_rank,
           min(bucket) FILTER (WHERE reached >= least(rank + 1, p.n)) AS after_rank,
           min(bucket) FILTER (WHERE reached >= low_rank) AS at_low,
           min(bucket) FILTER (WHERE reached >= high_rank) AS at_high
    FROM (SELECT bucket::integer AS bucket, sum(held.count::bigint) OVER (ORDER BY bucket::integer) AS reached
          FROM jsonb_each_text(p.histogram) AS held(bucket, count)) AS running
) AS found
WHERE rolled_periods.grain = :grain AND p.histogram IS NOT NULL;

-- name: control_arms()
-- Of experiments of one name, the newest.
SELECT DISTINCT ON (name) name, config #>> '{arms,0,name}' AS control
FROM ml_experiments
WHERE jsonb_typeof(config #> '{arms,0,name}') = 'string'
ORDER BY name, created_at DESC, id DESC;

-- name: merged_slices(metrics)
-- What the compound metrics are made of; metrics: names.
SELECT grain, period_start, metric, task, mode, version, slice, value, n, mean_square, hours
FROM metric_periods JOIN rolled_periods USING (grain, period_start)
WHERE metric = ANY (:metrics)
ORDER BY grain, period_start, metric, task, mode, version, slice;

-- name: keep_compounds(rows)!
INSERT INTO metric_periods (grain, period_start, metric, task, mode, version, slice, value, low, high, n, hours)
SELECT grain, period_start, metric, task, mode, version, slice, value, low, high, n, hours
FROM jsonb_to_recordset(:rows) AS made(
    grain text, period_start timestamptz, metric text, task text, mode text, version text, slice text,
    value double precision, low double precision, high double precision, n bigint, hours integer);
