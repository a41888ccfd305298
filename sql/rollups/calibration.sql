-- name: calibration()!
-- How far the probabilities of a tenth lie from what came true of them.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
SELECT a.hour, 'calibration_gap', a.task, a.mode, a.version, 'probability=0.' || tenth,
       sum(round((s.probability - s.is_true::integer) * 1e12)::bigint) / 1e12 / count(*), count(*)
FROM scored AS s
JOIN answers AS a USING (answer)
CROSS JOIN LATERAL (SELECT least(floor(s.probability * 10), 9)::integer AS tenth OFFSET 0) AS tenths
GROUP BY a.hour, a.task, a.mode, a.version, tenth;
