-- name: confidence()!
INSERT INTO metric_rollups (hour, metric, task, mode, version, value, n)
SELECT hour, 'confidence', task, mode, version, avg(confidence::numeric), count(*)
FROM answers
WHERE confidence IS NOT NULL
GROUP BY hour, task, mode, version;
