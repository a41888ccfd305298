-- name: answers()!
-- How many answers there are, and how sure they are. Of counts n is 1: the value is a mean over hours, here over this one.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n, mean_square)
WITH cell AS MATERIALIZED (
    SELECT a.hour, a.task, a.mode, a.version, a.phase, d.audience, count(*) AS answers, count(a.confidence) AS sure,
           sum(round(a.confidence * 1e12)::bigint) AS confidence,
           sum(round(a.confidence ^ 2 * 1e12)::bigint) AS squared_confidence
    FROM answers AS a JOIN described AS d USING (conversation_id)
    GROUP BY a.hour, a.task, a.mode, a.version, a.phase, d.audience
), sliced AS (
    SELECT hour, task, mode, version, slice, sum(answers) AS answers, sum(sure)::bigint AS sure,
           sum(confidence) / 1e12 AS confidence, sum(squared_confidence) / 1e12 AS squared_confidence
    FROM cell JOIN audiences USING (audience) CROSS JOIN unnest(slices || ('phase=' || phase)) AS slice
    WHERE slice IS NOT NULL
    GROUP BY hour, task, mode, version, slice
)
SELECT hour, metric, task, mode, version, slice, total / n, n, squares / n
FROM sliced
CROSS JOIN LATERAL (VALUES ('predictions_per_hour', answers, 1, NULL::numeric),
                           ('confidence', confidence, sure, squared_confidence)) AS measured(metric, total, n, squares)
JOIN declared USING (metric)
WHERE dimension = split_part(slice, '=', 1) AND n > 0;
