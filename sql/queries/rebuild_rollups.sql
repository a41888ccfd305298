-- Rollups of one day made again beside the live ones. `rolled_hours` and `rolled_periods` are those of the rollup; the live
-- tables are called public.<name>. An hour that waits to be rolled up is left to the next rollup, and so are its periods.

-- name: trusted_days(since)
-- The days of trusted hours, the oldest first; all without `since`.
SELECT DISTINCT date_trunc('day', hour, 'UTC') AS day
FROM trusted_hours
WHERE hour >= coalesce(:since, '-infinity'::timestamptz)
ORDER BY day;

-- name: seed(day)!
-- Day and week are merged from what the live side has of the other hours.
INSERT INTO metric_rollups
SELECT * FROM public.metric_rollups
WHERE hour >= date_trunc('week', :day::timestamptz, 'UTC')
  AND hour < date_trunc('week', :day::timestamptz, 'UTC') + interval '1 week';
INSERT INTO metric_periods
SELECT * FROM public.metric_periods
WHERE period_start >= date_trunc('week', :day::timestamptz, 'UTC')
  AND period_start < date_trunc('week', :day::timestamptz, 'UTC') + interval '1 week';

-- name: compare_rollups()
-- Grain: one row per table, with how many rows of it were compared.
SELECT table_name, compare_rebuilt(table_name, scope) AS compared
FROM (VALUES
    ('metric_rollups',
     'hour IN (SELECT hour FROM rolled_hours)
      AND hour NOT IN (SELECT hour FROM public.changed_hours WHERE consumer = ''rollups'')'),
    ('metric_periods',
     '(grain, period_start) IN (SELECT grain, period_start FROM rolled_periods)
      AND NOT EXISTS (SELECT FROM public.changed_hours
                      WHERE consumer = ''rollups'' AND date_trunc(grain, hour, ''UTC'') = period_start)')
) AS scoped(table_name, scope);
