-- name: answers()!
-- How many answers there are, and how sure they are. Of counts n is 1: the value is a mean over hours, here over this one.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n, mean_square)
WITH counted AS (
    SELECT part, sum(answers) AS answers, sum(sure)::bigint AS sure, sum(confidence) / 1e9 AS confidence,
           sum(squared_confidence) / 1e9 AS squared_confidence
    FROM (SELECT cell, count(*) AS answers, count(confidence) AS sure, sum(round(confidence * 1e9)::bigint)::bigint AS confidence,
                 sum(round(confidence * confidence * 1e9)::bigint)::bigint AS squared_confidence
          FROM answers
          GROUP BY cell) AS of_cell
    JOIN cell_parts USING (cell)
    GROUP BY part
)
SELECT hour, metric, task, mode, version, slice, total / n, n, squares / n
FROM counted
JOIN parts USING (part)
CROSS JOIN LATERAL (VALUES ('predictions_per_hour', answers, 1, NULL::numeric),
                           ('confidence', confidence, sure, squared_confidence)) AS measured(metric, total, n, squares)
WHERE (metric, dimension) IN (SELECT metric, dimension FROM declared) AND n > 0;
