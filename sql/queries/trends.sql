-- Trends read days of metric_periods whose hours may all be read, and nothing else.

-- name: lock()$
SELECT pg_advisory_xact_lock(hashtext('find_trends'))::text;

-- name: last_day_end(now)$
-- The end of the newest day that is over and whole: no hour of it waits for its verdict or is held. Null without one.
SELECT max(period_start) + interval '1 day'
FROM (SELECT DISTINCT period_start FROM metric_periods WHERE grain = 'day') AS day
WHERE period_start <= :now::timestamptz - interval '1 day'
  AND NOT EXISTS (SELECT
                  FROM quality_verdicts
                  WHERE hour >= period_start AND hour < period_start + interval '1 day'
                    AND hour NOT IN (SELECT hour FROM trusted_hours));

-- name: read_days(wanted, since, until)
-- The whole days of [since, until). wanted: an array of {metric, kind}; the kind of a slice is what it is by, such as
-- 'language' or 'currency,arm', '' for all there is.
WITH untrusted AS MATERIALIZED (
    SELECT DISTINCT date_trunc('day', hour, 'UTC') AS day
    FROM quality_verdicts
    WHERE hour >= :since AND hour < :until AND hour NOT IN (SELECT hour FROM trusted_hours)
)
SELECT p.metric, p.task, p.mode, p.version, p.slice, p.period_start AS at, p.value, p.n
FROM metric_periods AS p
JOIN jsonb_to_recordset(:wanted) AS wanted(metric text, kind text)
    ON wanted.metric = p.metric AND wanted.kind = regexp_replace(p.slice, '=[^,]*', '', 'g')
WHERE p.grain = 'day' AND p.period_start >= :since AND p.period_start < :until
  AND p.period_start NOT IN (SELECT day FROM untrusted)
ORDER BY p.metric, p.task, p.mode, p.version, p.slice, p.period_start;

-- name: known_changes()
SELECT metric, task, mode, version, slice, at, detected_at
FROM change_points
ORDER BY metric, task, mode, version, slice, detected_at;

-- name: forget_trends(as_of, metrics)!
DELETE FROM metric_trends WHERE as_of = :as_of AND metric = ANY (:metrics);

-- name: keep_trends(as_of, rows)!
INSERT INTO metric_trends (as_of, grain, metric, task, mode, version, slice, level, low, high, n, change, change_low,
                           change_high, p_value, compared_with, is_significant)
SELECT :as_of, made.*
FROM jsonb_to_recordset(:rows) AS made(
    grain text, metric text, task text, mode text, version text, slice text, level double precision,
    low double precision, high double precision, n bigint, change double precision, change_low double precision,
    change_high double precision, p_value double precision, compared_with timestamptz, is_significant boolean);

-- name: record_change_points(rows)!
INSERT INTO change_points (metric, task, mode, version, slice, at, before, after, detected_at, evidence)
SELECT *
FROM jsonb_to_recordset(:rows) AS found(
    metric text, task text, mode text, version text, slice text, at timestamptz, before double precision,
    after double precision, detected_at timestamptz, evidence jsonb)
ON CONFLICT DO NOTHING;

-- name: newest_trends(metric, everything)
-- How metrics stand against a week before, at the newest time each was looked at; only what is significant unless
-- `everything`. Of one metric where it is named.
SELECT as_of, grain, t.metric, task, mode, version, slice, level, low, high, n, change, change_low, change_high, p_value,
       compared_with, is_significant
FROM metric_trends AS t
JOIN (SELECT metric, max(as_of) AS as_of FROM metric_trends GROUP BY metric) AS newest USING (metric, as_of)
WHERE t.metric = coalesce(:metric, t.metric) AND (:everything OR is_significant)
ORDER BY t.metric, task, mode, version, slice, grain;

-- name: newest_change_points(metric, since)
SELECT metric, task, mode, version, slice, at, before, after, detected_at, evidence
FROM change_points
WHERE metric = coalesce(:metric, metric) AND detected_at >= :since
ORDER BY at DESC, metric, task, mode, version, slice;
