-- name: calibration()!
-- Means over (answer, label). Probabilities are kept a billionth away from 0 and 1, so that one sure mistake is finite.
INSERT INTO metric_rollups (hour, metric, task, mode, version, value, n)
SELECT hour, metric, task, mode, version, value, n
FROM (SELECT hour, task, mode, version, count(*) AS n,
             avg(power(probability - is_true::integer, 2)::numeric) AS brier,
             avg(-ln(CASE WHEN is_true THEN least(greatest(probability, 1e-9), 1)
                          ELSE least(greatest(1 - probability, 1e-9), 1) END)::numeric) AS log_loss
      FROM scored
      GROUP BY hour, task, mode, version) AS measured
CROSS JOIN LATERAL (VALUES ('brier', brier), ('log_loss', log_loss)) AS named(metric, value);
