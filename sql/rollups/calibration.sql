-- name: calibration()!
-- How far the probabilities of a tenth lie from what came true of them.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
SELECT hour, 'calibration_gap', task, mode, version, 'probability=0.' || tenth, sum(gap) / 1e12 / sum(n), sum(n)
FROM (SELECT p.cell, least(floor(s.probability * 10), 9)::integer AS tenth, count(*) AS n,
             sum(round((s.probability - s.is_true::integer) * 1e12)::bigint) AS gap
      FROM scored AS s JOIN placed AS p USING (answer)
      GROUP BY 1, 2) AS counted
JOIN cells USING (cell)
GROUP BY hour, task, mode, version, tenth;
