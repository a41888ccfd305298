-- name: throughput()!
-- n is 1: the value is a mean over hours, here over this one.
INSERT INTO metric_rollups (hour, metric, task, mode, version, value, n)
SELECT hour, 'predictions_per_hour', task, mode, version, count(*), 1
FROM answers
GROUP BY hour, task, mode, version
UNION ALL
SELECT date_trunc('hour', t.at, 'UTC') AS hour, 'turns_per_hour', '', '', '', count(*), 1
FROM rolled_days CROSS JOIN LATERAL (SELECT at FROM turns WHERE at >= low AND at < high OFFSET 0) AS t
WHERE date_trunc('hour', t.at, 'UTC') IN (SELECT hour FROM rolled_hours)
GROUP BY date_trunc('hour', t.at, 'UTC')
UNION ALL
SELECT hour, 'conversations_per_hour', '', '', '', count(*), 1
FROM started
GROUP BY hour;
