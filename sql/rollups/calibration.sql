-- name: calibration()!
-- How far the probabilities of a tenth lie from what came true of them.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
SELECT any_value(hour), 'calibration_gap', any_value(task), any_value(mode), any_value(version), 'probability=0.' || tenth,
       sum(gap) / 1e9 / sum(n), sum(n)
FROM (SELECT cell, least(floor(probability * 10), 9::double precision)::integer AS tenth, count(*) AS n,
             sum(round((probability - is_true::integer) * 1e9)::bigint)::bigint AS gap
      FROM scored
      GROUP BY 1, 2) AS counted
JOIN cells USING (cell)
GROUP BY series, tenth;
